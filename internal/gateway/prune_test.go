package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/mime"
	"postern/store"
)

// life stores a track of one recipient and returns its id.
func (s *site) life(at time.Time, state store.TrackState, change ...func(*store.Track)) store.TrackID {
	s.t.Helper()
	t, err := s.newTrack("", mime.Address{}, addrs(s.t, "bob@b.example"), 1, at)
	if err != nil {
		s.t.Fatal(err)
	}
	t.Recipients[0].State, t.Recipients[0].Updated = state, at
	for _, c := range change {
		c(&t)
	}
	s.update(func(tx store.Tx) error { return putTrack(tx, t, store.Event{At: at, Stage: store.StageAccept}) })
	return t.ID
}

// lives returns which of the tracks are there.
func (s *site) lives(ids ...store.TrackID) (there []bool) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		there = nil
		for _, id := range ids {
			_, err := tx.Track(id)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			there = append(there, err == nil)
		}
		return nil
	})
	return there
}

func (s *site) tidied() {
	s.t.Helper()
	s.tidyUp(s.t.Context())
	if strings.Contains(s.log.String(), "tidying up failed") {
		s.t.Fatal(s.log.String())
	}
	report, err := s.Store.Check(s.t.Context())
	if err != nil || len(report.Problems) > 0 {
		s.t.Fatalf("the store: %v, %v", report.Problems, err)
	}
}

// A track goes when its message has ended and its time is over, and not before.
func TestTracksArePrunedAfterTheirEnd(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.KeepTracks, s.KeepRefused = 48*time.Hour, 96*time.Hour
	start := w.clock.Now()
	gone := []store.TrackID{
		s.life(start, store.TrackDelivered), s.life(start, store.TrackProcessed),
		s.life(start, store.TrackFailed), s.life(start, store.TrackRelayed), s.life(start, store.TrackOverdue),
	}
	stay := []store.TrackID{
		s.life(start, store.TrackQueued), s.life(start, store.TrackSealed), s.life(start, store.TrackRefused),
		s.life(start, store.TrackRelayed, func(t *store.Track) { t.Watch = 7 }),
		s.life(start, store.TrackProcessed, func(t *store.Track) { t.Recipients[0].Updated = start.Add(time.Hour) }),
		s.life(start.Add(time.Hour), store.TrackDelivered),
	}
	w.clock.advance(48*time.Hour - time.Millisecond)
	s.tidied()
	equal(t, "before their time", s.lives(gone...), []bool{true, true, true, true, true})
	w.clock.advance(2 * time.Millisecond)
	s.tidied()
	equal(t, "after their time", s.lives(gone...), []bool{false, false, false, false, false})
	equal(t, "those that stay", s.lives(stay...), []bool{true, true, true, true, true, true})
	equal(t, "counted", s.tidying.tracks.Load(), 5)
	w.clock.advance(time.Hour)
	s.tidied()
	equal(t, "an hour later", s.lives(stay...), []bool{true, true, true, true, false, false})
	w.clock.advance(96 * time.Hour)
	s.tidied()
	equal(t, "when the original is gone", s.lives(stay...), []bool{true, true, false, true, false, false})
}

// More than fits into one transaction goes as well, past what stays.
func TestPruningGoesOn(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	start := w.clock.Now()
	var gone []store.TrackID
	for i := range 2*tracksAtOnce + 30 {
		state := store.TrackDelivered
		if i%3 == 0 {
			state = store.TrackQueued
		}
		id := s.life(start.Add(time.Duration(i)*time.Millisecond), state)
		if i%3 != 0 {
			gone = append(gone, id)
		}
	}
	w.clock.advance(s.KeepTracks + time.Hour)
	s.tidied()
	if slices.Contains(s.lives(gone...), true) {
		t.Error("some are left")
	}
	s.view(func(tx store.Tx) error {
		n, err := tx.CountTracks()
		equal(t, "left", n, 2*tracksAtOnce+30-len(gone))
		return err
	})
}

// A wall clock that leaps ahead makes nothing old.
func TestPruningIsNotMisledByTheWallClock(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.Steady = w.clock.Now
	id := s.life(w.clock.Now(), store.TrackDelivered)
	s.Now = func() time.Time { return w.clock.Now().Add(10 * s.KeepTracks) }
	s.tidied()
	equal(t, "there", s.lives(id), []bool{true})
}

// Duplicates are known for their own time, whatever becomes of the tracks.
func TestPrunedTracksLoseNoDuplicates(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	b.KeepTracks, b.KeepDuplicates = 24*time.Hour, 72*time.Hour
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	for _, tt := range []struct {
		wait      time.Duration
		delivered int
	}{{0, 1}, {48 * time.Hour, 1}, {73 * time.Hour, 2}} {
		w.clock.advance(tt.wait)
		b.tidied()
		b.receive(raw[0], sent[0].From, sent[0].To...)
		b.run()
		equal(t, "bob's INBOX", len(b.inbox("bob@b.example")), tt.delivered)
	}
}
