package storetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"postern/mime"
	"postern/store"
)

func queueTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"AJobComesBackAsItWas":                  jobRoundTrip,
		"AJobNeedsKindBodyAndDue":               jobNeeds,
		"ClaimTakesTheJobDueFirst":              claimOrder,
		"ClaimWakesWhenAJobIsEnqueued":          claimWakes,
		"ClaimWaitsUntilAJobIsDue":              claimDue,
		"AClaimedJobIsHandedOutOnce":            claimOnce,
		"AReleasedJobIsClaimedAgain":            claimReleased,
		"ARescheduledJobIsClaimedAgain":         claimRescheduled,
		"AHeldJobIsNeverDue":                    claimHeld,
		"AClaimOutlivesAFailedTransaction":      claimOutlives,
		"JobsAreCountedByKind":                  countJobs,
		"RescheduleAndFinishNeedAJob":           noJob,
		"EachJobGoesInOrderOfID":                eachJob,
		"ManyClaimantsTakeEveryJobExactlyOnce":  claimRace,
		"AnEndedClaimDoesNotKeepAJobFromOthers": claimEnded,
	}
}

func jobRoundTrip(s *suite) {
	want := store.Job{Kind: store.RelayJob, Track: newTrackID(s, noon()), Size: 5, Sender: s.address("a@a.example"),
		Recipients: []mime.Address{s.address("B@b.example"), s.address(`"odd one"@b.example`)},
		Blind:      []mime.Address{s.address("B@b.example")}, Destination: "b.example", Automatic: true,
		Created: noon(), Due: noon().Add(time.Second), Expires: noon().Add(time.Hour), Attempts: 3,
		Held: true, Reason: "peer-deferred", Detail: "try later"}
	got := s.enqueue(want)
	want.ID, want.Body = got.ID, got.Body
	s.equal(got, want)
}

func jobNeeds(s *suite) {
	job := s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	for _, j := range []store.Job{{Body: job.Body, Due: noon()}, {Kind: store.SealJob, Due: noon()}, {Kind: store.SealJob, Body: job.Body}} {
		err := s.Update(s.ctx, func(tx store.Tx) error {
			_, err := tx.Enqueue(j)
			return err
		})
		if err == nil {
			s.Errorf("enqueued %+v", j)
		}
	}
}

func (s *suite) claim(kinds ...store.JobKind) store.Job {
	s.Helper()
	j, err := s.Claim(s.ctx, kinds...)
	s.must(err)
	return j
}

// nothingDue fails if there is a job to claim.
func (s *suite) nothingDue(kinds ...store.JobKind) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Millisecond)
	defer cancel()
	j, err := s.Claim(ctx, kinds...)
	if err == nil {
		s.Fatalf("claimed %+v", j)
	}
	s.is(err, context.DeadlineExceeded)
}

func claimOrder(s *suite) {
	late := s.enqueue(store.Job{Kind: store.SealJob, Due: noon().Add(2 * time.Second)})
	early := s.enqueue(store.Job{Kind: store.RelayJob, Due: noon()})
	mid := s.enqueue(store.Job{Kind: store.SealJob, Due: noon().Add(time.Second)})
	s.enqueue(store.Job{Kind: store.OpenJob, Due: noon()})
	both := []store.JobKind{store.SealJob, store.RelayJob}
	s.equal(s.claim(both...), early)
	s.equal(s.claim(both...), mid)
	s.equal(s.claim(both...), late)
	s.nothingDue(both...)
}

func claimWakes(s *suite) {
	got := make(chan store.Job)
	go func() {
		j, err := s.Claim(s.ctx, store.SealJob)
		if err != nil {
			s.Error(err)
		}
		got <- j
	}()
	s.enqueue(store.Job{Kind: store.RelayJob, Due: noon()})
	want := s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	s.equal(<-got, want)
}

func claimDue(s *suite) {
	due := time.Now().Add(50 * time.Millisecond)
	s.enqueue(store.Job{Kind: store.SealJob, Due: due})
	s.claim(store.SealJob)
	if early := time.Until(due); early > 0 {
		s.Errorf("claimed %v before it was due", early)
	}
}

