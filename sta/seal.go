package sta

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/mime"
)

// A Signed is a message wrapped and signed once, to be sealed for any number
// of recipients.
type Signed struct {
	entity    *smime.SignedEntity
	from      mime.Address
	date      string
	messageID string
}

// Sign wraps a complete message as message/rfc822 and signs it (AS-42, AS-44).
// The message must be canonical (CRLF) and seven-bit, with From, Date and
// Message-ID; header is its header. One signature serves all recipients.
func Sign(ctx context.Context, message smime.Source, header *mime.Header, signers []cms.Signer, at time.Time) (*Signed, error) {
	from, err := Sender(header)
	if err != nil {
		return nil, err
	}
	s := &Signed{from: from, date: header.Get("Date"), messageID: header.MessageID()}
	if s.date == "" || s.messageID == "" {
		return nil, errors.New("signing: the message has no Date or no Message-ID")
	}
	s.entity, err = smime.Sign(ctx, smime.Wrap(message), signers, at)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return s, nil
}

// Seal encrypts the signed message to all of the certificates and writes the
// message that goes out. Its header names only what routing needs, for these
// recipients: no Subject, no display names, no other recipient (AS-52).
func (s *Signed) Seal(w io.Writer, recipients []mime.Address, certificates []*x509.Certificate, o cms.EncryptOptions) error {
	if len(recipients) == 0 || len(certificates) == 0 {
		// An envelope for nobody must never fall back to an open message (AS-76).
		return errors.New("sealing: there is no recipient or no certificate")
	}
	outer := &mime.Header{}
	fields := []struct{ name, value string }{
		{"From", s.from.String()},
		{"To", joinAddresses(recipients)},
		{"Date", s.date},
		{"Message-ID", s.messageID},
		{"MIME-Version", "1.0"},
	}
	for _, f := range fields {
		err := outer.Add(f.name, f.value)
		if err != nil {
			return fmt.Errorf("sealing: writing %s: %w", f.name, err)
		}
	}
	for _, f := range outer.Fields() {
		_, err := w.Write(f.Raw)
		if err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
	}
	// The encrypted entity goes on with its own fields.
	err := smime.Encrypt(w, s.entity, certificates, o)
	if err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	return nil
}

func joinAddresses(all []mime.Address) string {
	var b []byte
	for i, a := range all {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(b, a.String()...)
	}
	return string(b)
}
