package control

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"postern/internal/audit"
	"postern/store"
)

// A QueueOrder says what is to be done to which messages under way: those with an
// id, those to or from somebody, or all.
type QueueOrder struct {
	IDs    []string `json:"ids,omitempty"` // of jobs or of messages, or Message-IDs
	To     string   `json:"to,omitempty"`
	From   string   `json:"from,omitempty"`
	All    bool     `json:"all,omitempty"`
	Kept   bool     `json:"kept,omitempty"`   // kept originals alone; else they are meant only by their ids
	Held   bool     `json:"held,omitempty"`   // those alone that an operator holds
	Silent bool     `json:"silent,omitempty"` // of a drop: the sender is not told
}

// Clear reports whether an order says in exactly one way which messages are meant.
func (o QueueOrder) Clear() bool {
	ways := 0
	for _, given := range []bool{len(o.IDs) > 0, o.To != "" || o.From != "", o.All} {
		if given {
			ways++
		}
	}
	return ways == 1
}

// takes reports whether an order is for a job that it names.
func (o QueueOrder) takes(j store.Job) bool {
	kept := j.Kind == store.KeptJob
	return (kept == o.Kept || kept && len(o.IDs) > 0) && (j.Held || !o.Held)
}

// A QueueChanged says how much was done.
type QueueChanged struct {
	Jobs int `json:"jobs"`
	// Judged are those of Jobs that were kept and are judged again.
	Judged int `json:"judged,omitempty"`
	// InWork are those that could not be dropped, for they are being sent.
	InWork []store.JobID `json:"in_work,omitempty"`
}

// A queueDeed is something that an operator does to a job. It says what was done,
// such as "held"; "" is that there was nothing to do.
type queueDeed func(store.Tx, *store.Job) (done string, err error)

// underWay reports whether a job is a step of a message, not a deadline or what is
// kept.
func underWay(j store.Job) bool {
	return slices.Contains(store.Steps(), j.Kind)
}

// retryJobs makes messages due now, and opens the destinations that they wait for.
// Kept originals are judged again.
// What is due already keeps its place in the line and is not written again: this
// may be asked for often, while much is under way.
func (s *Service) retryJobs(ctx context.Context, in QueueOrder) (QueueChanged, error) {
	down := make(map[laneName]bool)
	for _, d := range s.Core.DownLanes() {
		down[laneName{d.Kind, d.Lane}] = true
	}
	open, before := make(map[laneName]bool), make(map[store.JobID]bool)
	if in.All {
		maps.Copy(open, down)
	}
	changed, err := s.changeJobs(ctx, in, func(tx store.Tx, j *store.Job) (done string, err error) {
		switch {
		case j.Kind == store.KeptJob:
			*j, err = s.Core.JudgeAgain(tx, *j)
			return "judged again", err
		case j.Idle() || !underWay(*j):
			return "", nil
		}
		lane, now := laneName{j.Kind, laneOf(*j)}, s.Core.Steady()
		open[lane] = true
		s.Core.AskAgain(*j)
		switch {
		case j.Due.After(now):
			j.Due = now
			j.Ordered = min(j.Ordered+1, j.Attempts) // it is no step further in its waits
		case !down[lane]:
			before[j.ID] = true
			return "", nil
		}
		return "due now", nil
	})
	for l := range open {
		s.Core.OpenLane(l.kind, l.lane)
	}
	changed.Jobs += len(before)
	if err == nil && changed.Jobs == 0 && len(in.IDs) > 0 {
		err = in.nothingToTry()
	}
	return changed, err
}

func (o QueueOrder) nothingToTry() error {
	e := &Error{Kind: Negative, Message: strings.Join(o.IDs, ", ") + ": held", Hint: "postern queue release lets a held message go on"}
	if o.Kept {
		e.Message, e.Hint = strings.Join(o.IDs, ", ")+": not kept", "postern queue list --kept --all shows what is"
	}
	return e
}

// A laneName names what jobs of a kind wait for.
type laneName struct {
	kind store.JobKind
	lane string
}

// laneOf names what a job waits for, as breakers do.
func laneOf(j store.Job) string {
	if j.Kind == store.RelayJob {
		return j.Destination.String()
	}
	return j.Lane
}

func (s *Service) holdJobs(ctx context.Context, in QueueOrder) (QueueChanged, error) {
	return s.changeJobs(ctx, in, func(_ store.Tx, j *store.Job) (string, error) {
		if j.Held {
			return "", nil
		}
		j.Held = true
		return "held", nil
	})
}

// releaseJobs lets held messages go on. One that waits for another message of ours
// goes before it only if it is named itself (DN-10).
func (s *Service) releaseJobs(ctx context.Context, in QueueOrder) (QueueChanged, error) {
	return s.changeJobs(ctx, in, func(_ store.Tx, j *store.Job) (string, error) {
		switch {
		case !j.Idle(), !j.Held && len(in.IDs) == 0:
			return "", nil
		case len(in.IDs) > 0:
			j.Waits = false
		}
		j.Held = false
		if underWay(*j) {
			*j = s.Core.LetGo(*j)
		}
		return "released", nil
	})
}