func claimOnce(s *suite) {
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	s.claim(store.SealJob)
	s.nothingDue(store.SealJob)
}

func claimReleased(s *suite) {
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	j := s.claim(store.SealJob)
	s.Release(j.ID)
	s.equal(s.claim(store.SealJob), j)
}

func claimRescheduled(s *suite) {
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	j := s.claim(store.SealJob)
	j.Attempts, j.Due, j.Kind = 1, noon().Add(time.Minute), store.RelayJob
	s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
	s.nothingDue(store.SealJob)
	s.equal(s.claim(store.RelayJob), j)
	s.sound()
}

func claimHeld(s *suite) {
	j := s.enqueue(store.Job{Kind: store.SealJob, Due: noon(), Held: true})
	s.nothingDue(store.SealJob)
	j.Held = false
	s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
	s.equal(s.claim(store.SealJob), j)
	j.Held = true
	s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
	s.nothingDue(store.SealJob)
	s.sound()
}

func claimOutlives(s *suite) {
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	j := s.claim(store.SealJob)
	s.is(s.Update(s.ctx, func(tx store.Tx) error {
		s.must(tx.Finish(j.ID))
		return store.ErrExists
	}), store.ErrExists)
	s.nothingDue(store.SealJob)
	s.update(func(tx store.Tx) error { return tx.Finish(j.ID) })
	s.nothingDue(store.SealJob)
}

func countJobs(s *suite) {
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	j := s.enqueue(store.Job{Kind: store.OpenJob, Due: noon(), Held: true})
	counted := func() (n map[store.JobKind]int) {
		s.view(func(tx store.Tx) (err error) {
			n, err = tx.CountJobs()
			return err
		})
		return n
	}
	s.equal(counted(), map[store.JobKind]int{store.SealJob: 2, store.OpenJob: 1})
	s.update(func(tx store.Tx) error { return tx.Finish(j.ID) })
	s.equal(counted(), map[store.JobKind]int{store.SealJob: 2})
}

func noJob(s *suite) {
	j := s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	s.update(func(tx store.Tx) error { return tx.Finish(j.ID) })
	s.gone(j.Body)
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.Finish(j.ID) }), store.ErrNotFound)
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.Reschedule(j) }), store.ErrNotFound)
}

func eachJob(s *suite) {
	for range 5 {
		s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	}
	got := ""
	s.view(func(tx store.Tx) error {
		return tx.EachJob(func(j store.Job) bool {
			got += fmt.Sprint(j.ID)
			return j.ID < 4
		})
	})
	s.equal(got, "1234")
}

func claimRace(s *suite) {
	const jobs = 60
	var mu sync.Mutex
	seen := make(map[store.JobID]int)
	ctx, cancel := context.WithCancel(s.ctx)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				j, err := s.Claim(ctx, store.SealJob, store.RelayJob)
				if err != nil {
					return
				}
				mu.Lock()
				seen[j.ID]++
				done := len(seen) == jobs
				mu.Unlock()
				err = s.Update(s.ctx, func(tx store.Tx) error { return tx.Finish(j.ID) })
				if err != nil {
					s.Error(err)
				}
				if done {
					cancel()
				}
			}
		})
	}
	for i := range jobs {
		kind := store.SealJob
		if i%2 == 0 {
			kind = store.RelayJob
		}
		s.enqueueOnly(store.Job{Kind: kind, Due: noon()})
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			s.Errorf("job %d was claimed %d times", id, n)
		}
	}
	cancel()
	s.sound()
}

func claimEnded(s *suite) {
	ctx, cancel := context.WithCancel(s.ctx)
	done := make(chan error)
	go func() {
		_, err := s.Claim(ctx, store.SealJob)
		done <- err
	}()
	cancel()
	s.is(<-done, context.Canceled)
	j := s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	s.equal(s.claim(store.SealJob), j)
}
