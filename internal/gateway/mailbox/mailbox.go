package mailbox

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"postern/mime"
	"postern/pickup"
	"postern/store"
)

type mailbox struct {
	store   proven
	options Options
	account mime.Address
	id      store.MailboxID
	remote  netip.Addr
	turns   *turns
	sessionNotes
}

func message(m store.Message) pickup.Message {
	return pickup.Message{
		UID:      m.UID,
		ModSeq:   m.ModSeq,
		Size:     m.Size,
		Flags:    m.Flags,
		Received: m.Received,
		Body:     uint64(m.Body),
	}
}

func (b *mailbox) Snapshot(ctx context.Context) (pickup.MailboxInfo, []pickup.Message, error) {
	var counts pickup.MailboxInfo
	var out []pickup.Message
	err := b.store.View(ctx, func(tx store.Tx) error {
		m, err := tx.Mailbox(b.id)
		if err != nil {
			return err
		}
		counts = info(m)
		out = make([]pickup.Message, 0, m.Messages)
		return tx.EachMessage(b.id, 1, func(m store.Message) bool {
			out = append(out, message(m))
			return true
		})
	})
	return counts, out, translate(err)
}

func (b *mailbox) Changes(ctx context.Context, since uint64) (pickup.Changes, error) {
	var out pickup.Changes
	err := b.store.View(ctx, func(tx store.Tx) error {
		m, err := tx.Mailbox(b.id)
		if err != nil {
			return err
		}
		out = pickup.Changes{ModSeq: m.ModSeq}
		if m.ModSeq <= since {
			return nil
		}
		changes, err := tx.Changes(b.id, since)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.Expunged {
				out.Expunged = append(out.Expunged, c.UID)
				continue
			}
			m, err := tx.Message(b.id, c.UID)
			if err != nil {
				return err
			}
			out.Messages = append(out.Messages, message(m))
		}
		return nil
	})
	return out, translate(err)
}

func (b *mailbox) Wait(ctx context.Context, since uint64) error {
	return translate(b.store.WaitMailbox(ctx, b.id, since))
}

// Body opens the body of a message that is in the mailbox: one that was moved away has
// its body still, and would be read without a record.
func (b *mailbox) Body(ctx context.Context, m pickup.Message) (pickup.Body, error) {
	var body store.Body
	err := b.store.View(ctx, func(tx store.Tx) error {
		_, err := tx.Message(b.id, m.UID)
		return err
	})
	if err == nil {
		body, err = b.store.OpenBody(ctx, store.BodyID(m.Body))
	}
	if errors.Is(err, store.ErrNotFound) {
		return nil, pickup.ErrNoMessage
	}
	if err != nil {
		return nil, translate(err)
	}
	return openBody{body}, nil
}

// An openBody names the error of a body that went while it was read.
type openBody struct{ store.Body }

func (o openBody) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.Body.ReadAt(p, off)
	if errors.Is(err, store.ErrNotFound) {
		err = pickup.ErrNoMessage
	}
	return n, err
}

