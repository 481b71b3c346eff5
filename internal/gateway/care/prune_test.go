package care

import (
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"time"

	"postern/store"
)

// life stores a track of one recipient and returns its id.
func (s *rig) life(at time.Time, state store.TrackState, change ...func(*store.Track)) store.TrackID {
	s.t.Helper()
	id, err := store.NewTrackID(at, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	t := store.Track{ID: id, Size: 1, Received: at, Recipients: []store.TrackRecipient{
		{Address: addr(s.t, "bob@b.example"), State: state, Updated: at},
	}}
	for _, c := range change {
		c(&t)
	}
	s.update(func(tx store.Tx) error {
		return errors.Join(tx.PutTrack(t), tx.AddEvent(id, store.Event{At: at, Stage: store.StageAccept}))
	})
	return id
}

// lives returns which of the tracks are there.
func (s *rig) lives(ids ...store.TrackID) (there []bool) {
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

// A track goes when its message has ended and its time is over, and not before.
func TestTracksArePrunedAfterTheirEnd(t *testing.T) {
	s := newRig(t)
	s.KeepTracks, s.KeepRefused = 48*time.Hour, 96*time.Hour
	start := s.clock.Now()
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
	s.clock.Advance(48*time.Hour - time.Millisecond)
	s.tidied()
	equal(t, "before their time", s.lives(gone...), []bool{true, true, true, true, true})
	s.clock.Advance(2 * time.Millisecond)
	s.tidied()
	equal(t, "after their time", s.lives(gone...), []bool{false, false, false, false, false})
	equal(t, "those that stay", s.lives(stay...), []bool{true, true, true, true, true, true})
	equal(t, "counted", s.Stats(t.Context()).Pruned, 5)
	s.clock.Advance(time.Hour)
	s.tidied()
	equal(t, "an hour later", s.lives(stay...), []bool{true, true, true, true, false, false})
	s.clock.Advance(96 * time.Hour)
	s.tidied()
	equal(t, "when the original is gone", s.lives(stay...), []bool{true, true, false, true, false, false})
}

// More than fits into one transaction goes as well, past what stays.
func TestPruningGoesOn(t *testing.T) {
	s := newRig(t)
	start := s.clock.Now()
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
	s.clock.Advance(s.KeepTracks + time.Hour)
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
	s := newRig(t)
	id := s.life(s.clock.Now(), store.TrackDelivered)
	s.Now = func() time.Time { return s.clock.Now().Add(10 * s.KeepTracks) }
	s.tidied()
	equal(t, "there", s.lives(id), []bool{true})
}
