package control

import (
	"crypto/x509"
	"fmt"

	"postern/internal/gateway"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// advice is the one thing to change, or "" where there is none. Where an anchor
// is missing, it is the command that adds it for the domain and direction.
func (t teller) advice(c reason.Code, domain mime.Domain) string {
	switch {
	case c.IsOK():
		return ""
	case c != reason.NoAnchors && c != reason.UntrustedAnchor:
		return c.Outcome().Hint
	case t.way == store.In && t.signers(domain) == trust.ExtendedValidation:
		return fmt.Sprintf("%s: postern anchor add FILE --ev --domain %s", c.Outcome().Hint, domain)
	}
	return fmt.Sprintf("%s: postern anchor add FILE --domain %s --direction %s", c.Outcome().Hint, domain, t.way)
}

// openAdvice is the advice on a verdict about a message of the sender.
func (t teller) openAdvice(r sta.Verdict, sender mime.Address) string {
	domain := r.Recipient.Domain()
	switch {
	case r.Code == reason.Undecryptable && !t.ours(domain):
		return fmt.Sprintf("%s is not a domain of ours: postern domain list shows them", domain)
	case r.Code == reason.SenderMismatch && t.tooManyNames(r.Signer, sender):
		return oneName
	case r.Trust.IssuersMissed != "":
		return missedIssuer
	}
	return t.advice(r.Code, domain)
}

// certificateAdvice is the advice on a certificate that was found for an address
// which the domain would encrypt to.
func (t teller) certificateAdvice(v trust.Verdict, to mime.Address, from mime.Domain) string {
	if v.Code == reason.WrongAddress && t.tooManyNames(v.Certificate, to) {
		return oneName
	}
	if v.IssuersMissed != "" {
		return missedIssuer
	}
	return t.advice(v.Code, from)
}

// routeAdvice is the advice on the certificate that the route's reason is of.
func (t teller) routeAdvice(r gateway.Route, from mime.Domain) string {
	for _, v := range r.Selection.Verdicts {
		if v.Code == r.Code && v.Detail == r.Detail {
			return t.certificateAdvice(v, r.Recipient, from)
		}
	}
	return t.advice(r.Code, from)
}

// sealAdvice is the advice on what was refused: that on the first recipient who
// was refused so, for the refusal is of that one.
func (t teller) sealAdvice(r gateway.SealReport, from mime.Domain) string {
	if r.Hint != "" {
		return r.Hint
	}
	for _, route := range r.Routes {
		if route.Code == r.Refused.Code {
			return t.routeAdvice(route, from)
		}
	}
	return t.advice(r.Refused.Code, from)
}

// oneName is the advice on a certificate that names the address, and more.
const oneName = "the certificate names it, but under profile 1.3 no other name may stand in the subjectAltName, nor a wildcard: its owner needs one with that name alone"

// missedIssuer is the advice where authority information access led nowhere.
const missedIssuer = "the owner has to send the intermediate along, or to mend where the certificate says it is (private addresses need network.allow_private); postern anchor add FILE of the intermediate works as well"

// tooManyNames reports whether it is for its other names alone that a
// certificate does not speak for an address (AS-14, AS-17).
func (t teller) tooManyNames(cert *x509.Certificate, a mime.Address) bool {
	if cert == nil || t.profile != trust.V13 {
		return false
	}
	_, bound := trust.Binds(cert, a, trust.V13)
	by, _ := trust.Binds(cert, a, trust.V12)
	return !bound && (by == trust.ByAddress || by == trust.ByDomain)
}
