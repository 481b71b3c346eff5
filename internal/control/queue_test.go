package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/mime"
	"postern/store"
)

// queued is a server with messages under way: two to b.example, of which one was
// tried, one to c.example, one for several, a held one for ours, and a deadline.
func queued(t *testing.T) (s *server, ids []store.JobID) {
	t.Helper()
	s = ours(t, "a.example")
	must(t, s.AddAccount(t.Context(), "alice@a.example", []byte("correct horse battery")))
	for _, j := range []store.Job{
		{Kind: store.RelayJob, Sender: addressOf(t, "alice@a.example"), Recipients: addresses(t, "bob@b.example"), Destination: "b.example"},
		{Kind: store.RelayJob, Sender: addressOf(t, "carl@a.example"), Recipients: addresses(t, "bob@b.example"), Destination: "b.example", Attempts: 2, Reason: "peer-unreachable", Detail: "no answer"},
		{Kind: store.RelayJob, Sender: addressOf(t, "alice@a.example"), Recipients: addresses(t, "cid@c.example"), Destination: "c.example", Automatic: true},
		{Kind: store.SealJob, Sender: addressOf(t, "alice@a.example"), Recipients: addresses(t, "bob@b.example", "cid@c.example")},
		{Kind: store.OpenJob, Sender: addressOf(t, "zoe@z.example"), Recipients: addresses(t, "alice@a.example"), Held: true},
	} {
		ids = append(ids, s.enqueue(t, j))
	}
	return s, ids
}

func addresses(t *testing.T, all ...string) (out []mime.Address) {
	t.Helper()
	for _, text := range all {
		out = append(out, addressOf(t, text))
	}
	return out
}

// enqueue puts a job with a track and a body into the store.
func (s *server) enqueue(t *testing.T, j store.Job) (id store.JobID) {
	t.Helper()
	ctx := t.Context()
	body, err := s.core.Store.NewBody(ctx)
	must(t, err)
	defer body.Discard()
	_, err = io.WriteString(body, "Message-ID: <m1@a.example>\r\n\r\nx\r\n")
	must(t, err)
	now := s.core.Steady()
	j.Track, err = store.NewTrackID(now, nil)
	must(t, err)
	j.Created, j.Due, j.Expires = now, now.Add(time.Hour), now.Add(2*time.Hour)
	j.Era = store.Now
	track := store.Track{ID: j.Track, Era: j.Era, Sender: j.Sender, Outbound: j.Kind != store.OpenJob}
	for _, a := range j.Recipients {
		track.Recipients = append(track.Recipients, store.TrackRecipient{Address: a, State: store.TrackSealed})
	}
	must(t, s.core.Store.Update(ctx, func(tx store.Tx) (err error) {
		j.Body, err = tx.PutBody(body)
		if err != nil {
			return err
		}
		err = tx.PutTrack(track)
		if err != nil {
			return err
		}
		id, err = tx.Enqueue(j)
		return err
	}))
	return id
}

func (s *server) job(t *testing.T, id store.JobID) (j store.Job) {
	t.Helper()
	must(t, s.core.Store.View(t.Context(), func(tx store.Tx) (err error) {
		j, err = tx.Job(id)
		return err
	}))
	return j
}

func TestQueueSummary(t *testing.T) {
	s, _ := queued(t)
	for name, row := range map[string]struct {
		filter QueueFilter
		want   []string
	}{
		"all": {QueueFilter{}, []string{"seal several domains waiting 1", "relay b.example retrying 1", "relay b.example waiting 1",
			"relay c.example waiting 1", "open a.example held 1"}},
		"to a domain":     {QueueFilter{To: "b.example"}, []string{"seal several domains waiting 1", "relay b.example retrying 1", "relay b.example waiting 1"}},
		"to an address":   {QueueFilter{To: "cid@C.example"}, []string{"seal several domains waiting 1", "relay c.example waiting 1"}},
		"from an address": {QueueFilter{From: "carl@a.example"}, []string{"relay b.example retrying 1"}},
		"from a domain":   {QueueFilter{From: "z.example"}, []string{"open a.example held 1"}},
		"held":            {QueueFilter{Held: true}, []string{"open a.example held 1"}},
		"both":            {QueueFilter{From: "carl@a.example", To: "c.example"}, nil},
	} {
		sum, err := s.QueueSummary(t.Context(), row.filter)
		must(t, err)
		var got []string
		for _, g := range sum.Groups {
			got = append(got, fmt.Sprintf("%s %s %s %d", g.Kind, g.Destination, g.State, g.Jobs))
			if g.Bytes == 0 || g.Oldest.IsZero() || g.Next.IsZero() != (g.State == QueueHeld) {
				t.Errorf("%s: %+v", name, g)
			}
		}
		equal(t, name, got, row.want)
	}
	_, err := s.QueueSummary(t.Context(), QueueFilter{To: "not an address@"})
	isRefused(t, "no address", err, Invalid)
}

