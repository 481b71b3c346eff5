package control

import (
	"context"
	"errors"
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
	var mu sync.Mutex
	var changed QueueChanged
	dropping, dropCtx := errgroup.WithContext(ctx)
	dropping.SetLimit(dropsAtOnce)
	for _, id := range ids {
		dropping.Go(func() error {
			err := s.Core.Drop(dropCtx, id, actor(ctx), in.Silent, in.drops)
			mu.Lock()
			defer mu.Unlock()
			return changed.dropped(id, err)
		})
	}
	err = dropping.Wait()
	slices.Sort(changed.InWork)
	return changed, err
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
