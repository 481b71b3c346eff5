package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

	"postern/httpedge"
	"postern/internal/gateway/care"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// envelopeOf is what SMTP would say of a message that comes over HTTP.
func envelopeOf(l httpedge.Login, m httpedge.Outgoing) (smtp.Envelope, error) {
	s, err := sessionOf(l)
	if err != nil {
		return smtp.Envelope{}, err
	}
	return smtp.Envelope{Remote: l.Remote, TLS: true, Account: l.Account, Proof: s.granted.Proof, From: m.From, To: m.To}, nil
}

// Ready implements httpedge.Outbox.
func (e HTTPEdge) Ready(ctx context.Context, l httpedge.Login) error {
	envelope, err := envelopeOf(l, httpedge.Outgoing{})
	if err != nil {
		return err
	}
	return Submission{e.Core}.Ready(ctx, envelope)
}

// Refused implements httpedge.Outbox, by the checks of MAIL and RCPT.
func (e HTTPEdge) Refused(ctx context.Context, l httpedge.Login, m httpedge.Outgoing) ([]httpedge.Refusal, error) {
	s, err := sessionOf(l)
	if err != nil {
		return nil, err
	}
	envelope, err := envelopeOf(l, m)
	if err != nil {
		return nil, err
	}
	err = Submission{e.Core}.CheckSender(ctx, s.granted, m.From)
	if err != nil {
		Submission{e.Core}.refuse(ctx, envelope, m.MessageID, err)
		return nil, notProven(err)
	}
	told, err := Submission{e.Core}.refusals(ctx, m.From, m.To)
	if err != nil || len(told) == 0 {
		return nil, err
	}
	Submission{e.Core}.Refused(ctx, envelope, told)
	var all []httpedge.Refusal
	for _, r := range told {
		all = append(all, httpedge.Refusal(r))
	}
	return all, nil
}

// Rejected implements httpedge.Outbox.
func (e HTTPEdge) Rejected(ctx context.Context, l httpedge.Login, m httpedge.Outgoing, why error) {
	if m.From.IsZero() {
		m.From = l.Account
	}
	envelope, err := envelopeOf(l, m)
	if err == nil {
		Submission{e.Core}.refuse(ctx, envelope, m.MessageID, why)
	}
}

// notProven gives a login that is no longer good the reason that HTTP knows it by.
func notProven(err error) error {
	if reason.Of(err) == reason.AuthRequired {
		return reason.New(reason.AuthFailed, "%w", err)
	}
	return err
}

// An answeredError ends a transaction that another request with its key was before.
type answeredError struct{ sent httpedge.Sent }

func (*answeredError) Error() string { return "the request was answered before" }

// Send implements httpedge.Outbox. The key of a request is remembered in the
// transaction that takes its message: of two that come at once, on one node or on two,
// one is taken.
func (e HTTPEdge) Send(ctx context.Context, l httpedge.Login, m httpedge.Outgoing, message io.Reader) (httpedge.Sent, error) {
	envelope, err := envelopeOf(l, m)
	if err != nil {
		return httpedge.Sent{}, err
	}
	track, err := Submission{e.Core}.take(ctx, envelope, message, func(tx store.Tx, t store.Track) error {
		if m.Key == "" {
			return nil
		}
		return e.once(tx, l, m, t)
	})
	var before *answeredError
	switch {
	case errors.As(err, &before):
		return before.sent, nil
	case errors.Is(err, httpedge.ErrKeyReused):
		return httpedge.Sent{}, httpedge.ErrKeyReused
	case err != nil:
		return httpedge.Sent{}, notProven(err)
	}
	return httpedge.Sent{ID: string(track.ID), MessageID: track.MessageID}, nil
}

// once remembers a request, or finds that it was answered.
func (e HTTPEdge) once(tx store.Tx, l httpedge.Login, m httpedge.Outgoing, t store.Track) error {
	key, err := requestKey(tx, l, m.Key)
	if err != nil {
		return err
	}
	sent, digest, err := e.answered(tx, key)
	switch {
	case err == nil && digest != m.Digest():
		return httpedge.ErrKeyReused
	case err == nil:
		return &answeredError{sent}
	case !errors.Is(err, httpedge.ErrNotFound):
		return err
	}
	return tx.PutRequest(key, store.Request{
		Digest: store.Fingerprint(m.Digest()), At: e.Steady(), Track: t.ID, MessageID: t.MessageID,
	})
}

// requestKey names a request of whoever has the account now.
func requestKey(tx store.Tx, l httpedge.Login, key string) (store.RequestKey, error) {
	account, err := holderOf(tx, l)
	if err != nil {
		return store.RequestKey{}, err
	}
	return store.NewRequestKey(account, key), nil
}

// answered finds a request that is not too old.
func (e HTTPEdge) answered(tx store.Tx, key store.RequestKey) (httpedge.Sent, httpedge.Digest, error) {
	r, err := tx.Request(key)
	if errors.Is(err, store.ErrNotFound) || err == nil && e.Steady().Sub(r.At) > care.RequestsFor {
		return httpedge.Sent{}, httpedge.Digest{}, httpedge.ErrNotFound
	}
	return httpedge.Sent{ID: string(r.Track), MessageID: r.MessageID}, httpedge.Digest(r.Digest), err
}

// Answered implements httpedge.Outbox.
func (e HTTPEdge) Answered(ctx context.Context, l httpedge.Login, key string) (sent httpedge.Sent, digest httpedge.Digest, err error) {
	err = e.Store.View(ctx, func(tx store.Tx) error {
		named, err := requestKey(tx, l, key)
		if err != nil {
			return err
		}
		sent, digest, err = e.answered(tx, named)
		return err
	})
	if err != nil && !errors.Is(err, httpedge.ErrNotFound) {
		err = fmt.Errorf("looking for an earlier request: %w", err)
	}
	return sent, digest, err
}