// each calls fn for those of the messages that are there, in a transaction.
func (b *mailbox) each(tx store.Tx, uids []uint32, fn func(store.Message) error) error {
	_, err := tx.Mailbox(b.id)
	if err != nil {
		return err
	}
	for _, uid := range uids {
		m, err := tx.Message(b.id, uid)
		if errors.Is(err, store.ErrNotFound) {
			continue // another session removed it
		}
		if err == nil {
			err = fn(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *mailbox) SetFlags(ctx context.Context, uids []uint32, c pickup.FlagChange) ([]pickup.Message, error) {
	out := make([]pickup.Message, 0, len(uids))
	for some := range slices.Chunk(uids, atOnce) {
		after, err := b.setFlags(ctx, some, c)
		if err != nil {
			return out, translate(err)
		}
		out = append(out, after...)
	}
	return out, nil
}

func (b *mailbox) setFlags(ctx context.Context, uids []uint32, c pickup.FlagChange) (out []pickup.Message, err error) {
	err = b.store.Update(ctx, func(tx store.Tx) error {
		out = make([]pickup.Message, 0, len(uids))
		return b.each(tx, uids, func(m store.Message) error {
			if c.UnchangedSince != nil && m.ModSeq > *c.UnchangedSince {
				return nil
			}
			flags, err := c.Apply(m.Flags)
			if err != nil {
				return err
			}
			after, err := tx.SetFlags(b.id, m.UID, flags)
			out = append(out, message(after))
			return err
		})
	})
	return out, err
}

func (b *mailbox) Expunge(ctx context.Context, uids []uint32) error {
	for len(uids) > 0 {
		n := within(uids)
		err := b.expunge(ctx, uids[:n])
		if err != nil {
			return translate(err)
		}
		uids = uids[n:]
	}
	return nil
}

func (b *mailbox) expunge(ctx context.Context, uids []uint32) error {
	return b.store.Update(ctx, func(tx store.Tx) error {
		var gone []store.Message
		err := b.each(tx, uids, func(m store.Message) error {
			if !deleted(m) {
				return nil
			}
			gone = append(gone, m)
			return tx.Expunge(b.id, m.UID)
		})
		if err != nil {
			return err
		}
		return b.auditRemoved(tx, gone)
	})
}

func deleted(m store.Message) bool {
	for _, f := range m.Flags {
		if f == `\Deleted` {
			return true
		}
	}
	return false
}

func (b *mailbox) Copy(ctx context.Context, uids []uint32, dest string) (pickup.CopyResult, error) {
	return b.copyTo(ctx, uids, dest, false)
}

func (b *mailbox) Move(ctx context.Context, uids []uint32, dest string) (pickup.CopyResult, error) {
	return b.copyTo(ctx, uids, dest, true)
}

// fits refuses copies that are too much for the account.
func (b *mailbox) fits(tx store.Tx, uids []uint32) error {
	var more Load
	err := b.each(tx, uids, func(m store.Message) error {
		one := LoadOf(m.Size)
		more.Messages += one.Messages
		more.Bytes += one.Bytes
		return nil
	})
	if err != nil {
		return err
	}
	return b.options.quota(tx, b.account, more)
}

// Bounds of one transaction, which must not hold others up. COPY is done wholly or
// not at all (RFC 9051 §6.4.7), so that more than this is refused; changes of flags
// are not, and go step by step. So does RENAME of INBOX, which cannot be asked for in
// pieces.
const (
	maxCopied = 10_000
	atOnce    = 500
)

// copyTo is COPY and MOVE.
func (b *mailbox) copyTo(ctx context.Context, uids []uint32, dest string, move bool) (pickup.CopyResult, error) {
	var out pickup.CopyResult
	if len(uids) > maxCopied {
		return out, pickup.ErrLimit
	}
	if !move { // what is moved takes no more space than before
		err := noRoom(b.options.Room())
		if err != nil {
			return out, err
		}
	}
	err := b.store.Update(ctx, func(tx store.Tx) error {
		to, err := tx.MailboxByName(b.account, dest)
		if err != nil {
			return err
		}
		if move && to.ID == b.id {
			return pickup.ErrRefused
		}
		if !move {
			err := b.fits(tx, uids)
			if err != nil {
				return err
			}
		}
		out, err = b.put(tx, uids, to, move)
		return err
	})
	return out, translate(err)
}

// put appends messages to another mailbox with the body they have, by reference, and
// removes the originals of a move.
func (b *mailbox) put(tx store.Tx, uids []uint32, to store.Mailbox, move bool) (pickup.CopyResult, error) {
	out := pickup.CopyResult{UIDValidity: to.UIDValidity}
	err := b.each(tx, uids, func(m store.Message) error {
		copied, err := tx.Append(to.ID, m)
		if err == nil && move {
			err = tx.Expunge(b.id, m.UID)
		}
		out.From = append(out.From, m.UID)
		out.To = append(out.To, copied.UID)
		return err
	})
	return out, err
}
