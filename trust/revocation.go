package trust

import (
	"cmp"
	"crypto/x509"
	"fmt"

	"postern/trust/reason"
)

// maxPaths is how many valid paths of a certificate are held against
// revocation. One that holds is enough.
const maxPaths = 4

// An outcome is what revocation makes of a path.
type outcome struct {
	code        reason.Code
	detail      string
	revocations []Revocation
	pending     <-chan struct{}
	final       bool // the certificate itself is revoked, by whichever path
}

// before reports whether other came further: one that is still to be answered
// comes after one that is refused.
func (o outcome) before(other outcome) bool {
	if (o.pending != nil) != (other.pending != nil) {
		return other.pending != nil
	}
	return progress(o.code) < progress(other.code)
}

// revocationOf asks for each certificate of the path but the anchor (AS-71).
// It asks for all of them before it looks at an answer, so that what has to be
// fetched is fetched side by side.
func revocationOf(p Params, path []*x509.Certificate) outcome {
	o := outcome{revocations: make([]Revocation, len(path)-1)}
	for i := range o.revocations {
		o.revocations[i] = askRevocation(p, path[i], path[i+1])
	}
	for i, r := range o.revocations {
		if r.Status == IsRevoked {
			o.code, o.detail, o.final = reason.Revoked, revokedDetail(r), i == 0
			return o
		}
	}
	for _, r := range o.revocations {
		// What stays comes before what may pass: nobody waits in vain.
		if r.Status == RevocationUnstated && p.Revocation != SoftFail {
			o.code, o.detail = p.Revocation.judge(r)
			return o
		}
	}
	for _, r := range o.revocations {
		if r.Pending != nil && r.Status != NotRevoked {
			o.code, o.detail, o.pending = reason.RevocationDown, fmt.Sprintf("the revocation state of %q is being fetched", name(r.Certificate)), r.Pending
			return o
		}
	}
	for _, r := range o.revocations {
		code, detail := p.Revocation.judge(r)
		if !code.IsOK() {
			o.code, o.detail = code, detail
			return o
		}
	}
	o.code = reason.OK
	return o
}

func askRevocation(p Params, of, issuer *x509.Certificate) Revocation {
	if p.Evidence == nil {
		return Revocation{Certificate: of, Detail: "nobody was asked"}
	}
	r := p.Evidence.Revocation(of, issuer, p.At)
	r.Certificate = of
	return r
}

// judge applies the policy to an answer that is no revocation and complete
// (AS-73). A status that is not known is no answer.
func (p RevocationPolicy) judge(r Revocation) (reason.Code, string) {
	switch {
	case r.Status == NotRevoked || p == SoftFail:
		return reason.OK, ""
	case r.Status == RevocationUnstated:
		return reason.NoRevocation, fmt.Sprintf("%q names neither a CRL nor an OCSP responder", name(r.Certificate))
	}
	return reason.RevocationDown, fmt.Sprintf("the revocation state of %q is not known: %s", name(r.Certificate), cmp.Or(r.Detail, "there is no answer"))
}

// revokedDetail says which certificate, when, why and by whose word.
func revokedDetail(r Revocation) string {
	s := fmt.Sprintf("%q is revoked", name(r.Certificate))
	if !r.RevokedAt.IsZero() {
		s += " since " + reason.Date(r.RevokedAt)
	}
	if r.Detail != "" {
		s += " (" + r.Detail + ")"
	}
	if r.Method == "" {
		return s
	}
	s += ", by " + r.Method + " " + r.Source
	if !r.ThisUpdate.IsZero() {
		s += " of " + reason.Date(r.ThisUpdate)
	}
	return s
}
