package control

import (
	"context"
	"io"

	"postern/store"
)

// QueueSummary tells what is under way, by destination and state.
func (c *Client) QueueSummary(ctx context.Context, f QueueFilter) (QueueSummary, error) {
	return call[QueueFilter, QueueSummary](ctx, c, "queue/list", f)
}

// EachQueued calls fn with the jobs of messages under way that are meant, in order
// of their ids, with times as the wall clock has them. An error of fn ends it.
func (c *Client) EachQueued(ctx context.Context, f QueueFilter, fn func(store.Job) error) error {
	for from := store.JobID(1); from != 0; {
		page, err := call[QueuePage, QueueJobs](ctx, c, "queue/jobs", QueuePage{f, from})
		if err != nil {
			return err
		}
		for _, j := range page.Jobs {
			err := fn(j)
			if err != nil {
				return err
			}
		}
		from = page.Next
	}
	return nil
}

// Queue lists all jobs of messages under way.
func (c *Client) Queue(ctx context.Context) ([]store.Job, error) {
	var all []store.Job
	err := c.EachQueued(ctx, QueueFilter{}, func(j store.Job) error {
		all = append(all, j)
		return nil
	})
	return all, err
}

// ShowQueued tells of one message under way, by the id of a job or of a message.
func (c *Client) ShowQueued(ctx context.Context, id string) (QueueEntry, error) {
	return call[MessageName, QueueEntry](ctx, c, "queue/show", MessageName{id})
}

// TakeOriginal writes the sealed message of a job to w. After an error nothing that
// was written counts.
func (c *Client) TakeOriginal(ctx context.Context, id string, w io.Writer) (TakenOriginal, error) {
	return callMessage[MessageName, TakenOriginal](ctx, c, "queue/original", w, MessageName{id}, nil)
}

// RetryQueued makes messages due now, and lets destinations be tried that are left
// alone.
func (c *Client) RetryQueued(ctx context.Context, o QueueOrder) (QueueChanged, error) {
	return call[QueueOrder, QueueChanged](ctx, c, "queue/retry", o)
}

// HoldQueued keeps messages where they are until they are released.
func (c *Client) HoldQueued(ctx context.Context, o QueueOrder) (QueueChanged, error) {
	return call[QueueOrder, QueueChanged](ctx, c, "queue/hold", o)
}

// ReleaseQueued lets held messages go on.
func (c *Client) ReleaseQueued(ctx context.Context, o QueueOrder) (QueueChanged, error) {
	return call[QueueOrder, QueueChanged](ctx, c, "queue/release", o)
}

// DropQueued ends messages.
func (c *Client) DropQueued(ctx context.Context, o QueueOrder) (QueueChanged, error) {
	return call[QueueOrder, QueueChanged](ctx, c, "queue/drop", o)
}