// batch is how many jobs are changed in one transaction.
const batch = 200

// changeJobs does a deed to all jobs that an order means, a few in each
// transaction, and leaves a trace of it in the track of each message and in the
// audit trail.
func (s *Service) changeJobs(ctx context.Context, in QueueOrder, do queueDeed) (QueueChanged, error) {
	ids, err := s.meant(ctx, in, in.takes)
	if err != nil {
		return QueueChanged{}, err
	}
	var total QueueChanged
	for some := range slices.Chunk(ids, batch) {
		var changed QueueChanged
		err := s.Core.Store.Update(ctx, func(tx store.Tx) (err error) {
			changed, err = s.changeSome(ctx, tx, some, in, do)
			return err
		})
		if err != nil {
			return total, err
		}
		total.Jobs, total.Judged = total.Jobs+changed.Jobs, total.Judged+changed.Judged
	}
	return total, nil
}

func (s *Service) changeSome(ctx context.Context, tx store.Tx, ids []store.JobID, in QueueOrder, do queueDeed) (changed QueueChanged, err error) {
	for _, id := range ids {
		j, err := tx.Job(id)
		if errors.Is(err, store.ErrNotFound) {
			continue // it ended meanwhile
		}
		if err != nil {
			return changed, err
		}
		if !in.takes(j) {
			continue // it went on
		}
		was := j.Kind
		done, err := do(tx, &j)
		if err != nil {
			return changed, err
		}
		if done == "" {
			continue
		}
		err = errors.Join(tx.Reschedule(j), s.note(tx, j, done+" by "+actor(ctx)))
		for _, track := range j.Tracks() {
			err = errors.Join(err, tx.Audit(audit.Record{
				Actor: actor(ctx), Action: audit.Changed, Object: fmt.Sprintf("%s job %d", was, j.ID),
				Track: string(track), Detail: done + in.whom(),
			}))
		}
		if err != nil {
			return changed, err
		}
		changed.Jobs++
		if j.Kind != was {
			changed.Judged++
		}
	}
	return changed, nil
}

// note adds an event to the tracks of a job that are still kept. What is done to an event
// of a web hook is not done to the message that it tells of.
func (s *Service) note(tx store.Tx, j store.Job, what string) error {
	if j.Kind == store.HookJob {
		return nil
	}
	for _, track := range j.Tracks() {
		err := tx.AddEvent(track, store.Event{At: s.Core.Now(), Stage: store.StageQueue, Detail: what})
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return nil
}

// noteTaking records that the sealed message of a job is handed out, before it is.
func (s *Service) noteTaking(ctx context.Context, j store.Job) error {
	return s.Core.Store.Update(ctx, func(tx store.Tx) error {
		return errors.Join(s.note(tx, j, "sealed message taken by "+actor(ctx)), tx.Audit(audit.Record{
			Actor: actor(ctx), Action: audit.Fetched, Object: fmt.Sprintf("sealed message of %s job %d", j.Kind, j.ID), Track: string(j.Track),
		}))
	})
}

func (o QueueOrder) whom() string {
	text := ""
	for _, part := range []struct{ word, value string }{{" to ", o.To}, {" from ", o.From}} {
		if part.value != "" {
			text += part.word + part.value
		}
	}
	if text != "" || o.All {
		text = ", with all" + text
	}
	return text
}

// ofOneMessage reports whether jobs are all steps of one transmission.
func ofOneMessage(jobs []store.Job) bool {
	return slices.ContainsFunc(jobs[0].Tracks(), func(t store.TrackID) bool {
		return !slices.ContainsFunc(jobs, func(j store.Job) bool { return !slices.Contains(j.Tracks(), t) })
	})
}

// meant returns the ids of the jobs that an order means and takes, each once.
func (s *Service) meant(ctx context.Context, in QueueOrder, takes func(store.Job) bool) ([]store.JobID, error) {
	if !in.Clear() {
		return nil, &Error{Kind: Invalid, Message: "it is not said which messages are meant", Hint: "name ids, or --to or --from, or --all"}
	}
	var ids []store.JobID
	for _, id := range in.IDs {
		jobs, err := s.jobsOf(ctx, strings.TrimSpace(id))
		if err != nil {
			return nil, err
		}
		if strings.Contains(id, "@") && !ofOneMessage(jobs) {
			return nil, &Error{
				Kind: Invalid, Message: "there are several messages with the Message-ID " + id,
				Hint: "name one by its own id: postern queue show " + id,
			}
		}
		for _, j := range jobs {
			if takes(j) {
				ids = append(ids, j.ID)
			}
		}
	}
	if len(in.IDs) == 0 {
		p, err := QueueFilter{To: in.To, From: in.From}.read()
		if err != nil {
			return nil, err
		}
		err = s.pickJobs(ctx, p, func(j store.Job) {
			if takes(j) {
				ids = append(ids, j.ID)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}
