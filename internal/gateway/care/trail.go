package care

import (
	"context"
	"errors"
	"time"

	"postern/internal/audit"
	"postern/store"
)

// auditTick is how often the keeper of the trail looks whether a checkpoint is
// due, or was signed by a transaction and is to be told.
const auditTick = time.Minute

// An auditor keeps the trail while the gateway serves: it records start and end,
// signs checkpoints in time, and writes each into the log, so that whoever ships
// the log elsewhere can prove that the trail was not set back.
type auditor struct {
	*Keeper
	started bool
	told    uint64 // number of the last checkpoint in the log
}

// keepAudit looks after the trail until what it returns is called.
func (k *Keeper) keepAudit(ctx context.Context) (stop func()) {
	ctx = context.WithoutCancel(ctx)
	a := &auditor{Keeper: k}
	a.look(ctx, false)
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.run(ctx, done)
	}()
	return func() {
		close(done)
		<-ended
		a.look(ctx, true)
	}
}

func (a *auditor) run(ctx context.Context, done <-chan struct{}) {
	ticker := time.NewTicker(auditTick)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.look(ctx, false)
		case <-done:
			return
		}
	}
}

// look does what is due. What could not be written, such as the start over a full
// disk, is tried again at the next look.
func (a *auditor) look(ctx context.Context, last bool) {
	var points []audit.Checkpoint
	err := a.Store.Update(ctx, func(tx store.Tx) error {
		err := a.passage(tx, last)
		if err == nil {
			err = a.sign(tx, last)
		}
		if err != nil {
			return err
		}
		points, err = untold(tx, a.told)
		return err
	})
	if err != nil {
		a.Log.Error("keeping the audit trail failed", "err", err)
		return
	}
	a.started = true
	for _, p := range points {
		a.told = p.Number
		a.Log.Info("audit", "checkpoint", p.String())
	}
}

// passage records the start, and the end.
func (a *auditor) passage(tx store.Tx, last bool) error {
	r := audit.Record{At: a.Now(), Actor: audit.System, Object: "serve", Detail: "version " + a.Version}
	switch {
	case !a.started:
		r.Action = audit.Started
	case last:
		r.Action = audit.Stopped
	default:
		return nil
	}
	return tx.Audit(r)
}

// sign makes a checkpoint when the last is an hour old, or from a time that is
// still to come, and at both ends.
func (a *auditor) sign(tx store.Tx, last bool) error {
	point, err := tx.LastCheckpoint()
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	age := a.Now().Sub(point.At)
	if err == nil && a.started && !last && age >= 0 && age < audit.CheckpointAge {
		return nil
	}
	_, err = tx.Checkpoint()
	return err
}

// maxUntold bounds the checkpoints that are written into the log at once.
const maxUntold = 1000

// untold are the checkpoints after a number; with 0, the last alone.
func untold(tx store.Tx, after uint64) ([]audit.Checkpoint, error) {
	if after == 0 {
		last, err := tx.LastCheckpoint()
		return []audit.Checkpoint{last}, err
	}
	var all []audit.Checkpoint
	err := tx.EachCheckpoint(after+1, func(c audit.Checkpoint) bool {
		all = append(all, c)
		return len(all) < maxUntold
	})
	return all, err
}
