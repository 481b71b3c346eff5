package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"sync"

	"postern/internal/cms"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// Signers says whose signatures are believed. The zero value is the community
// for every domain.
type Signers struct {
	Default  trust.SignerPolicy
	Of       map[mime.Domain]trust.SignerPolicy
	Policies []x509.OID // of extended-validation certificates
}

func (s Signers) of(d mime.Domain) trust.SignerPolicy {
	p, ok := s.Of[d]
	if ok {
		return p
	}
	return s.Default
}

// Sealing says how messages are encrypted. The zero value is AES-256-CBC with
// RSA PKCS #1 v1.5.
type Sealing struct {
	Default cms.EncryptOptions
	To      map[mime.Domain]cms.EncryptOptions
}

func (s Sealing) to(d mime.Domain) cms.EncryptOptions {
	o, ok := s.To[d]
	if ok {
		return o
	}
	return s.Default
}

// errSealApart says that recipients cannot share a sealed message.
var errSealApart = errors.New("their domains are sealed for differently")

// toAll returns how to seal one message for all recipients.
func (s Sealing) toAll(recipients []mime.Address) (cms.EncryptOptions, error) {
	var first cms.EncryptOptions
	for i, a := range recipients {
		o := s.to(a.Domain())
		if i == 0 {
			first = o
		}
		if o.Cipher != first.Cipher || o.Transport != first.Transport {
			return o, errSealApart
		}
	}
	return first, nil
}

// belief is whom a domain of ours believes inbound.
func (c *Core) belief(dir *Directory, d mime.Domain) sta.Belief {
	return sta.Belief{Anchors: dir.Anchors(d, store.In), Signers: c.Signers.of(d), EVRoots: dir.EV(d)}
}

// judged is what is known of the certificates of one domain, for all of its
// recipients in one message.
type judged struct {
	mu   sync.Mutex
	memo trust.Memo
}

// selectFor judges certificates of a recipient for a sender of ours, and waits
// for evidence that is on its way.
func (c *Core) selectFor(ctx context.Context, p trust.Params, candidates []*x509.Certificate, known *judged) trust.Selection {
	p.Purpose, p.Profile, p.Evidence, p.Revocation = trust.Encrypt, c.Profile, c.Evidence, c.Revocation
	for {
		s := c.selectNow(ctx, p, candidates, known)
		if s.Pending == nil || !await(ctx, s.Pending) {
			return s
		}
	}
}

// selectNow judges in turn: strangers make certificates as dear as they like, so
// that a domain has one place in the queue for each message, and the queue not all
// of the processor.
func (c *Core) selectNow(ctx context.Context, p trust.Params, candidates []*x509.Certificate, known *judged) trust.Selection {
	known.mu.Lock()
	defer known.mu.Unlock()
	err := c.judging.Acquire(ctx, 1)
	if err != nil {
		return trust.Selection{Code: reason.Internal, Detail: err.Error()}
	}
	defer c.judging.Release(1)
	p.Memo = &known.memo
	return trust.Select(p, candidates)
}

// await waits until a channel is closed and reports whether ctx went on.
func await(ctx context.Context, closed <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-closed:
		return true
	}
}
