package gateway

import (
	"context"

	"postern/store"
	"postern/trust/reason"
)

// queueRoom refuses a message for the time being while there are QueueBytes of
// messages under way, or would be with it: size is what the peer announced, 0 if
// it did not. What is under way goes on, so that there is room again by itself.
func (c *Core) queueRoom(ctx context.Context, size int64) error {
	if c.QueueBytes == 0 {
		return nil
	}
	under, err := c.UnderWay(ctx)
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	var all int64
	for _, t := range under {
		all += t.Bytes
	}
	if all+size > c.QueueBytes {
		return reason.New(reason.StorageFull, "%d bytes of messages are under way, limits.queue_bytes is %d", all, c.QueueBytes)
	}
	return nil
}

// UnderWay returns how much there is of each kind of job that is a step of a
// message: to be sealed, relayed and opened. It reads three counters.
func (c *Core) UnderWay(ctx context.Context) (map[store.JobKind]store.JobTotal, error) {
	var all map[store.JobKind]store.JobTotal
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = tx.JobTotals()
		return err
	})
	steps := make(map[store.JobKind]store.JobTotal)
	for _, kind := range store.Steps() {
		steps[kind] = all[kind]
	}
	return steps, err
}