func TestQueueIsReadInPages(t *testing.T) {
	s := ours(t, "a.example")
	j := store.Job{Kind: store.RelayJob, Recipients: addresses(t, "bob@b.example"), Destination: "b.example"}
	first := s.enqueue(t, j)
	body := s.job(t, first)
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		for range 2 * queuePage {
			copied := body
			copied.ID = 0
			_, err := tx.Enqueue(copied)
			if err != nil {
				return err
			}
		}
		return nil
	}))
	all, err := s.Queue(t.Context())
	must(t, err)
	equal(t, "jobs", len(all), 2*queuePage+1)
	changed, err := s.HoldQueued(t.Context(), QueueOrder{To: "b.example"})
	must(t, err)
	equal(t, "held", changed.Jobs, 2*queuePage+1)
	sum, err := s.QueueSummary(t.Context(), QueueFilter{})
	must(t, err)
	equal(t, "groups", len(sum.Groups), 1)
	equal(t, "in it", sum.Groups[0].Jobs, 2*queuePage+1)
}

func TestQueueShow(t *testing.T) {
	s, ids := queued(t)
	j := s.job(t, ids[1])
	for _, name := range []string{fmt.Sprint(j.ID), " " + string(j.Track)} {
		e, err := s.ShowQueued(t.Context(), name)
		must(t, err)
		if len(e.Jobs) != 1 || e.Jobs[0].ID != j.ID || e.Jobs[0].Detail != "no answer" || e.Track == nil || e.Track.ID != j.Track {
			t.Errorf("%q: %+v", name, e)
		}
	}
	for _, name := range []string{"", "0", "999", "nothing", strings.Repeat("9", 100), "-1"} {
		_, err := s.ShowQueued(t.Context(), name)
		isRefused(t, name, err, Negative)
	}
}

// The Message-ID is what a sender knows of his message.
func TestQueueShowByMessageID(t *testing.T) {
	s, ids := queued(t)
	j := s.job(t, ids[1])
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		track, err := tx.Track(j.Track)
		track.MessageID = "<second@a.example>"
		return errors.Join(err, tx.PutTrack(track))
	}))
	for _, name := range []string{"<second@a.example>", " second@a.example"} {
		e, err := s.ShowQueued(t.Context(), name)
		must(t, err)
		if len(e.Jobs) != 1 || e.Jobs[0].ID != j.ID {
			t.Errorf("%q: %+v", name, e)
		}
	}
	_, err := s.ShowQueued(t.Context(), "third@a.example")
	isRefused(t, "another", err, Negative)
}

// What is done with many at once is found by each of their messages, with who did
// it.
func TestQueueDeedsOfManyAreFoundByMessage(t *testing.T) {
	s, ids := queued(t)
	_, err := s.HoldQueued(t.Context(), QueueOrder{To: "b.example"})
	must(t, err)
	me := fmt.Sprintf("operator:%d", os.Getuid())
	for _, id := range []store.JobID{ids[0], ids[1], ids[3]} {
		j := s.job(t, id)
		var found []string
		must(t, s.ShowAudit(t.Context(), AuditFilter{Track: string(j.Track)}, func(_ []byte, e *audit.Entry) error {
			found = append(found, e.Actor+" "+e.Object+" "+e.Detail)
			return nil
		}))
		equal(t, "records", found, []string{fmt.Sprintf("%s %s job %d held, with all to b.example", me, j.Kind, id)})
		must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
			all, err := tx.Events(j.Track)
			equal(t, "event", all[len(all)-1].Detail, "held by "+me)
			return err
		}))
	}
}

