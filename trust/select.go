package trust

import (
	"crypto/x509"
	"slices"

	"postern/trust/reason"
)

// A Selection is what Select made of the certificates found for an address.
type Selection struct {
	// Valid are the certificates that may be used: encrypt to all of them (AS-79).
	Valid []*x509.Certificate
	// Verdicts has one entry for each different candidate, in their order.
	Verdicts []Verdict
	// Code is OK if there is a valid certificate, and otherwise the most telling
	// reason, with its detail: that of the candidate that came furthest.
	Code   reason.Code
	Detail string
	// Pending is not nil while the verdict of a candidate is pending, even if
	// others are valid already: wait until it is closed, and select again.
	Pending <-chan struct{}
}

// Err returns the selection as a *reason.Error, or nil if Code is OK.
func (s Selection) Err() error {
	return Verdict{Code: s.Code, Detail: s.Detail}.Err()
}

// Select judges each candidate by p, whose Certificate is ignored. Candidates
// that fail do not spoil those that pass (CD-5); when all fail, none is used
// (CD-41). None spends what another needs.
func Select(p Params, candidates []*x509.Certificate) Selection {
	s := Selection{Code: reason.NoCertificate, Detail: "there is no certificate to choose from"}
	p.ask()
	seen := make(map[Fingerprint]bool, len(candidates))
	best := -2
	for _, c := range candidates {
		if c == nil || seen[p.Memo.print(c)] {
			continue
		}
		seen[p.Memo.print(c)] = true
		p.Certificate = c
		v := judge(p)
		s.Verdicts = append(s.Verdicts, v)
		if v.Code.IsOK() {
			s.Valid = append(s.Valid, c)
		}
		if s.Pending == nil {
			s.Pending = v.Pending
		}
		if progress(v.Code) > best {
			best, s.Code, s.Detail = progress(v.Code), v.Code, v.Detail
		}
	}
	return s
}

// progress ranks a code by how far a certificate came in the checks. What may
// pass comes after what stays, and OK is the furthest.
func progress(c reason.Code) int {
	return slices.Index([]reason.Code{
		reason.WrongAddress, reason.NotYetValid, reason.Expired, reason.WrongUsage, reason.WeakKey,
		reason.NoAnchors, reason.UntrustedAnchor, reason.BadPath, reason.SignerPolicy, reason.PolicyMissing,
		reason.Revoked, reason.NoRevocation, reason.IssuerDown, reason.RevocationDown, reason.OK,
	}, c)
}
