package trust

import (
	"crypto/x509"
	"fmt"
)

// A RevocationPolicy says what to do without an answer (AS-73). The zero value
// is SoftFail.
type RevocationPolicy uint8

// The policies.
const (
	SoftFail RevocationPolicy = iota // believe the certificate
	HardFail                         // refuse it
)

// ParseRevocationPolicy reads a policy as the configuration writes it: "soft"
// or "hard".
func ParseRevocationPolicy(s string) (RevocationPolicy, error) {
	switch s {
	case "soft":
		return SoftFail, nil
	case "hard":
		return HardFail, nil
	}
	return HardFail, fmt.Errorf("unknown revocation policy %q: it must be soft or hard", s)
}

// String returns the policy as the configuration writes it. What is no policy
// is as strict as HardFail.
func (p RevocationPolicy) String() string {
	if p == SoftFail {
		return "soft"
	}
	return "hard"
}

// A SignerPolicy says whose signatures a domain of ours believes (BB-22, BB-36).
// The zero value is Community.
type SignerPolicy uint8

// The policies.
const (
	Community          SignerPolicy = iota // those that lead to the domain's anchors
	ExtendedValidation                     // those with a certificate of extended validation
	Either
)

// ParseSignerPolicy reads a policy as the configuration writes it: "community",
// "ev" or "either".
func ParseSignerPolicy(s string) (SignerPolicy, error) {
	for _, p := range []SignerPolicy{Community, ExtendedValidation, Either} {
		if s == p.String() {
			return p, nil
		}
	}
	return Community, fmt.Errorf("unknown signer policy %q: it must be community, ev or either", s)
}

// String returns the policy as the configuration writes it.
func (p SignerPolicy) String() string {
	switch p {
	case Community:
		return "community"
	case ExtendedValidation:
		return "ev"
	case Either:
		return "either"
	}
	return fmt.Sprintf("SignerPolicy(%d)", uint8(p))
}

// EV is what makes a certificate one of extended validation: it names one of the
// policies itself (anyPolicy is none of them), and has a path to one of the roots
// which is valid for one of the policies (RFC 5280 §6.1). The zero EV
// believes nobody, and so does one without roots or without policies.
type EV struct {
	Roots    *Anchors
	Policies []x509.OID
}

// A goal is where a path must lead to.
type goal struct {
	signers SignerPolicy
	anchors *Anchors
	// policies has one that the path must be valid for; nil asks for none.
	policies []x509.OID
}

func (p Params) community() goal { return goal{signers: Community, anchors: p.Anchors} }

func (p Params) extended() goal {
	return goal{signers: ExtendedValidation, anchors: p.EV.Roots, policies: p.EV.Policies}
}

// asksForEV reports whether extended validation has a say.
func (p Params) asksForEV() bool { return p.Purpose == Sign && p.Signers != Community }

// goals returns what p may be answered by. An anchor set or a list of policies
// that is empty can be reached by nothing.
func goals(p Params) []goal {
	var all []goal
	if (!p.asksForEV() || p.Signers == Either) && p.Anchors.Len() > 0 {
		all = append(all, p.community())
	}
	if p.asksForEV() && p.EV.Roots.Len() > 0 && len(p.EV.Policies) > 0 {
		all = append(all, p.extended())
	}
	return all
}
