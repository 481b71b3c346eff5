package mailbox

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"postern/httpedge"
	"postern/internal/login"
	"postern/pickup"
	"postern/store"
	"postern/trust/reason"
)

// acknowledged is the keyword of a message that an application has taken over. Mail
// programs show it as any other.
const acknowledged = "$Acknowledged"

// Apps are the mailboxes for applications that come over HTTPS, which see INBOX alone.
type Apps struct{ backend *backend }

// NewApps is New for applications, without the login: they show tokens.
func NewApps(s store.Store, o Options) *Apps { return &Apps{newBackend(s, nil, o, "HTTPS")} }

// Inbox is INBOX for who was let in; what is read in one session is noted once.
func (a *Apps) Inbox(granted login.Grant, remote netip.Addr) *AppInbox {
	return &AppInbox{a.backend.admit(granted, remote)}
}

// An AppInbox is the INBOX of one account. Errors are those of httpedge.Inbox.
type AppInbox struct{ user *user }

// appError gives errors the names httpedge knows.
func appError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pickup.ErrNoMailbox), errors.Is(err, pickup.ErrNoMessage):
		return httpedge.ErrNotFound
	case errors.Is(err, pickup.ErrUnavailable):
		return reason.New(reason.Busy, "%w", err)
	case errors.Is(err, pickup.ErrRevoked):
		return reason.New(reason.AuthFailed, "%w", err)
	}
	return err
}

// inbox is INBOX, which every account has: who has none is gone.
func (a *AppInbox) inbox(tx store.Tx) (store.Mailbox, error) {
	box, err := tx.MailboxByName(a.user.account, store.Inbox)
	if errors.Is(err, store.ErrNotFound) {
		err = pickup.ErrRevoked
	}
	return box, err
}

// MessageID writes the id of a message in an INBOX of that UIDVALIDITY: no other ever
// has it.
func MessageID(validity, uid uint32) string { return fmt.Sprintf("%d-%d", validity, uid) }

// parseMessageID reads what MessageID wrote, and nothing else.
func parseMessageID(id string) (validity, uid uint32, ok bool) {
	left, right, _ := strings.Cut(id, "-")
	v, err := strconv.ParseUint(left, 10, 32)
	if err != nil {
		return 0, 0, false
	}
	u, err := strconv.ParseUint(right, 10, 32)
	if err != nil || id != MessageID(uint32(v), uint32(u)) {
		return 0, 0, false
	}
	return uint32(v), uint32(u), true
}

func (a *AppInbox) received(box store.Mailbox, m store.Message) httpedge.Received {
	return httpedge.Received{
		ID: MessageID(box.UIDValidity, m.UID), At: m.Received, Size: m.Size,
		Seen: slices.Contains(m.Flags, `\Seen`), Acknowledged: slices.ContainsFunc(m.Flags, isAcknowledged),
	}
}

// isAcknowledged compares as keywords are compared (RFC 9051 §2.3.2).
func isAcknowledged(flag string) bool { return strings.EqualFold(flag, acknowledged) }

// How many messages are looked at for one page, and in one transaction.
const (
	scannedForPage = 50_000
	scannedAtOnce  = 2_000
)

// List makes a page. Where very many messages before it are acknowledged it may be
// empty, and go on.
func (a *AppInbox) List(ctx context.Context, q httpedge.InboxQuery) (httpedge.InboxPage, error) {
	s := listing{AppInbox: a, query: q}
	for n := 0; n < scannedForPage && !s.done; n += scannedAtOnce {
		err := a.user.store.View(ctx, s.some)
		if err != nil {
			return httpedge.InboxPage{}, appError(translate(err))
		}
	}
	return s.page, nil
}

// A listing is a page in the making.
type listing struct {
	*AppInbox
	query httpedge.InboxQuery
	page  httpedge.InboxPage
	last  uint32 // that was looked at
	done  bool
}

// some looks at a few messages more.
func (s *listing) some(tx store.Tx) error {
	box, err := s.inbox(tx)
	if err != nil {
		return err
	}
	if s.last == 0 && s.query.After != "" {
		validity, uid, ok := parseMessageID(s.query.After)
		if !ok {
			return httpedge.WrongParameter("after", "it is no cursor of a list")
		}
		if validity != box.UIDValidity {
			return httpedge.ErrStale
		}
		s.last = uid
	}
	if s.page.Mark == 0 {
		s.page.Mark = box.ModSeq
	}
	s.page.More = false
	n := 0
	if s.last < 1<<32-1 {
		err = tx.EachMessage(box.ID, s.last+1, func(m store.Message) bool {
			if n == scannedAtOnce || len(s.page.Messages) == s.query.Limit {
				s.page.More = true
				return false
			}
			n, s.last = n+1, m.UID
			if s.query.All || !slices.ContainsFunc(m.Flags, isAcknowledged) {
				s.page.Messages = append(s.page.Messages, s.received(box, m))
			}
			return true
		})
	}
	s.done = !s.page.More || len(s.page.Messages) == s.query.Limit
	if s.last > 0 {
		s.page.Next = MessageID(box.UIDValidity, s.last)
	}
	return err
}

