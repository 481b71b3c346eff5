package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/mime"
	"postern/sta"
	"postern/trust"
)

// An agent is Postern's own side: what the gateway does to a message, without
// SMTP and the store.
type agent struct {
	signer  cms.Signer
	to      []identity
	keys    []cms.RecipientKey
	anchors *trust.Anchors
	options cms.EncryptOptions
	uses    *atomic.Int64 // of private keys
	// incoming changes how messages are opened; nil changes nothing.
	incoming func(*sta.Incoming)
}

func newAgent(r *rig) *agent {
	a := &agent{to: r.to, anchors: trust.NewAnchors([]*x509.Certificate{r.root.cert}), uses: new(atomic.Int64)}
	a.signer = cms.Signer{
		Certificate: r.sender.cert, Chain: []*x509.Certificate{r.issuer.cert},
		Key: countedSigner{r.sender.key, a.uses},
	}
	a.keys = []cms.RecipientKey{{Certificate: r.to[0].cert, Decrypter: countedDecrypter{r.to[0].key.(crypto.Decrypter), a.uses}}}
	return a
}

// countedSigner and countedDecrypter count how often a private key is used.
type countedSigner struct {
	crypto.Signer
	uses *atomic.Int64
}

func (k countedSigner) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	k.uses.Add(1)
	return k.Signer.Sign(r, digest, o)
}

type countedDecrypter struct {
	crypto.Decrypter
	uses *atomic.Int64
}

func (k countedDecrypter) Decrypt(r io.Reader, message []byte, o crypto.DecrypterOpts) ([]byte, error) {
	k.uses.Add(1)
	return k.Decrypter.Decrypt(r, message, o)
}

func (a *agent) privates() int { return int(a.uses.Load()) }

func (a *agent) prepare(op string, file *os.File, recipients int) (func(io.Writer) error, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	message := smime.SectionSource(file, info.Size()) // streamed, as the gateway does
	switch op {
	case "out":
		return a.out(message, recipients)
	case "in":
		return a.in(message)
	case "anchored": // in, with so many anchors
		err := a.readAnchors(recipients)
		if err != nil {
			return nil, err
		}
		return a.in(message)
	}
	return nil, fmt.Errorf("no operation %q", op)
}

// readAnchors makes the agent believe n anchors from now on.
func (a *agent) readAnchors(n int) error {
	if a.anchors.Len() == n {
		return nil
	}
	var err error
	a.anchors, err = readAnchors(".", n)
	return err
}

// out wraps, signs and seals message for the first of the recipients.
func (a *agent) out(message smime.Source, recipients int) (func(io.Writer) error, error) {
	r, err := message.Open()
	if err != nil {
		return nil, err
	}
	header, err := mime.ReadHeader(bufio.NewReader(r), mime.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the message: %w", err)
	}
	var to []mime.Address
	var certs []*x509.Certificate
	for i := range recipients {
		address, err := mime.ParseAddress(recipientAddress(i))
		if err != nil {
			return nil, err
		}
		to, certs = append(to, address), append(certs, a.to[i].cert)
	}
	return func(w io.Writer) error {
		signed, err := sta.Sign(context.Background(), message, header, []cms.Signer{a.signer}, time.Now())
		if err != nil {
			return err
		}
		return signed.Seal(w, to, certs, a.options)
	}, nil
}

// in opens a sealed message, judges its signer and reads it.
func (a *agent) in(sealed smime.Source) (func(io.Writer) error, error) {
	from, err := mime.ParseAddress(senderAddress)
	if err != nil {
		return nil, err
	}
	to, err := mime.ParseAddress(recipientAddress(0))
	if err != nil {
		return nil, err
	}
	recipient := sta.Recipient{Address: to}
	recipient.Anchors = a.anchors
	return func(w io.Writer) error {
		in := sta.Incoming{
			Message:    sealed,
			Envelope:   &sta.Envelope{MailFrom: from, RcptTo: []mime.Address{to}},
			Recipients: []sta.Recipient{recipient},
			Keys:       a.keys,
			At:         time.Now(),
		}
		if a.incoming != nil {
			a.incoming(&in)
		}
		o, err := sta.Open(context.Background(), in)
		if err != nil {
			return err
		}
		if !o.Verdicts[0].Accepted() {
			return fmt.Errorf("refused: %s: %s", o.Verdicts[0].Code, o.Verdicts[0].Detail)
		}
		message, err := o.Message(mime.Limits{})
		if err != nil {
			return err
		}
		_, err = io.Copy(w, message)
		return err
	}, nil
}
