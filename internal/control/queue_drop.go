package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"postern/internal/gateway"
	"postern/store"
)

// dropsAtOnce is how many messages are ended at the same time. Each is a transaction
// of its own, with its notice; those that come together are written together.
const dropsAtOnce = 16

// drops reports whether a drop is for a job. Of many it ends what is held only if that is
// asked for: a kept original may be held for a dispute.
func (o QueueOrder) drops(j store.Job) bool {
	return o.takes(j) && (len(o.IDs) > 0 || j.Held == o.Held)
}

// dropJobs ends messages that are named one by one, or those to or from somebody that
// an operator holds, or that are kept: what he could look at before.
func (s *Service) dropJobs(ctx context.Context, in QueueOrder) (QueueChanged, error) {
	if in.All || len(in.IDs) == 0 && !in.Held && !in.Kept {
		return QueueChanged{}, &Error{
			Kind: Invalid, Message: "messages are dropped by their ids, or to or from somebody those that are held or kept",
			Hint: "hold them, see them by postern queue list --held --all, and drop with --held",
		}
	}
	ids, err := s.meant(ctx, in, in.drops)
	if err != nil {
		return QueueChanged{}, err
	}
	var changed QueueChanged
	crowded, err := s.dropEach(ctx, in, ids, dropsAtOnce, &changed)
	if err == nil && len(crowded) > 0 {
		crowded, err = s.dropEach(ctx, in, crowded, 1, &changed)
	}
	if err == nil && len(crowded) > 0 {
		err = fmt.Errorf("%d messages are left: %w", len(crowded), store.ErrFull)
	}
	slices.Sort(changed.InWork)
	return changed, err
}

// dropEach drops so many messages at once, and returns those for which there was no
// space. Drops that run side by side each read a state of their own of the store, and
// keep it from using again what the others freed: on a disk that is nearly full these
// go one after another.
func (s *Service) dropEach(ctx context.Context, in QueueOrder, ids []store.JobID, atOnce int, changed *QueueChanged) (crowded []store.JobID, err error) {
	var mu sync.Mutex
	dropping, dropCtx := errgroup.WithContext(ctx)
	dropping.SetLimit(atOnce)
	for _, id := range ids {
		dropping.Go(func() error {
			err := s.Core.Drop(dropCtx, id, actor(ctx), in.Silent, in.drops)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, store.ErrFull) {
				crowded = append(crowded, id)
				return nil
			}
			return changed.dropped(id, err)
		})
	}
	return crowded, dropping.Wait()
}

// dropped counts a job that was to be dropped, by how that went.
func (c *QueueChanged) dropped(id store.JobID, err error) error {
	switch {
	case errors.Is(err, gateway.ErrInWork):
		c.InWork = append(c.InWork, id)
	case errors.Is(err, store.ErrNotFound): // it went on meanwhile
	case err != nil:
		return err
	default:
		c.Jobs++
	}
	return nil
}
