package pop3

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"postern/pickup"
	"postern/pickup/door"
)

// A drop is the mailbox as it was at login. Message n is entries[n-1] until the
// session ends (RFC 1939 §3).
type drop struct {
	box      Maildrop
	validity uint32
	entries  []entry
	marked   int // to be removed
	sent     door.Sent
}

// An entry is what a session keeps of a message: little, for there may be many.
type entry struct {
	body    uint64
	size    int64 // as stored
	text    int64 // as sent, without what is stuffed; -1: not known yet
	uid     uint32
	deleted bool // marked
	seen    bool
	noted   bool // as about to be read
}

// openDrop lists the messages of a mailbox.
func openDrop(ctx context.Context, box Maildrop, log *slog.Logger) (*drop, error) {
	info, messages, err := box.Snapshot(ctx)
	if err != nil {
		box.Release()
		return nil, fmt.Errorf("listing the messages of a mailbox: %w", err)
	}
	d := &drop{box: box, validity: info.UIDValidity, entries: make([]entry, len(messages))}
	d.sent.Note = func(ctx context.Context, uids []uint32) {
		err := box.Took(ctx, uids)
		if err != nil && !errors.Is(err, pickup.ErrNoMailbox) {
			log.Error("pop3 reading could not be marked", "err", err)
		}
	}
	for i, m := range messages {
		d.entries[i] = entry{body: m.Body, size: m.Size, text: -1, uid: m.UID, seen: slices.Contains(m.Flags, `\Seen`)}
	}
	return d, nil
}

// find returns the message of a number that was not marked.
func (d *drop) find(n int) (*entry, bool) {
	if n < 1 || n > len(d.entries) || d.entries[n-1].deleted {
		return nil, false
	}
	return &d.entries[n-1], true
}

// id names a message for ever (RFC 1939 §7, UIDL): the server never gives both
// numbers to another one.
func (d *drop) id(e *entry) string { return fmt.Sprintf("%d.%d", d.validity, e.uid) }

// open opens the body of a message.
func (d *drop) open(ctx context.Context, e *entry) (pickup.Body, error) {
	return d.box.Body(ctx, pickup.Message{UID: e.uid, Size: e.size, Body: e.body})
}

// toRemove are the UIDs that are marked.
func (d *drop) toRemove() []uint32 {
	uids := make([]uint32, 0, d.marked)
	for i := range d.entries {
		if d.entries[i].deleted {
			uids = append(uids, d.entries[i].uid)
		}
	}
	return uids
}

// release gives the mailbox free, after what was read is noted.
func (d *drop) release() {
	d.sent.Flush()
	d.box.Release()
}
