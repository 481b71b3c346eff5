package gateway

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"postern/httpedge"
	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// An HTTPEdge is where applications send, pick up and ask: the backend of the HTTP
// edge. Use NewHTTPEdge.
type HTTPEdge struct {
	*Core
	apps *mailbox.Apps
}

// NewHTTPEdge returns the backend of the HTTP edge of a Core.
func NewHTTPEdge(c *Core) HTTPEdge {
	return HTTPEdge{c, mailbox.NewApps(c.Store, mailbox.Options{
		Bytes: c.MailboxBytes, Room: c.Care.Room, Now: c.Now, Steady: c.Steady,
	})}
}

// A tokenSession is what a token has opened on a connection.
type tokenSession struct {
	granted login.Grant
	inbox   *mailbox.AppInbox
}

// Authenticate implements httpedge.Backend.
func (e HTTPEdge) Authenticate(ctx context.Context, token string, from netip.AddrPort) (httpedge.Login, error) {
	remote := from.Addr()
	granted, err := e.Token(ctx, token, remote)
	if err != nil {
		return httpedge.Login{}, err
	}
	l := httpedge.Login{
		Account: granted.Account, Remote: from,
		Session: &tokenSession{granted, e.apps.Inbox(granted, remote)},
	}
	for _, s := range granted.Scopes {
		l.Scopes = append(l.Scopes, httpedge.Scope(s))
	}
	return l, nil
}

// sessionOf returns what a token has opened.
func sessionOf(l httpedge.Login) (*tokenSession, error) {
	s, ok := l.Session.(*tokenSession)
	if !ok {
		return nil, reason.New(reason.Internal, "a login of somebody else")
	}
	return s, nil
}

// holderOf returns the account of a login as a transaction sees it.
func holderOf(tx store.Tx, l httpedge.Login) (store.Account, error) {
	account, known, err := unlessMissing(tx.Account(l.Account))
	if err == nil && !known {
		err = reason.New(reason.AuthFailed, "%s is gone", l.Account)
	}
	return account, err
}

// Check implements httpedge.Backend.
func (e HTTPEdge) Check(ctx context.Context, l httpedge.Login) error {
	s, err := sessionOf(l)
	if err != nil {
		return err
	}
	dir, err := e.Directory(ctx)
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	err = proof.Check(knownAccounts{dir}, l.Account, s.granted.Proof, e.Now())
	if errors.Is(err, proof.ErrRevoked) {
		return reason.New(reason.AuthFailed, "%w", err)
	}
	return err
}

// proven is asked in a transaction that changes something for a login: a request takes its
// time, and who began it may be shut out since, or somebody else have the account.
func (e HTTPEdge) proven(l httpedge.Login) func(store.Tx) error {
	return func(tx store.Tx) error {
		s, err := sessionOf(l)
		if err != nil {
			return err
		}
		return notProven(checkLogin(tx, l.Account, s.granted.Proof, e.Now()))
	}
}

// lookupFor bounds a look-up that somebody waits for.
const lookupFor = 20 * time.Second

// Lookup implements httpedge.Backend: what a message that is sent now would find. An
// address of ours has to exist.
func (e HTTPEdge) Lookup(ctx context.Context, l httpedge.Login, to mime.Address) (httpedge.Verdict, error) {
	dir, err := e.Directory(ctx)
	if err != nil {
		return httpedge.Verdict{}, reason.New(reason.Internal, "%w", err)
	}
	err = Submission{e.Core}.CheckRecipient(ctx, l.Account, to)
	if err != nil {
		return httpedge.Verdict{Code: reason.Of(err).String()}, nil
	}
	limited, cancel := context.WithTimeout(ctx, lookupFor)
	defer cancel()
	r := e.Route(limited, dir, l.Account.Domain(), to, e.Now())
	if limited.Err() != nil && ctx.Err() == nil && !r.Code.IsOK() {
		return httpedge.Verdict{Code: reason.DiscoveryTimeout.String()}, nil
	}
	return httpedge.Verdict{Code: r.Code.String()}, ctx.Err()
}
