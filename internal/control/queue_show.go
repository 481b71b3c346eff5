package control

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"postern/store"
)

// A QueueEntry is one message under way: what waits of it, and what is known of
// all its recipients.
type QueueEntry struct {
	Jobs []store.Job `json:"jobs"`
	// Track is nil when the message's track is no longer kept.
	Track *store.Track `json:"track,omitempty"`
}

// showQueue finds what waits by the id of a job or of a message, or by a Message-ID.
func (s *Service) showQueue(ctx context.Context, in MessageName) (QueueEntry, error) {
	var e QueueEntry
	id := strings.TrimSpace(in.ID)
	jobs, err := s.jobsOf(ctx, id)
	if err != nil {
		return e, err
	}
	e.Jobs = jobs
	of := jobs[0].Track
	if slices.Contains(jobs[0].Tracks(), store.TrackID(id)) {
		of = store.TrackID(id)
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		t, err := tx.Track(of)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		e.Track = &t
		return err
	})
	s.wall(e.Jobs)
	return e, err
}

// jobsOf returns the jobs that an id names: a job's own, or all of a message's by
// the id of its track or its Message-ID. There is at least one.
func (s *Service) jobsOf(ctx context.Context, id string) ([]store.Job, error) {
	if strings.Contains(id, "@") {
		return s.jobsOfMessage(ctx, id)
	}
	n, err := strconv.ParseUint(id, 10, 64)
	if err == nil {
		var j store.Job
		err = s.Core.Store.View(ctx, func(tx store.Tx) (err error) {
			j, err = tx.Job(store.JobID(n))
			return err
		})
		if errors.Is(err, store.ErrNotFound) || err == nil && j.Kind == store.WatchJob {
			return nil, nothingNamed(id)
		}
		return []store.Job{j}, err
	}
	return s.jobsWith(ctx, id, func(j store.Job) bool { return slices.Contains(j.Tracks(), store.TrackID(id)) })
}

func nothingNamed(id string) error {
	return &Error{Kind: Negative, Message: "nothing under way is named " + id, Hint: "postern queue list --all shows the ids"}
}

// jobsWith returns the jobs that fit what id names; there is at least one.
func (s *Service) jobsWith(ctx context.Context, id string, fits func(store.Job) bool) (jobs []store.Job, err error) {
	err = s.pickJobs(ctx, picker{}, func(j store.Job) {
		if fits(j) && len(jobs) < maxShown {
			jobs = append(jobs, j)
		}
	})
	if err == nil && len(jobs) == 0 {
		err = nothingNamed(id)
	}
	return jobs, err
}

// jobsOfMessage returns the jobs of the messages with a Message-ID, of which there
// may be several; at least one.
func (s *Service) jobsOfMessage(ctx context.Context, messageID string) (jobs []store.Job, err error) {
	named := make(map[store.TrackID]bool)
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		tracks, _, err := findTracks(tx, messageID)
		for _, t := range tracks {
			named[t.ID] = true
		}
		return err
	})
	if err != nil || len(named) == 0 {
		return nil, errors.Join(err, nothingNamed(messageID))
	}
	return s.jobsWith(ctx, messageID, func(j store.Job) bool {
		return slices.ContainsFunc(j.Tracks(), func(t store.TrackID) bool { return named[t] })
	})
}

// maxShown bounds the jobs of one message; it has one for each destination.
const maxShown = 10_000