// An attempt that an operator ordered makes no later wait longer.
func TestQueueRetryIsNoStepOfTheWaits(t *testing.T) {
	s, ids := queued(t)
	for range 2 { // the second time it is due already
		_, err := s.RetryQueued(t.Context(), QueueOrder{To: "b.example"})
		must(t, err)
	}
	tried, fresh := s.job(t, ids[1]), s.job(t, ids[0])
	equal(t, "of one that was tried twice", tried.Ordered, 1)
	equal(t, "of one that was not tried", fresh.Ordered, 0)
}

// An original that is kept is not tried.
func TestQueueTellsWhatIsKept(t *testing.T) {
	s := ours(t, "a.example")
	j := store.Job{Kind: store.KeptJob, Recipients: addresses(t, "alice@a.example"), Reason: "untrusted-anchor"}
	s.enqueue(t, j)
	sum, err := s.QueueSummary(t.Context(), QueueFilter{})
	must(t, err)
	if len(sum.Groups) != 1 || sum.Groups[0].State != QueueKept || sum.Groups[0].Next.IsZero() {
		t.Errorf("%+v", sum.Groups)
	}
}

func TestQueueRetryHoldRelease(t *testing.T) {
	s, ids := queued(t)
	ctx := t.Context()
	name := func(i int) []string { return []string{fmt.Sprint(ids[i])} }
	do := func(what string, order QueueOrder, want int, do func(context.Context, QueueOrder) (QueueChanged, error)) {
		t.Helper()
		changed, err := do(ctx, order)
		must(t, err)
		equal(t, what, changed.Jobs, want)
	}
	due := func(i int) bool { return !s.job(t, ids[i]).Due.After(s.core.Steady()) }
	do("held to b", QueueOrder{To: "b.example"}, 3, s.HoldQueued)
	equal(t, "held", s.job(t, ids[0]).Held, true)
	do("held again", QueueOrder{To: "b.example"}, 0, s.HoldQueued)
	do("retried but held", QueueOrder{All: true}, 1, s.RetryQueued)
	equal(t, "due, not held", due(2), true)
	equal(t, "due, held", due(0), false)
	_, err := s.RetryQueued(ctx, QueueOrder{IDs: name(0)})
	isRefused(t, "a held one", err, Negative)
	do("released", QueueOrder{IDs: name(0)}, 1, s.ReleaseQueued)
	equal(t, "due, released", due(0), true)
	if left := s.job(t, ids[0]).Expires.Sub(s.core.Steady()); left < 71*time.Hour {
		t.Errorf("a released message has %s left", left)
	}
	do("released from", QueueOrder{From: "a.example"}, 2, s.ReleaseQueued)
	for what, order := range map[string]QueueOrder{
		"nothing named": {}, "two ways": {IDs: name(0), All: true}, "no domain": {To: "-"},
	} {
		_, err := s.HoldQueued(ctx, order)
		isRefused(t, what, err, Invalid)
	}
	events := 0
	must(t, s.core.Store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Events(s.job(t, ids[0]).Track)
		for _, e := range all {
			if e.Stage == store.StageQueue {
				events++
			}
		}
		return err
	}))
	equal(t, "events of the operator", events, 2)
}

// What is due keeps its place before what came after it, and is not written again
// however often it is asked for; of a destination that is down it is told.
func TestQueueRetryLeavesWhatIsDue(t *testing.T) {
	s, ids := queued(t)
	retry := func(order QueueOrder, want int) {
		t.Helper()
		changed, err := s.RetryQueued(t.Context(), order)
		must(t, err)
		equal(t, "due", changed.Jobs, want)
	}
	retry(QueueOrder{IDs: []string{fmt.Sprint(ids[1])}}, 1)
	first := s.job(t, ids[1])
	for range 3 {
		retry(QueueOrder{All: true}, 4)
	}
	retry(QueueOrder{IDs: []string{fmt.Sprint(ids[1])}}, 1)
	equal(t, "due", s.job(t, ids[1]).Due, first.Due)
	if !s.job(t, ids[0]).Due.After(first.Due) {
		t.Error("what was due first has lost its place")
	}
	must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
		for _, id := range ids[:4] {
			j, err := tx.Job(id)
			if err != nil {
				return err
			}
			all, err := tx.Events(j.Track)
			if err != nil {
				return err
			}
			equal(t, "events", len(all), 1)
		}
		return nil
	}))
}

