package pickup

import (
	"context"
	"time"
)

// turnTime is how long a search looks into messages before others may. It ends between
// two pieces of a message.
const turnTime = 50 * time.Millisecond

// A turn is the right to look into messages, which costs processor time that others are to
// have as well: it is taken when it is first needed, and given back now and then. Where no
// turn is needed it is nil.
type turn struct {
	ctx   context.Context
	take  func(context.Context) (done func(), err error)
	done  func() // nil: it is not held
	until time.Time
}

// hold returns when the turn is held.
func (t *turn) hold() error {
	if t == nil || t.done != nil && time.Now().Before(t.until) {
		return nil
	}
	t.end()
	done, err := t.take(t.ctx)
	if err != nil {
		return err
	}
	t.done, t.until = done, time.Now().Add(turnTime)
	return nil
}

// end gives the turn back.
func (t *turn) end() {
	if t.done != nil {
		t.done()
		t.done = nil
	}
}
