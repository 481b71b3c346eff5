package gateway

import (
	"context"
	"io"

	"postern/smtp"
)

// mayTake asks whether there is room for one more message; without, it is put off
// before anything of it is kept. It is asked twice for each and costs next to
// nothing.
func (c *Core) mayTake(ctx context.Context, e smtp.Envelope) error {
	err := c.Care.Room()
	if err == nil {
		err = c.queueRoom(ctx, e.Size)
	}
	if err != nil {
		c.limited.room.Add(1)
	}
	return err
}

// A roomy reader gives a message up when there is no more room for it. As many as
// there are connections may come at once, each as long as any.
type roomy struct {
	r    io.Reader
	core *Core
}

// Read implements io.Reader.
func (r roomy) Read(p []byte) (int, error) {
	err := r.core.Care.Room()
	if err != nil {
		r.core.limited.room.Add(1)
		return 0, err
	}
	return r.r.Read(p)
}
