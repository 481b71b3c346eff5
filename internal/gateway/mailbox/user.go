package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"postern/mime"
	"postern/pickup"
	"postern/store"
)

type user struct {
	store   proven
	options Options
	account mime.Address
	remote  netip.Addr
	turns   *turns
	sessionNotes
}

// Check looks whether what the account logged in with is still good.
func (u *user) Check(ctx context.Context) error {
	return translate(u.store.View(ctx, u.store.check))
}

func info(m store.Mailbox) pickup.MailboxInfo {
	return pickup.MailboxInfo{
		Name:        m.Name,
		UIDValidity: m.UIDValidity,
		UIDNext:     m.UIDNext,
		ModSeq:      m.ModSeq,
		Messages:    m.Messages,
		Unseen:      m.Unseen,
		Bytes:       m.Bytes,
		Subscribed:  m.Subscribed,
		Use:         m.Use,
	}
}

func (u *user) Mailboxes(ctx context.Context) ([]pickup.MailboxInfo, error) {
	var out []pickup.MailboxInfo
	err := u.store.View(ctx, func(tx store.Tx) error {
		boxes, err := tx.Mailboxes(u.account)
		out = make([]pickup.MailboxInfo, len(boxes))
		for i, m := range boxes {
			out[i] = info(m)
		}
		return err
	})
	return out, translate(err)
}

// Create makes the missing mailboxes above as well, so that every level of a
// name is a mailbox (RFC 9051 §6.3.4).
func (u *user) Create(ctx context.Context, name string) error { return u.CreateFor(ctx, name, "") }

// CreateFor implements pickup.User.
func (u *user) CreateFor(ctx context.Context, name, use string) error {
	err := u.store.Update(ctx, func(tx store.Tx) error {
		m, err := u.create(tx, name)
		if err != nil || use == "" {
			return err
		}
		return tx.UseMailbox(m.ID, use)
	})
	return translate(err)
}

func (u *user) create(tx store.Tx, name string) (store.Mailbox, error) {
	err := u.createAbove(tx, name)
	if err != nil {
		return store.Mailbox{}, err
	}
	return tx.CreateMailbox(u.account, name)
}

func (u *user) createAbove(tx store.Tx, name string) error {
	for i := range name {
		if name[i] != '/' {
			continue
		}
		_, err := tx.CreateMailbox(u.account, name[:i])
		if err != nil && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
	return nil
}

func (u *user) Delete(ctx context.Context, name string) error {
	err := u.store.Update(ctx, func(tx store.Tx) error {
		m, err := tx.MailboxByName(u.account, name)
		if err != nil {
			return err
		}
		if m.Name == store.Inbox {
			return pickup.ErrRefused
		}
		boxes, err := tx.Mailboxes(u.account)
		if err != nil {
			return err
		}
		for _, b := range boxes {
			if strings.HasPrefix(b.Name, m.Name+"/") {
				return pickup.ErrHasChildren
			}
		}
		err = tx.RemoveMailbox(m.ID)
		if err != nil {
			return err
		}
		return u.auditDeleted(tx, m)
	})
	return translate(err)
}

func (u *user) Rename(ctx context.Context, from, to string) error {
	if strings.EqualFold(from, store.Inbox) {
		return u.renameInbox(ctx, to)
	}
	err := u.store.Update(ctx, func(tx store.Tx) error {
		m, err := tx.MailboxByName(u.account, from)
		if err != nil {
			return err
		}
		if strings.HasPrefix(to, m.Name+"/") {
			return pickup.ErrRefused
		}
		err = u.createAbove(tx, to)
		if err != nil {
			return err
		}
		return tx.RenameMailbox(m.ID, to)
	})
	return translate(err)
}

// renameInbox makes a mailbox and moves there what is in INBOX, which stays (RFC 9051
// §6.3.6): up to maxCopied messages in the transaction that makes it, and more of them
// in some behind it. What comes meanwhile is for INBOX.
func (u *user) renameInbox(ctx context.Context, name string) error {
	inbox, err := u.openMailbox(ctx, store.Inbox)
	if err != nil {
		return err
	}
	_, all, err := inbox.Snapshot(ctx)
	if err != nil {
		return err
	}
	uids := make([]uint32, len(all))
	for i, m := range all {
		uids[i] = m.UID
	}
	var dest store.Mailbox
	for made := false; err == nil && (!made || len(uids) > 0); made = true {
		some := uids[:min(len(uids), maxCopied)]
		uids = uids[len(some):]
		err = u.store.Update(ctx, func(tx store.Tx) (err error) {
			if !made {
				dest, err = u.create(tx, name)
			}
			if err == nil {
				_, err = inbox.put(tx, some, dest, true)
			}
			return err
		})
	}
	return translate(err)
}

func (u *user) Subscribe(ctx context.Context, name string, on bool) error {
	err := u.store.Update(ctx, func(tx store.Tx) error {
		m, err := tx.MailboxByName(u.account, name)
		if err != nil {
			return err
		}
		return tx.SubscribeMailbox(m.ID, on)
	})
	return translate(err)
}

func (u *user) find(ctx context.Context, name string) (store.Mailbox, error) {
	var m store.Mailbox
	err := u.store.View(ctx, func(tx store.Tx) error {
		var err error
		m, err = tx.MailboxByName(u.account, name)
		return err
	})
	return m, translate(err)
}

func (u *user) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := u.openMailbox(ctx, name)
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (u *user) openMailbox(ctx context.Context, name string) (*mailbox, error) {
	m, err := u.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return u.mailbox(m.ID), nil
}

func (u *user) mailbox(id store.MailboxID) *mailbox {
	return &mailbox{
		store: u.store, options: u.options, account: u.account, id: id,
		remote: u.remote, turns: u.turns, sessionNotes: u.sessionNotes,
	}
}

func (u *user) Append(ctx context.Context, name string, n pickup.NewMessage, body io.Reader) (pickup.AppendResult, error) {
	box, err := u.find(ctx, name) // before the body is taken
	if err != nil {
		return pickup.AppendResult{}, err
	}
	err = u.room(ctx)
	if err != nil {
		return pickup.AppendResult{}, err
	}
	w, err := NewDraft(ctx, u.store)
	if err != nil {
		return pickup.AppendResult{}, translate(err)
	}
	defer w.Discard()
	_, err = io.Copy(w, body)
	if err != nil {
		return pickup.AppendResult{}, fmt.Errorf("storing a body: %w", translate(err))
	}
	flags, err := pickup.FlagChange{Flags: n.Flags}.Apply(nil)
	if err != nil {
		return pickup.AppendResult{}, err
	}
	var uid uint32
	err = u.store.Update(ctx, func(tx store.Tx) error {
		err := u.options.quota(tx, u.account, LoadOf(w.Size()))
		if err != nil {
			return err
		}
		id, err := w.Put(tx)
		if err != nil {
			return err
		}
		m, err := tx.Append(box.ID, store.Message{
			Body: id, Size: w.Size(), Flags: flags, Received: n.Received,
			Fetched: u.options.Steady(), // who put it there knows it
		})
		uid = m.UID
		return err
	})
	return pickup.AppendResult{UIDValidity: box.UIDValidity, UID: uid}, translate(err)
}
