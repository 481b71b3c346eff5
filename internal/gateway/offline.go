package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"slices"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// SealOffline seals a message as a send would, for all recipients in one copy,
// and writes it to w instead of queueing it. One recipient that does not pass
// refuses the whole: nothing is written. Certificates that are given take the
// place of discovery; they are judged like found ones.
func (c *Core) SealOffline(ctx context.Context, w io.Writer, message smime.Source, from mime.Address, to []mime.Address, given []*x509.Certificate, at time.Time) error {
	release, err := c.holdCrypto(ctx, message.Size())
	if err != nil {
		return err
	}
	defer release()
	dir, err := c.Directory(ctx)
	if err != nil {
		return err
	}
	signers := dir.Signers(from, at)
	if len(signers) == 0 {
		return reason.New(reason.NoSigningKey, "neither %s nor its domain has a signing certificate in use and in date", from)
	}
	options, err := c.Sealing.toAll(to)
	if err != nil {
		return reason.New(reason.Unsupported, "one message for all these recipients: %w; seal one for each", err)
	}
	var certificates []*x509.Certificate
	for _, a := range to {
		valid, err := c.certificatesFor(ctx, dir, from, a, given, at)
		if err != nil {
			return fmt.Errorf("recipient %s: %w", a, err)
		}
		certificates = append(certificates, valid...)
	}
	signed, err := c.signOffline(ctx, message, from, signers, at)
	if err != nil {
		return err
	}
	return signed.Seal(w, to, certificates, options)
}

func (c *Core) certificatesFor(ctx context.Context, dir *Directory, from, to mime.Address, given []*x509.Certificate, at time.Time) ([]*x509.Certificate, error) {
	if given == nil {
		r := c.Route(ctx, dir, from.Domain(), to, at)
		if !r.Code.IsOK() {
			return nil, reason.New(r.Code, "%s", r.Detail)
		}
		return r.Certificates, nil
	}
	s := c.selectFor(ctx, trust.Params{
		Address: to, Anchors: dir.Anchors(from.Domain(), store.Out), Intermediates: slices.Concat(given, dir.held), At: at,
	}, given)
	valid := usable(s.Valid)
	if s.Code.IsOK() && len(valid) == 0 {
		return nil, reason.New(reason.Unsupported, "no certificate given has a key that content keys can be wrapped for")
	}
	return valid, s.Err()
}

// signOffline completes the message as submission does and signs it.
func (c *Core) signOffline(ctx context.Context, message smime.Source, from mime.Address, signers []cms.Signer, at time.Time) (*sta.Signed, error) {
	message, err := canonical(message)
	if err != nil {
		return nil, err
	}
	header, err := readHeader(message)
	if err != nil {
		return nil, reason.New(reason.BadHeader, "%w", err)
	}
	err = Submission{c}.completeHeader(header, from, at)
	if err != nil {
		return nil, err
	}
	message, err = newHeaderSource(message, header)
	if err != nil {
		return nil, err
	}
	message, err = sevenBit(ctx, message)
	if err != nil {
		return nil, err
	}
	return sta.Sign(ctx, message, header, signers, at)
}

// OpenOffline opens a message as if it had come for the recipients and writes
// the inner message to w if at least one of them may have it. Nothing is
// delivered, answered or recorded. There is one Opened for each set of keys.
func (c *Core) OpenOffline(ctx context.Context, w io.Writer, message smime.Source, envelope *sta.Envelope, to []mime.Address, at time.Time) ([]*sta.Opened, error) {
	release, err := c.holdCrypto(ctx, message.Size())
	if err != nil {
		return nil, err
	}
	defer release()
	dir, err := c.Directory(ctx)
	if err != nil {
		return nil, err
	}
	questions := c.questions(dir, message, envelope, to, at)
	all, err := openAll(ctx, questions)
	if err != nil {
		return nil, err
	}
	for i, opened := range all {
		for opened.Pending() != nil && await(ctx, opened.Pending()) {
			opened.Judge(questions[i])
		}
	}
	for _, opened := range all {
		if !slices.ContainsFunc(opened.Verdicts, sta.Verdict.Accepted) {
			continue
		}
		// Read once in vain: what cannot be read to its end is refused, and
		// nothing of it comes out.
		err := copyInner(io.Discard, opened)
		if unreadable(err) {
			takeBack(opened, err)
			continue
		}
		if err != nil {
			return nil, err
		}
		return all, copyInner(w, opened)
	}
	return all, nil
}

func copyInner(w io.Writer, opened *sta.Opened) error {
	inner, err := opened.Message(mime.Limits{})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, inner)
	return err
}
