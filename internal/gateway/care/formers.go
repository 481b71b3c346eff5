package care

import (
	"context"
	"fmt"

	"postern/store"
)

// pruneFormers forgets who had addresses that they have no more, when no message is of
// their time any more: nobody asks then whose they were.
func (k *Keeper) pruneFormers(ctx context.Context) error {
	w := eraWalk{first: store.Now, least: store.Now}
	err := k.Store.View(ctx, w.formers)
	for _, step := range []func(store.Tx) error{w.jobs, w.tracks} {
		if err == nil {
			err = atLeisure(ctx, func() (bool, error) {
				err := k.Store.View(ctx, step)
				return w.more && w.promises(), err
			})
		}
	}
	if err != nil {
		return fmt.Errorf("looking for the first era that something is of: %w", err)
	}
	if !w.promises() {
		return nil
	}
	return k.pruneEntries(ctx, "former addresses", func(tx store.Tx) (int, error) {
		return tx.ForgetFormers(w.first, entriesAtOnce)
	})
}

// An eraWalk finds the first era that a job or a track is of, in short steps: jobs, then
// tracks, in the order of their ids. What is made meanwhile is of the present era, or of
// that of a job or a track that was there: so none is missed that is earlier than those
// that were seen.
type eraWalk struct {
	first store.Era // of what was seen
	least store.Era // in which a tenure ended; Now if there is none
	job   store.JobID
	track store.TrackID // the last that was seen
	more  bool
}

// promises reports whether somebody can be forgotten by what was seen.
func (w *eraWalk) promises() bool { return w.least < w.first }

func (w *eraWalk) formers(tx store.Tx) error {
	all, err := tx.Formers()
	for _, f := range all {
		if !f.Damaged {
			w.least = min(w.least, f.Tenures[0].To)
		}
	}
	return err
}

// sees notes what something is of, and reports whether to go on with the step.
func (w *eraWalk) sees(e store.Era, seen int) bool {
	w.first, w.more = min(w.first, e), seen == entriesAtOnce
	return !w.more && w.promises()
}

func (w *eraWalk) jobs(tx store.Tx) error {
	n := 0
	w.more = false
	return tx.EachJob(w.job, func(j store.Job) bool {
		n++
		w.job = j.ID + 1
		return w.sees(j.Era, n)
	})
}

func (w *eraWalk) tracks(tx store.Tx) error {
	n := 0
	w.more = false
	return tx.EachTrack(store.TrackQuery{Oldest: true, After: w.track}, func(t store.Track) bool {
		n++
		w.track = t.ID
		return w.sees(t.Era, n)
	})
}
