package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/gateway/task"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A SealReport tells what SealOffline did, or why it did nothing.
type SealReport struct {
	Signers []cms.Signer
	Options cms.EncryptOptions
	Routes  []Route       // one for each recipient, in their order
	Refused *reason.Error // nil exactly if the message was sealed
	Hint    string        // what to do, where the code of Refused does not say it
}

// SealOffline seals a message as a send would, for all recipients in one copy,
// and writes it to w instead of queueing it. One recipient that does not pass
// refuses the whole; what was written does not count then. Certificates that are
// given take the place of discovery; they are judged like found ones. The error
// is for what is neither the message's fault nor a recipient's.
func (c *Core) SealOffline(ctx context.Context, w io.Writer, message smime.Source, from mime.Address, to []mime.Address, given []*x509.Certificate, at time.Time) (SealReport, error) {
	dir, err := c.Directory(ctx)
	if err != nil {
		return SealReport{}, err
	}
	report := SealReport{Signers: dir.Signers(from, at)}
	report.Routes, err = c.sideBySide(ctx, to, func(a mime.Address, known *judged) Route {
		if given == nil {
			return c.routeBeside(ctx, dir, from.Domain(), a, at, known)
		}
		return c.judge(ctx, dir, from.Domain(), a, givenResult(given), at, known)
	})
	if err != nil {
		return SealReport{}, fmt.Errorf("judging the recipients' certificates: %w", err)
	}
	c.judgeSealing(dir, &report, from, to)
	if report.Refused != nil {
		return report, nil
	}
	// Others need not wait while DNS and others' servers are asked.
	release, err := c.holdCrypto(ctx, message.Size())
	if err != nil {
		return SealReport{}, err
	}
	defer release()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = task.Contained(func() error { return c.sealOffline(ctx, w, message, from, to, report, at) })
	report.Refused, err = sealRefusal(err)
	return report, err
}

// judgeSealing refuses what cannot be sealed, whatever the message is. What
// stays comes before what may pass, for then another try is in vain.
func (c *Core) judgeSealing(dir *Directory, report *SealReport, from mime.Address, to []mime.Address) {
	if len(report.Signers) == 0 {
		report.Refused = reason.New(reason.NoSigningKey, "%s", dir.lacks(speaker{from, store.Now}, lackedSigner))
		return
	}
	for _, r := range report.Routes {
		if r.Code.IsOK() || report.Refused != nil && (r.Code.Outcome().Retry || !report.Refused.Code.Outcome().Retry) {
			continue
		}
		report.Refused = reason.New(r.Code, "recipient %s: %s", r.Recipient, r.Detail)
	}
	if report.Refused != nil {
		return
	}
	var err error
	report.Options, err = c.Sealing.toAll(to)
	if err != nil {
		report.Refused = reason.New(reason.Unsupported, "one message for all these recipients: %w", err)
		report.Hint = "seal one message for each recipient"
	}
}

// givenSource is where certificates are from that the operator named.
const givenSource discovery.Source = "given"

// givenResult stands for certificates that nobody had to look for.
func givenResult(given []*x509.Certificate) discovery.Result {
	var found discovery.Result
	for _, cert := range given {
		found.Certificates = append(found.Certificates, discovery.Found{Certificate: cert, Source: givenSource})
	}
	return found
}

func (c *Core) sealOffline(ctx context.Context, w io.Writer, message smime.Source, from mime.Address, to []mime.Address, report SealReport, at time.Time) error {
	signed, err := c.signOffline(ctx, message, from, report.Signers, at)
	if err != nil {
		return err
	}
	var certificates []*x509.Certificate
	for _, r := range report.Routes {
		for _, cert := range r.Certificates {
			if !slices.ContainsFunc(certificates, cert.Equal) {
				certificates = append(certificates, cert)
			}
		}
	}
	return signed.Seal(w, to, certificates, report.Options)
}

// sealRefusal tells a message that cannot be sealed from a failure of ours.
func sealRefusal(err error) (*reason.Error, error) {
	var refused *reason.Error
	switch {
	case errors.As(err, &refused):
		return refused, nil
	case errors.Is(err, smime.ErrNotCanonical):
		return reason.New(reason.Malformed, "%w", err), nil
	case err != nil && encryptionCode(err) != reason.Internal:
		return reason.New(encryptionCode(err), "%w", err), nil
	}
	return nil, err
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
	names, err := cleanHeader(header, from, from)
	if err == nil {
		err = names.alone(from)
	}
	if err == nil {
		err = Submission{c}.completeHeader(header, from, at)
	}
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
	dir, err := c.Directory(ctx)
	if err != nil {
		return nil, err
	}
	questions := c.questions(dir, message, envelope, to, at)
	all, err := c.openHeld(ctx, questions, message.Size())
	if err != nil {
		return nil, err
	}
	settle(ctx, all, questions)
	release, err := c.holdCrypto(ctx, message.Size())
	if err != nil {
		return nil, err
	}
	defer release()
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

// openHeld opens a message within the bound on memory.
func (c *Core) openHeld(ctx context.Context, questions []sta.Incoming, size int64) ([]*sta.Opened, error) {
	release, err := c.holdCrypto(ctx, size)
	if err != nil {
		return nil, err
	}
	defer release()
	return openAll(ctx, questions)
}

func copyInner(w io.Writer, opened *sta.Opened) error {
	inner, err := opened.Message(mime.Limits{})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, inner)
	return err
}

// Holder returns the key of ours that a certificate belongs to.
func (d *Directory) Holder(cert *x509.Certificate) (store.Key, bool) {
	f := store.FingerprintOf(cert.Raw)
	for _, ids := range d.keys {
		for _, id := range ids {
			if id.Fingerprint == f {
				return id.Key, true
			}
		}
	}
	return store.Key{}, false
}

// Believes says whose signatures a domain of ours believes.
func (c *Core) Believes(d mime.Domain) trust.SignerPolicy { return c.Signers.of(d) }
