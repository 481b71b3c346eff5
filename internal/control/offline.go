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

// A SealAnswer is the sealed message.
type SealAnswer struct {
	Message []byte
}

// An OpenRequest is a sealed message to be opened without being delivered.
type OpenRequest struct {
	To       []string  `json:"to"`
	MailFrom string    `json:"mail_from"` // "": not known
	At       time.Time `json:"at"`        // zero: now
	Message  []byte    `json:"-"`         // travels as it is
}

// An OpenAnswer is the verdict and, if it accepts, the inner message.
type OpenAnswer struct {
	Verdict OpenVerdict
	Message []byte
}

// An OpenVerdict is what postern open tells on standard error.
type OpenVerdict struct {
	Verdict    string             `json:"verdict"` // accepted or refused
	Reason     string             `json:"reason"`
	Detail     string             `json:"detail,omitempty"`
	Hint       string             `json:"hint,omitempty"`
	Sender     string             `json:"sender,omitempty"`
	Signer     string             `json:"signer,omitempty"`
	Recipients []RecipientVerdict `json:"recipients"`
}

// A RecipientVerdict is the verdict for one recipient.
type RecipientVerdict struct {
	Address string `json:"address"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail,omitempty"`
	Anchor  string `json:"anchor,omitempty"`
}

func (s *Service) handleOffline(mux *http.ServeMux) {
	handleMessage(mux, "seal", s.Core.MessageBytes, s.seal)
	handleMessage(mux, "open", gateway.SealedBytes(s.Core.MessageBytes), s.open)
}

func (s *Service) seal(ctx context.Context, w io.Writer, in SealRequest, message smime.Source) (None, error) {
	from, err := mime.ParseAddress(in.From)
	if err != nil {
		return None{}, fmt.Errorf("sender: %w", err)
	}
	to, err := parseAddresses(in.To)
	if err != nil {
		return None{}, err
	}
	var given []*x509.Certificate
	for _, der := range in.Certificates {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return None{}, invalid(fmt.Errorf("reading a certificate: %w", err), "")
		}
		given = append(given, c)
	}
	return None{}, s.Core.SealOffline(ctx, w, message, from, to, given, s.moment(in.At))
}

func (s *Service) open(ctx context.Context, w io.Writer, in OpenRequest, message smime.Source) (OpenVerdict, error) {
	to, err := parseAddresses(in.To)
	if err != nil {
		return OpenVerdict{}, err
	}
	var envelope *sta.Envelope
	if in.MailFrom != "" {
		from, err := mime.ParseAddress(in.MailFrom)
		if err != nil {
			return OpenVerdict{}, fmt.Errorf("envelope sender: %w", err)
		}
		envelope = &sta.Envelope{MailFrom: from, RcptTo: to}
	}
	opened, err := s.Core.OpenOffline(ctx, w, message, envelope, to, s.moment(in.At))
	if err != nil {
		return OpenVerdict{}, err
	}
	return openVerdict(opened), nil
}

// openVerdict is accepted when at least one recipient may have the message, and
// tells of the first who may, or else of the first.
func openVerdict(all []*sta.Opened) OpenVerdict {
	v := OpenVerdict{Recipients: []RecipientVerdict{}}
	for _, o := range all {
		for _, r := range o.Verdicts {
			one := recipientVerdict(r)
			if v.Verdict == "" || r.Accepted() && v.Verdict != accepted {
				v.tell(o, r, one)
			}
			v.Recipients = append(v.Recipients, one)
		}
	}
	return v
}

// The two verdicts of postern open.
const (
	accepted = "accepted"
	refused  = "refused"
)

func recipientVerdict(r sta.Verdict) RecipientVerdict {
	one := RecipientVerdict{Address: r.Recipient.String(), Verdict: refused, Reason: r.Code.String(), Detail: r.Detail}
	if r.Trust.Anchor != nil {
		one.Anchor = r.Trust.Anchor.Subject.String()
	}
	if r.Accepted() {
		one.Verdict = accepted
	}
	return one
}

func (v *OpenVerdict) tell(o *sta.Opened, r sta.Verdict, one RecipientVerdict) {
	v.Verdict, v.Reason, v.Detail, v.Hint = one.Verdict, one.Reason, one.Detail, ""
	v.Sender, v.Signer = o.Sender.String(), ""
	if !r.Accepted() {
		v.Hint = r.Code.Outcome().Hint
	}
	if r.Signer != nil {
		v.Signer = r.Signer.Subject.String()
	}
}

func (s *Service) moment(asked time.Time) time.Time {
	if asked.IsZero() {
		return s.Core.Now()
	}
	return asked
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
