package store

import (
	"context"
	"sync"
)

// A watch wakes those who wait for changes of mailboxes.
type watch struct {
	mu    sync.Mutex
	boxes map[MailboxID]*watched
}

// A watched mailbox is one that somebody waits for.
type watched struct {
	waiters int
	changed chan struct{} // closed at the next change
}

// changed wakes the waiters of a mailbox.
func (w *watch) changed(id MailboxID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	box, ok := w.boxes[id]
	if ok {
		close(box.changed)
		box.changed = make(chan struct{})
	}
}

// enter makes the caller a waiter until it calls leave.
func (w *watch) enter(id MailboxID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	box, ok := w.boxes[id]
	if !ok {
		box = &watched{changed: make(chan struct{})}
		w.boxes[id] = box
	}
	box.waiters++
}

func (w *watch) leave(id MailboxID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.boxes[id].waiters--
	if w.boxes[id].waiters == 0 {
		delete(w.boxes, id)
	}
}

// next returns the channel that the next change closes.
func (w *watch) next(id MailboxID) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.boxes[id].changed
}

// WaitMailbox implements Store.
func (db *DB) WaitMailbox(ctx context.Context, id MailboxID, since uint64) error {
	db.watch.enter(id)
	defer db.watch.leave(id)
	for {
		next := db.watch.next(id) // before the look, lest a change is missed
		var m Mailbox
		err := db.View(ctx, func(t Tx) (err error) {
			m, err = t.Mailbox(id)
			return err
		})
		if err != nil || m.ModSeq > since {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		case <-db.closing:
			return ErrClosed
		}
	}
}
