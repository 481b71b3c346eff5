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
		"AJobThatWatchesHasNoBody":              watchJob,
		"AReleasedClaimShowsWhatWasWritten":     claimChanged,
		"ClaimTakesTheJobOfItsKindDueFirst":     claimOrder,
		"ClaimWakesWhenAJobIsEnqueued":          claimWakes,
		"ClaimWaitsUntilAJobIsDue":              claimDue,
		"AClaimedJobIsHandedOutOnce":            claimOnce,
		"AReleasedJobIsClaimedAgain":            claimReleased,
		"ARescheduledJobIsClaimedAgain":         claimRescheduled,
		"AHeldJobIsNeverDue":                    claimHeld,
		"AClaimOutlivesAFailedTransaction":      claimOutlives,
		"JobsAreCountedByKind":                  countJobs,
		"FirstJobIsTheOneDueFirst":              firstJob,
		"FlowsTakeTurns":                        flowTurns,
		"NotificationsGoFirstButNotAlways":      automaticTurns,
		"LimitsBoundLanesAndFlows":              limits,
		"ASlotIsSharedByLanes":                  sharedSlot,
		"ALaneMayMoveToAnotherSlot":             movingLane,
		"APausedLaneHandsOutNothing":            pausedLane,
		"AfterAPauseOneIsTriedAtATime":          halfOpen,
		"AFlowHasItsPaceInALane":                pacedFlow,
		"WhetherALaneWaitsIsTold":               laneWaits,
		"AJobPastItsTimeWaitsForNothing":        pastItsTime,
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
		Lane: "b.example", Flow: "a@a.example", Created: noon(), Due: noon().Add(time.Second), Expires: noon().Add(time.Hour), Attempts: 3,
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

func watchJob(s *suite) {
	var id store.JobID
	s.update(func(tx store.Tx) (err error) {
		id, err = tx.Enqueue(store.Job{Kind: store.WatchJob, Due: noon(), Lane: "l", Flow: "f"})
		return err
	})
	j := s.claim(store.WatchJob)
	s.equal(j, store.Job{ID: id, Kind: store.WatchJob, Due: noon(), Lane: "l", Flow: "f"})
	s.sound()
	j.Due = j.Due.Add(time.Second)
	s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
	s.update(func(tx store.Tx) error { return tx.Finish(id) })
	s.sound()
}

func (s *suite) claim(kind store.JobKind) store.Job {
	s.Helper()
	j, err := s.Claim(s.ctx, kind)
	s.must(err)
	return j
}

// nothingDue fails if there is a job to claim.
func (s *suite) nothingDue(kind store.JobKind) {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 20*time.Millisecond)
	defer cancel()
	j, err := s.Claim(ctx, kind)
	if err == nil {
		s.Fatalf("claimed %+v", j)
	}
	s.is(err, context.DeadlineExceeded)
}

func claimOrder(s *suite) {
	late := s.enqueue(store.Job{Kind: store.SealJob, Due: noon().Add(2 * time.Second)})
	early := s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	mid := s.enqueue(store.Job{Kind: store.SealJob, Due: noon().Add(time.Second)})
	s.enqueue(store.Job{Kind: store.OpenJob, Due: noon()})
	s.equal(s.claim(store.SealJob), early)
	s.equal(s.claim(store.SealJob), mid)
	s.equal(s.claim(store.SealJob), late)
	s.nothingDue(store.SealJob)
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
	s.nothingDue(store.RelayJob)
	s.Release(j.ID)
	s.nothingDue(store.SealJob)
	s.equal(s.claim(store.RelayJob), j)
	s.sound()
}

// What others do to a job in work never gives it to a second worker.
func claimChanged(s *suite) {
	j := s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	s.claim(store.SealJob)
	held := j
	held.Held = true
	s.update(func(tx store.Tx) error { return tx.Reschedule(held) })
	s.Release(j.ID)
	s.nothingDue(store.SealJob)
	s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
	s.claim(store.SealJob)
	s.update(func(tx store.Tx) error { return tx.Finish(j.ID) })
	s.Release(j.ID)
	s.nothingDue(store.SealJob)
	s.Release(j.ID) // of what is not claimed changes nothing
}

func claimHeld(s *suite) {
	j := s.enqueue(store.Job{Kind: store.SealJob, Due: noon(), Held: true})
	s.nothingDue(store.SealJob)
	j.Held = false
	s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
	s.equal(s.claim(store.SealJob), j)
	for _, idle := range []func(*store.Job){func(j *store.Job) { j.Held = true }, func(j *store.Job) { j.Waits = true }, func(j *store.Job) { j.Held = false }} {
		idle(&j)
		s.update(func(tx store.Tx) error { return tx.Reschedule(j) })
		s.nothingDue(store.SealJob)
		s.sound()
	}
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
	grown := s.enqueue(store.Job{Kind: store.SealJob, Due: noon(), Size: 10})
	j := s.enqueue(store.Job{Kind: store.OpenJob, Due: noon(), Held: true})
	totals := func() (n map[store.JobKind]store.JobTotal) {
		s.view(func(tx store.Tx) (err error) {
			n, err = tx.JobTotals()
			return err
		})
		return n
	}
	size := j.Size
	s.equal(totals(), map[store.JobKind]store.JobTotal{store.SealJob: {Jobs: 2, Bytes: size + 10}, store.OpenJob: {Jobs: 1, Bytes: size}})
	s.update(func(tx store.Tx) error { return tx.Finish(j.ID) })
	grown.Kind, grown.Size = store.RelayJob, 30
	s.update(func(tx store.Tx) error { return tx.Reschedule(grown) })
	s.equal(totals(), map[store.JobKind]store.JobTotal{store.SealJob: {Jobs: 1, Bytes: size}, store.RelayJob: {Jobs: 1, Bytes: 30}})
	s.sound()
}

func firstJob(s *suite) {
	first := func() (j store.Job, err error) {
		s.view(func(tx store.Tx) error {
			j, err = tx.FirstJob(store.SealJob)
			return nil
		})
		return j, err
	}
	s.enqueue(store.Job{Kind: "sea", Due: noon()})
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon(), Held: true})
	_, err := first()
	s.is(err, store.ErrNotFound)
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon().Add(time.Hour)})
	want := s.enqueue(store.Job{Kind: store.SealJob, Due: noon().Add(time.Minute)})
	got, err := first()
	s.must(err)
	s.equal(got, want)
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
		return tx.EachJob(2, func(j store.Job) bool {
			got += fmt.Sprint(j.ID)
			return j.ID < 4
		})
	})
	s.equal(got, "234")
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
				j, err := s.Claim(ctx, store.SealJob)
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
				s.Release(j.ID)
				if done {
					cancel()
				}
			}
		})
	}
	for i := range jobs {
		s.enqueueOnly(store.Job{Kind: store.SealJob, Due: noon(), Lane: fmt.Sprint(i % 3), Flow: fmt.Sprint(i % 5)})
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