// Wait blocks until the mailbox has changed since a page was made.
func (a *AppInbox) Wait(ctx context.Context, p httpedge.InboxPage) error {
	box, err := a.user.openMailbox(ctx, store.Inbox)
	if err == nil {
		err = box.Wait(ctx, p.Mark)
	}
	if errors.Is(err, pickup.ErrNoMailbox) {
		err = pickup.ErrRevoked // as inbox has it
	}
	return appError(err)
}

// find looks for a message, with the mailbox it is in.
func (a *AppInbox) find(ctx context.Context, id string) (*mailbox, store.Mailbox, store.Message, error) {
	var box store.Mailbox
	var m store.Message
	validity, uid, ok := parseMessageID(id)
	if !ok {
		return nil, box, m, httpedge.ErrNotFound
	}
	err := a.user.store.View(ctx, func(tx store.Tx) (err error) {
		box, err = a.inbox(tx)
		if err == nil && box.UIDValidity != validity {
			err = store.ErrNotFound
		}
		if err == nil {
			m, err = tx.Message(box.ID, uid)
		}
		return err
	})
	if err != nil {
		return nil, box, m, appError(translate(err))
	}
	return a.user.mailbox(box.ID), box, m, nil
}

// Open notes that a message is about to be read, and opens it.
func (a *AppInbox) Open(ctx context.Context, id string) (httpedge.Received, httpedge.Body, error) {
	open, box, m, err := a.find(ctx, id)
	if err == nil {
		_, err = open.Read(ctx, []uint32{m.UID}, nil)
	}
	if err != nil {
		return httpedge.Received{}, nil, appError(err)
	}
	return a.body(ctx, open, box, m)
}

// Look opens a message for who reads nothing of it.
func (a *AppInbox) Look(ctx context.Context, id string) (httpedge.Received, httpedge.Body, error) {
	open, box, m, err := a.find(ctx, id)
	if err != nil {
		return httpedge.Received{}, nil, err
	}
	return a.body(ctx, open, box, m)
}

func (a *AppInbox) body(ctx context.Context, open *mailbox, box store.Mailbox, m store.Message) (httpedge.Received, httpedge.Body, error) {
	body, err := open.Body(ctx, message(m))
	if err != nil {
		return httpedge.Received{}, nil, appError(err)
	}
	return a.received(box, m), body, nil
}

// Took notes that all of a message was sent.
func (a *AppInbox) Took(ctx context.Context, id string) error {
	open, _, m, err := a.find(ctx, id)
	if reason.Of(err) == reason.AuthFailed {
		err = httpedge.ErrNotFound // with its account
	}
	if err == nil {
		err = appError(open.Took(ctx, []uint32{m.UID}))
	}
	return err
}

// Acknowledge marks a message as taken over, or no longer. Who has taken it over has
// read it.
func (a *AppInbox) Acknowledge(ctx context.Context, id string, on bool) error {
	open, _, m, err := a.find(ctx, id)
	if err != nil {
		return err
	}
	change := pickup.FlagChange{Op: pickup.RemoveFlags, Flags: []string{acknowledged}}
	if on {
		change = pickup.FlagChange{Op: pickup.AddFlags, Flags: []string{acknowledged, `\Seen`}}
	}
	after, err := open.SetFlags(ctx, []uint32{m.UID}, change)
	if err == nil && len(after) == 0 {
		err = httpedge.ErrNotFound
	}
	if err == nil && on {
		err = open.Took(ctx, []uint32{m.UID})
	}
	return appError(err)
}

// Remove removes a message for good, with its record.
func (a *AppInbox) Remove(ctx context.Context, id string) error {
	open, _, m, err := a.find(ctx, id)
	if err != nil {
		return err
	}
	there := false
	err = a.user.store.Update(ctx, func(tx store.Tx) error {
		there = false
		var gone []store.Message
		err := open.each(tx, []uint32{m.UID}, func(m store.Message) error {
			there = true
			gone = append(gone, m)
			return tx.Expunge(open.id, m.UID)
		})
		if err != nil {
			return err
		}
		return open.auditRemoved(tx, gone)
	})
	if err == nil && !there {
		err = httpedge.ErrNotFound
	}
	return appError(translate(err))
}
