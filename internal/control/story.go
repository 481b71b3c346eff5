package control

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
	"postern/trust"
)

// A Story tells why a certificate is believed, or how far it came.
type Story struct {
	// Binding is what in the certificate names the address: address, domain, or
	// with profile 1.2 subject-address. "" if nothing does, or nobody looked.
	Binding string `json:"binding,omitempty"`
	// Path leads from the certificate to the anchor, both included. It is empty
	// unless the certificate is believed.
	Path []PathCertificate `json:"path"`
	// Anchor is the subject of the last of Path.
	Anchor string `json:"anchor,omitempty"`
	// AnchorFrom is who had it trusted for whom.
	AnchorFrom []AnchorSource `json:"anchor_from"`
	// IssuersFrom are the URLs that certificates of Path were fetched from.
	IssuersFrom []string `json:"issuers_from"`
	// Revocation has one entry for each certificate of Path but the anchor; also
	// when one of them is the reason for a refusal.
	Revocation []RevocationInfo `json:"revocation"`
}

// A PathCertificate is one certificate of a path.
type PathCertificate struct {
	SHA256   string    `json:"sha256"`
	Subject  string    `json:"subject"`
	NotAfter time.Time `json:"not_after"`
}

// An AnchorSource is one of the ways in which an anchor came to be trusted.
type AnchorSource struct {
	Domain string `json:"domain"` // "" is every domain of ours
	Source string `json:"source"` // as postern anchor list shows it
}

// A RevocationInfo is what is known of one certificate's revocation.
type RevocationInfo struct {
	SHA256  string `json:"sha256"`
	Subject string `json:"subject"`
	// Status is good, revoked, unavailable, no-source or not-asked.
	Status     string    `json:"status"`
	Method     string    `json:"method,omitempty"` // crl or ocsp
	Source     string    `json:"source,omitempty"` // the URL of the answer
	ThisUpdate time.Time `json:"this_update,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	Fetched    time.Time `json:"fetched,omitzero"`
	// Age is how old the answer was at the time judged at, in seconds; negative
	// if it was made later, and nil without an answer.
	Age       *int64    `json:"age_seconds,omitempty"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Detail    string    `json:"detail,omitempty"`
}

// notAsked is the status of a revocation that nobody asked for.
const notAsked = "not-asked"

// A teller tells the stories of one command.
type teller struct {
	at      time.Time
	way     store.Direction
	profile trust.Profile
	signers func(mime.Domain) trust.SignerPolicy
	ours    func(mime.Domain) bool
	sources func(store.Fingerprint) []gateway.AnchorSource
	// met is bundlePolicies.met.
	met func(cert *x509.Certificate, bundle string, anchor store.Fingerprint) bool
}

func (s *Service) teller(ctx context.Context, dir *gateway.Directory, at time.Time, way store.Direction) teller {
	policies := bundlePolicies{s.Core, make(map[bundleAnchor][]string)}
	return teller{
		at: at, way: way, profile: s.Core.Profile, signers: s.Core.Believes, ours: dir.IsOurs, sources: dir.AnchorSources,
		met: func(cert *x509.Certificate, bundle string, anchor store.Fingerprint) bool {
			return policies.met(ctx, cert, bundle, anchor)
		},
	}
}

// story tells of a verdict that was given for a domain of ours.
func (t teller) story(v trust.Verdict, domain mime.Domain) Story {
	s := Story{
		Binding: string(v.Binding), Path: []PathCertificate{},
		AnchorFrom: []AnchorSource{}, IssuersFrom: []string{}, Revocation: []RevocationInfo{},
	}
	for _, c := range v.Path {
		s.Path = append(s.Path, PathCertificate{sha256Of(c), subjectOf(c), c.NotAfter})
	}
	if v.Anchor != nil {
		s.Anchor = subjectOf(v.Anchor)
		s.AnchorFrom = t.anchorFrom(v, domain)
	}
	for _, u := range v.IssuersFrom {
		s.IssuersFrom = append(s.IssuersFrom, plain(u, maxURL))
	}
	for _, r := range v.Revocations {
		s.Revocation = append(s.Revocation, t.revocation(r))
	}
	return s
}

func (t teller) anchorFrom(v trust.Verdict, domain mime.Domain) []AnchorSource {
	from := []AnchorSource{}
	f := store.FingerprintOf(v.Anchor.Raw)
	for _, a := range t.sources(f) {
		ev := a.Source == store.EVSource
		if ev != (v.Signers == trust.ExtendedValidation) || a.Domain != "" && a.Domain != domain || !a.Direction.Covers(t.way) {
			continue
		}
		if ofBundle(a.Source) && !t.met(v.Certificate, a.Source, f) {
			continue
		}
		from = append(from, AnchorSource{string(a.Domain), sourceName(a.Source)})
	}
	return from
}

func (t teller) revocation(r trust.Revocation) RevocationInfo {
	info := RevocationInfo{
		Status: string(r.Status), Method: r.Method, Source: plain(r.Source, maxURL),
		ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate, Fetched: r.Fetched.Truncate(time.Second),
		RevokedAt: r.RevokedAt, Detail: plain(r.Detail, maxDetail),
	}
	if r.Certificate != nil {
		info.SHA256, info.Subject = sha256Of(r.Certificate), subjectOf(r.Certificate)
	}
	if info.Status == "" {
		info.Status = notAsked
	}
	if !r.ThisUpdate.IsZero() {
		age := int64(t.at.Sub(r.ThisUpdate) / time.Second)
		info.Age = &age
	}
	return info
}

// A CertificateVerdict is one certificate that was found for a recipient, and
// what is thought of it.
type CertificateVerdict struct {
	SHA256   string    `json:"sha256"`
	Subject  string    `json:"subject"`
	Source   string    `json:"source"`
	NotAfter time.Time `json:"not_after"`
	Verdict  string    `json:"verdict"` // ok or a reason code
	Detail   string    `json:"detail,omitempty"`
	Hint     string    `json:"hint,omitempty"`
	Taken    bool      `json:"taken"` // a message would be encrypted to it
	Story
}

// certificate tells of a certificate of an address that a domain of ours would
// encrypt to.
func (t teller) certificate(v trust.Verdict, source string, to mime.Address, from mime.Domain) CertificateVerdict {
	return CertificateVerdict{
		SHA256: sha256Of(v.Certificate), Subject: subjectOf(v.Certificate), Source: source,
		NotAfter: v.Certificate.NotAfter, Verdict: v.Code.String(), Detail: plain(v.Detail, maxDetail),
		Hint: t.certificateAdvice(v, to, from), Story: t.story(v, from),
	}
}

// certificates tells of all that were found for a recipient.
func (t teller) certificates(r gateway.Route, from mime.Domain) []CertificateVerdict {
	sources := make(map[*x509.Certificate]string)
	for _, f := range r.Discovery.Certificates {
		sources[f.Certificate] = string(f.Source)
	}
	all := []CertificateVerdict{}
	for _, v := range r.Selection.Verdicts {
		one := t.certificate(v, sources[v.Certificate], r.Recipient, from)
		one.Taken = slices.ContainsFunc(r.Certificates, v.Certificate.Equal)
		all = append(all, one)
	}
	return all
}
