package care

import (
	"fmt"
	"testing"
	"time"

	"postern/store"
)

// formers are who had addresses, in their order.
func (s *rig) formers() (all []string) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		formers, err := tx.Formers()
		for _, f := range formers {
			all = append(all, f.Address.String())
		}
		return err
	})
	return all
}

// leaves has accounts come and go.
func (s *rig) leaves(all ...string) {
	s.t.Helper()
	s.accounts(all...)
	s.update(func(tx store.Tx) error {
		for _, a := range all {
			err := tx.RemoveAccount(addr(s.t, a))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// now is the present era.
func (s *rig) now() (e store.Era) {
	s.t.Helper()
	s.view(func(tx store.Tx) (err error) {
		e, err = tx.Era()
		return err
	})
	return e
}

// waits puts a job of an era into the queue.
func (s *rig) waits(e store.Era) (id store.JobID) {
	s.t.Helper()
	s.update(func(tx store.Tx) (err error) {
		id, err = tx.Enqueue(store.Job{Kind: store.WatchJob, Era: e, Due: s.clock.Now().Add(1000 * time.Hour)})
		return err
	})
	return id
}

// Who had an address is known as long as a job or a track is of his time, whatever else
// they name, and no longer.
func TestWhoHadAnAddressIsForgottenWhenNothingIsOfHisTime(t *testing.T) {
	s := newRig(t)
	s.KeepTracks = 48 * time.Hour
	s.tidied()
	s.leaves("jane@b.example")
	s.tidied()
	equal(t, "nothing was of her time", s.formers(), nil)

	s.accounts("jane@b.example")
	then := s.now()
	job, track := s.waits(store.Now), s.life(s.clock.Now(), store.TrackDelivered, func(t *store.Track) { t.Era = store.Now })
	s.leaves("joan@b.example")
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(t, "jane@b.example")) })
	both := []string{"jane@b.example", "joan@b.example"}
	s.tidied()
	equal(t, "a job and a track are", s.formers(), both)
	s.clock.Advance(24 * time.Hour)
	answer := s.life(s.clock.Now(), store.TrackDelivered, func(t *store.Track) { t.Era = then })
	s.clock.Advance(24*time.Hour + time.Minute)
	s.tidied()
	equal(t, "the track", s.lives(track, answer), []bool{false, true})
	s.update(func(tx store.Tx) error { return tx.Finish(job) })
	s.tidied()
	equal(t, "what was made of it is", s.formers(), both)
	s.clock.Advance(24 * time.Hour)
	job = s.waits(then)
	s.tidied()
	equal(t, "a job that was made of it is", s.formers(), both)
	s.waits(store.Now)
	s.update(func(tx store.Tx) error { return tx.Finish(job) })
	before := len(s.trail())
	s.tidied()
	equal(t, "nothing is any more", s.formers(), nil)
	equal(t, "records", s.trail()[before:], []string{"system noted"})
}

// What is of an early time is found behind any number of others, and who is forgotten is
// forgotten however many they are.
func TestFormersAreForgottenBehindMany(t *testing.T) {
	s := newRig(t)
	many := entriesAtOnce + 107
	var all []string
	for i := range many {
		all = append(all, fmt.Sprintf("a%04d@b.example", i))
	}
	s.leaves(all...)
	early := s.now() - store.Era(many) + 100 // a hundred had gone
	var jobs []store.JobID
	s.update(func(tx store.Tx) error {
		for i := range entriesAtOnce + 1 {
			e := store.Now
			if i == entriesAtOnce {
				e = early
			}
			id, err := tx.Enqueue(store.Job{Kind: store.WatchJob, Era: e, Due: s.clock.Now().Add(time.Hour)})
			if err != nil {
				return err
			}
			jobs = append(jobs, id)
		}
		return nil
	})
	s.tidied()
	equal(t, "known", len(s.formers()), many-100)
	s.update(func(tx store.Tx) error { return tx.Finish(jobs[len(jobs)-1]) })
	var last store.TrackID
	s.update(func(tx store.Tx) error {
		for i := range entriesAtOnce + 1 {
			id, err := store.NewTrackID(s.clock.Now().Add(time.Duration(i)*time.Millisecond), nil)
			k := store.Track{ID: id, Era: store.Now, Received: s.clock.Now()}
			if i == entriesAtOnce {
				k.Era, last = early+1, id
			}
			if err == nil {
				err = tx.PutTrack(k)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.tidied()
	equal(t, "known by the last track", len(s.formers()), many-101)
	s.update(func(tx store.Tx) error { _, err := tx.RemoveTrack(last); return err })
	s.tidied()
	equal(t, "known at last", len(s.formers()), 0)
}
