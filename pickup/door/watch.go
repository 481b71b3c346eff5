package door

import (
	"context"
	"time"
)

// lookTime is how often it is asked whether a client that waits for an answer is there.
const lookTime = 250 * time.Millisecond

// Watch calls gone when the client has hung up, which nobody sees who does not read. It
// returns after that, or when ctx is done.
func (c *Conn) Watch(ctx context.Context, gone func()) {
	t := time.NewTicker(lookTime)
	defer t.Stop()
	for !c.Gone() {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
	gone()
}
