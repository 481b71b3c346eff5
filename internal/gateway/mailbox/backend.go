// Package mailbox gives the mailboxes of a store to pickup's servers. It only
// translates: every operation is one transaction of the store.
package mailbox

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"postern/internal/login"
	"postern/pickup"
	"postern/store"
)

// An Auth decides who gets in. An error that wraps pickup.ErrAuthFailed says that it
// is not he; any other is trouble of the server. The Proof of a Grant is of package
// proof.
type Auth interface{ login.Backend[login.Grant] }

// Options say what users may put into their mailboxes, and what time it is.
type Options struct {
	// Bytes bounds the mailboxes of an account without a quota of its own; 0 does
	// not.
	Bytes int64
	// Room refuses new messages while there is no space for them; nil never does.
	Room func() error
	// Now is the time that people see; nil is time.Now.
	Now func() time.Time
	// Steady is a clock that no step of the wall clock moves; what was read is
	// kept for a time by it. Now, if nil.
	Steady func() time.Time
}

// New returns a backend that lets in whom auth lets in, to the mailboxes of s. All listeners
// of a store are to have the same one: it bounds what they do at once.
func New(s store.Store, auth Auth, o Options) pickup.Backend {
	return newBackend(s, auth, o, "IMAP")
}

// newBackend makes a backend of a protocol, which records name.
func newBackend(s store.Store, auth Auth, o Options, via string) *backend {
	if o.Room == nil {
		o.Room = func() error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Steady == nil {
		o.Steady = o.Now
	}
	return &backend{Auth: auth, store: s, options: o, via: via, turns: newTurns()}
}

type backend struct {
	Auth
	store   store.Store
	options Options
	via     string
	turns   *turns
}

// Login implements pickup.Backend.
func (b *backend) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := b.login(ctx, a)
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (b *backend) login(ctx context.Context, a login.Attempt) (*user, error) {
	granted, err := b.Auth.Login(ctx, a)
	if err != nil {
		return nil, err
	}
	if granted.Account.IsZero() {
		return nil, pickup.ErrAuthFailed
	}
	return b.admit(granted, a.Remote), nil
}

// admit begins a session of who was let in.
func (b *backend) admit(granted login.Grant, remote netip.Addr) *user {
	return &user{
		store: proven{b.store, granted.Account, granted.Proof, b.options.Now}, options: b.options, account: granted.Account,
		remote: remote, turns: b.turns, sessionNotes: sessionNotes{via: b.via, noted: new(notes), taken: new(notes), searched: new(notes)},
	}
}

// translate gives the store's errors the names pickup knows. The mapped ones
// lose their text, which may quote the name of a mailbox.
func translate(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return pickup.ErrNoMailbox
	case errors.Is(err, store.ErrExists):
		return pickup.ErrExists
	case errors.Is(err, store.ErrPruned):
		return pickup.ErrPruned
	case errors.Is(err, store.ErrFull), errors.Is(err, store.ErrClosed):
		return pickup.ErrUnavailable
	}
	return err
}
