package control

import (
	"context"
	"crypto/x509"
	"time"

	"postern/internal/cms"
	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A SealVerdict is what postern seal tells on standard error; docs/verdicts.md
// explains its keys.
type SealVerdict struct {
	Verdict string    `json:"verdict"` // sealed or refused
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	At      time.Time `json:"at"` // the time judged at, and that of the signatures
	Profile string    `json:"profile"`
	From    string    `json:"from"`
	// Signers are who signed, or would have.
	Signers    []SealSigner    `json:"signers"`
	Cipher     string          `json:"cipher,omitempty"` // of the content; absent when refused
	Recipients []SealRecipient `json:"recipients"`
}

// A SealSigner is a certificate of ours that signs.
type SealSigner struct {
	SHA256    string    `json:"sha256"`
	Subject   string    `json:"subject"`
	NotAfter  time.Time `json:"not_after"`
	Algorithm string    `json:"algorithm"`
}

// A SealRecipient is what was found for one recipient. Its reason may be ok
// though the message was refused for another.
type SealRecipient struct {
	Address      string            `json:"address"`
	Reason       string            `json:"reason"`
	Detail       string            `json:"detail,omitempty"`
	Hint         string            `json:"hint,omitempty"`
	Certificates []SealCertificate `json:"certificates"`
}

// A SealCertificate is a certificate that was found for a recipient.
type SealCertificate struct {
	CertificateVerdict
	// KeyManagement is how the content key was sent to it; absent for those that
	// were not sealed to.
	KeyManagement string `json:"key_management,omitempty"`
}

// sealedWell is the verdict of a message that was sealed.
const sealedWell = "sealed"

func (s *Service) sealVerdict(ctx context.Context, r gateway.SealReport, from mime.Address, at time.Time) (SealVerdict, error) {
	v := SealVerdict{
		Verdict: sealedWell, Reason: "ok", At: at, Profile: s.Core.Profile.String(), From: from.String(),
		Signers: []SealSigner{}, Recipients: []SealRecipient{}, Cipher: r.Options.Cipher.String(),
	}
	dir, err := s.Core.Directory(ctx)
	if err != nil {
		return v, err
	}
	t := s.teller(ctx, dir, at, store.Out)
	if r.Refused != nil {
		v.Verdict, v.Reason, v.Cipher = refused, r.Refused.Code.String(), ""
		v.Detail, v.Hint = plain(r.Refused.Detail, maxDetail), t.sealAdvice(r, from.Domain())
	}
	for _, signer := range r.Signers {
		v.Signers = append(v.Signers, sealSigner(signer))
	}
	for _, route := range r.Routes {
		v.Recipients = append(v.Recipients, t.sealRecipient(route, r, from.Domain()))
	}
	return v, nil
}

func sealSigner(s cms.Signer) SealSigner {
	c := s.Certificate
	return SealSigner{sha256Of(c), subjectOf(c), c.NotAfter, s.Algorithm()}
}

func (t teller) sealRecipient(route gateway.Route, r gateway.SealReport, from mime.Domain) SealRecipient {
	one := SealRecipient{
		Address: route.Recipient.String(), Reason: route.Code.String(), Hint: t.routeAdvice(route, from),
		Certificates: []SealCertificate{},
	}
	if !route.Code.IsOK() {
		one.Detail = plain(route.Detail, maxDetail)
	}
	used := make(map[string]*x509.Certificate)
	for _, c := range route.Certificates {
		used[sha256Of(c)] = c
	}
	for _, c := range t.certificates(route, from) {
		sc := SealCertificate{CertificateVerdict: c}
		if used[c.SHA256] != nil && r.Refused == nil {
			sc.KeyManagement = r.Options.KeyManagement(used[c.SHA256])
		}
		one.Certificates = append(one.Certificates, sc)
	}
	return one
}
