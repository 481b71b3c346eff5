package gateway

import (
	"context"

	"postern/smtp"
)

// A ready says whether one more message may be taken, with the reason why not.
type ready func(context.Context, smtp.Envelope) error

// mayTake asks whether there is room for one more message; without, it is put off
// before anything of it is kept. It is asked twice for each and costs next to
// nothing.
func (c *Core) mayTake(ctx context.Context, e smtp.Envelope) error {
	for _, room := range []ready{func(context.Context, smtp.Envelope) error { return c.roomOnDisk() }} {
		err := room(ctx, e)
		if err != nil {
			c.limited.room.Add(1)
			return err
		}
	}
	return nil
}
