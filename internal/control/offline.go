package control

import (
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"time"

	"postern/internal/cms/smime"
	"postern/internal/gateway"
	"postern/mime"
	"postern/sta"
)

// A SealRequest is a message to be sealed without being sent.
type SealRequest struct {
	From         string    `json:"from"`
	To           []string  `json:"to"`
	Certificates [][]byte  `json:"certificates"` // DER, to judge instead of what discovery finds
	At           time.Time `json:"at"`           // zero: now
	Message      []byte    `json:"-"`            // travels as it is
}

// A SealAnswer is the verdict and, if the message was sealed, the sealed message.
type SealAnswer struct {
	Verdict SealVerdict
	Message []byte
}

// An OpenRequest is a sealed message to be opened without being delivered.
type OpenRequest struct {
	To       []string  `json:"to"`
	MailFrom *string   `json:"mail_from"` // nil: the envelope is not known; "" or "<>": the null reverse-path
	At       time.Time `json:"at"`        // zero: now
	Message  []byte    `json:"-"`         // travels as it is
}

// An OpenAnswer is the verdict and, if it accepts, the inner message.
type OpenAnswer struct {
	Verdict OpenVerdict
	Message []byte
}

func (s *Service) handleOffline(mux *http.ServeMux) {
	handleMessage(mux, "seal", s.Core.MessageBytes, s.seal)
	handleMessage(mux, "open", gateway.SealedBytes(s.Core.MessageBytes), s.open)
}

func (s *Service) seal(ctx context.Context, w io.Writer, in SealRequest, message smime.Source) (SealVerdict, error) {
	from, err := mime.ParseAddress(in.From)
	if err != nil {
		return SealVerdict{}, fmt.Errorf("sender: %w", err)
	}
	to, err := parseAddresses(in.To)
	if err != nil {
		return SealVerdict{}, err
	}
	var given []*x509.Certificate
	for _, der := range in.Certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return SealVerdict{}, invalid(fmt.Errorf("reading a certificate: %w", err), "")
		}
		given = append(given, c)
	}
	at := s.moment(in.At)
	err = s.useToSeal(ctx, from, to, at)
	if err != nil {
		return SealVerdict{}, err
	}
	report, err := s.Core.SealOffline(ctx, w, message, from, to, given, at)
	if err != nil {
		return SealVerdict{}, err
	}
	return s.sealVerdict(ctx, report, from, at)
}

func (s *Service) open(ctx context.Context, w io.Writer, in OpenRequest, message smime.Source) (OpenVerdict, error) {
	to, err := parseAddresses(in.To)
	if err != nil {
		return OpenVerdict{}, err
	}
	envelope, err := parseEnvelope(in.MailFrom, to)
	if err != nil {
		return OpenVerdict{}, err
	}
	at := s.moment(in.At)
	err = s.useToOpen(ctx, to)
	if err != nil {
		return OpenVerdict{}, err
	}
	opened, err := s.Core.OpenOffline(ctx, w, message, envelope, to, at)
	if err != nil {
		return OpenVerdict{}, err
	}
	return s.openVerdict(ctx, opened, at)
}

// parseEnvelope reads the envelope that a message came with; nil if it is not
// known. The null reverse-path belongs to an envelope like any other (RFC 5321
// §4.5.5): its recipients are still held against the message.
func parseEnvelope(mailFrom *string, to []mime.Address) (*sta.Envelope, error) {
	switch {
	case mailFrom == nil:
		return nil, nil
	case *mailFrom == "" || *mailFrom == "<>":
		return &sta.Envelope{RcptTo: to}, nil
	}
	from, err := mime.ParseAddress(*mailFrom)
	if err != nil {
		return nil, fmt.Errorf("envelope sender: %w", err)
	}
	return &sta.Envelope{MailFrom: from, RcptTo: to}, nil
}

// moment is the time to judge at, in whole seconds as certificates have them.
func (s *Service) moment(asked time.Time) time.Time {
	if asked.IsZero() {
		asked = s.Core.Now()
	}
	return asked.UTC().Truncate(time.Second)
}

func parseAddresses(texts []string) ([]mime.Address, error) {
	if len(texts) == 0 {
		return nil, &Error{Kind: Invalid, Message: "there is no recipient", Hint: "name at least one with --to"}
	}
	var all []mime.Address
	for _, text := range texts {
		a, err := mime.ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("recipient: %w", err)
		}
		all = append(all, a)
	}
	return all, nil
}