// A held message that waits for another of ours does not go before it with many
// others (DN-10).
func TestQueueReleaseKeepsTheOrder(t *testing.T) {
	s := ours(t, "a.example")
	second := s.enqueue(t, store.Job{Kind: store.SealJob, Recipients: addresses(t, "bob@b.example"), Waits: true})
	s.enqueue(t, store.Job{Kind: store.SealJob, Recipients: addresses(t, "bob@b.example"), Next: second})
	changed, err := s.ReleaseQueued(t.Context(), QueueOrder{All: true})
	must(t, err)
	equal(t, "released", changed.Jobs, 0)
	for _, do := range []func(context.Context, QueueOrder) (QueueChanged, error){s.HoldQueued, s.ReleaseQueued} {
		changed, err = do(t.Context(), QueueOrder{To: "b.example"})
		must(t, err)
		equal(t, "held and released", changed.Jobs, 2)
	}
	equal(t, "waits after that", s.job(t, second).Waits, true)
	changed, err = s.ReleaseQueued(t.Context(), QueueOrder{IDs: []string{fmt.Sprint(second)}})
	must(t, err)
	equal(t, "released by name", changed.Jobs, 1)
}

// A Message-ID names a message for every command, if it names one alone.
func TestQueueByMessageID(t *testing.T) {
	s, ids := queued(t)
	called := func(i int, messageID string) {
		must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
			j, err := tx.Job(ids[i])
			must(t, err)
			track, err := tx.Track(j.Track)
			must(t, err)
			track.MessageID = messageID
			return tx.PutTrack(track)
		}))
	}
	called(0, "<one@a.example>")
	called(1, "<two@a.example>")
	called(2, "<two@a.example>")
	one, two := QueueOrder{IDs: []string{"one@a.example"}}, QueueOrder{IDs: []string{"<two@a.example>"}}
	for _, do := range []func(context.Context, QueueOrder) (QueueChanged, error){s.HoldQueued, s.ReleaseQueued, s.DropQueued} {
		changed, err := do(t.Context(), one)
		must(t, err)
		equal(t, "changed", changed.Jobs, 1)
		_, err = do(t.Context(), two)
		isRefused(t, "of two", err, Invalid)
	}
	_, err := s.HoldQueued(t.Context(), one)
	isRefused(t, "dropped before", err, Negative)
}

func TestQueueDrop(t *testing.T) {
	s, ids := queued(t)
	ctx := t.Context()
	changed, err := s.DropQueued(ctx, QueueOrder{IDs: []string{fmt.Sprint(ids[0]), string(s.job(t, ids[2]).Track)}})
	must(t, err)
	equal(t, "dropped", changed.Jobs, 2)
	_, err = s.DropQueued(ctx, QueueOrder{All: true})
	isRefused(t, "all at once", err, Invalid)
	_, err = s.DropQueued(ctx, QueueOrder{IDs: []string{fmt.Sprint(ids[0])}})
	isRefused(t, "again", err, Negative)
	jobs, err := s.Queue(ctx)
	must(t, err)
	equal(t, "left", len(jobs), 3)
	must(t, s.core.Store.View(ctx, func(tx store.Tx) error {
		inbox, err := tx.MailboxByName(addressOf(t, "alice@a.example"), store.Inbox)
		if err != nil {
			return err
		}
		notices := 0
		err = tx.EachMessage(inbox.ID, 1, func(store.Message) bool { notices++; return true })
		equal(t, "notices", notices, 1) // none of the notification
		return err
	}))
}
