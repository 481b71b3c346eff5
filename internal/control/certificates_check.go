package control

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// ownerOf finds whom a certificate is for: who was asked for, or the only one
// whom it names.
func ownerOf(asked string, leaf *x509.Certificate, profile trust.Profile) (string, error) {
	if asked != "" {
		owner, _, err := parseOwner(asked)
		return owner, err
	}
	names := namesOf(leaf)
	if len(names) != 1 {
		hint := singleName
		if profile == trust.V12 {
			hint = "--for says whom it is for"
		}
		return "", &Error{Kind: Invalid, Message: fmt.Sprintf("the certificate names %d addresses and domains", len(names)), Hint: hint}
	}
	owner, _, err := parseOwner(names[0])
	if err != nil {
		name := plain(names[0], maxSubject)
		return "", &Error{Kind: Invalid, Message: fmt.Sprintf("the certificate is for %q, which is neither an address nor a domain", name),
			Hint: nameHint(leaf, "an address or a domain")}
	}
	return owner, nil
}

func namesOf(leaf *x509.Certificate) []string {
	return slices.Concat(leaf.EmailAddresses, leaf.DNSNames)
}

// singleName is AS-17, to which agents of v1.3 hold a certificate.
const singleName = "its subjectAltName must hold the address, or exactly the domain as dNSName, and no other name"

// nameHint says which name a certificate would have to have.
func nameHint(leaf *x509.Certificate, owner string) string {
	if slices.ContainsFunc(leaf.DNSNames, func(name string) bool { return strings.Contains(name, "*") }) {
		return "a wildcard binds nobody: its subjectAltName must hold exactly " + owner
	}
	names := namesOf(leaf)
	if len(names) != 1 {
		return "its subjectAltName must hold exactly " + owner
	}
	return "it is for " + plain(names[0], maxSubject) + " alone; its subjectAltName must hold exactly " + owner
}

// checkUsable refuses a certificate that every peer of the profile would refuse:
// one that does not name its owner, is an authority's, is out of date, or has a
// key or a usage that is not allowed. Whether peers trust its issuer is theirs to
// say, so that it is judged as its own anchor.
func checkUsable(leaf *x509.Certificate, owner string, profile trust.Profile, now time.Time) error {
	if leaf.IsCA {
		return &Error{Kind: Invalid, Message: "the certificate is an authority's, not an end entity's",
			Hint: "import the certificate that it issued for you; an authority that you trust is loaded with postern anchor add"}
	}
	if !isNamed(leaf, owner) {
		shown := plain(owner, maxSubject)
		return &Error{Kind: Invalid, Message: "the certificate is not for " + shown, Hint: nameHint(leaf, shown)}
	}
	address, err := addressIn(owner)
	if err != nil {
		return err
	}
	verdict := func(p trust.Purpose) trust.Verdict {
		return trust.Judge(trust.Params{Certificate: leaf, Purpose: p, Address: address, At: now,
			Anchors: trust.NewAnchors([]*x509.Certificate{leaf}), Profile: profile})
	}
	v := verdict(trust.Sign)
	if v.Code == reason.WrongUsage && gateway.MayEncryptTo(leaf) {
		v = verdict(trust.Encrypt) // one of a pair, the other of which signs
	}
	switch v.Code {
	case reason.OK:
		return nil
	case reason.WrongAddress: // though it names its owner
		return &Error{Kind: Invalid, Message: "the certificate names " + plain(owner, maxSubject) + ", but nobody may use it: " + plain(v.Detail, maxDetail),
			Hint: singleName}
	}
	return &Error{Kind: Invalid, Message: v.Code.Outcome().Public + ": " + plain(v.Detail, maxDetail), Hint: importHint(v.Code, leaf)}
}

// isNamed reports whether a certificate names its owner at all, a domain by itself
// and not by an address in it (AS-11). The names of the subject are left to the
// profile.
func isNamed(leaf *x509.Certificate, owner string) bool {
	address, err := addressIn(owner)
	if err != nil {
		return false
	}
	binding, bound := trust.Binds(leaf, address, trust.V12)
	if !bound || strings.Contains(owner, "@") {
		return bound
	}
	return binding != trust.BySubject && slices.ContainsFunc(leaf.DNSNames, func(name string) bool {
		d, err := mime.ParseDomain(name)
		return err == nil && string(d) == owner
	})
}

// addressIn returns an owner's address, for a domain any that is in it.
func addressIn(owner string) (mime.Address, error) {
	if !strings.Contains(owner, "@") {
		owner = "postmaster@" + owner
	}
	return mime.ParseAddress(owner)
}

// importHint says what about the certificate is to be another.
func importHint(code reason.Code, leaf *x509.Certificate) string {
	switch code {
	case reason.WeakKey:
		return "make a new key, RSA of 2048 bits or more or EC on P-256 or P-384, and ask for a certificate for that: postern cert csr"
	case reason.Expired:
		return "ask the authority for a new one"
	case reason.NotYetValid:
		return "check the clock, or import it on its first day"
	case reason.BadPath:
		return "ask the authority for one of X.509 version 3 with a subject name"
	case reason.WrongUsage:
		return usageHint(leaf)
	}
	return code.Outcome().Hint
}

func usageHint(leaf *x509.Certificate) string {
	key, ec := leaf.PublicKey.(*ecdsa.PublicKey)
	encipher := "keyEncipherment"
	if ec {
		encipher = "keyAgreement"
	}
	forMail := len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 || slices.ContainsFunc(leaf.ExtKeyUsage,
		func(u x509.ExtKeyUsage) bool { return u == x509.ExtKeyUsageEmailProtection || u == x509.ExtKeyUsageAny })
	switch {
	case !forMail:
		return "ask the authority for one with emailProtection in extendedKeyUsage, or without that"
	case ec && key.Curve == elliptic.P521():
		return "a key on P-521 can be encrypted to, with keyAgreement in keyUsage, but does not sign: use P-256 or P-384"
	}
	return "ask the authority for keyUsage with digitalSignature to sign, " + encipher + " to be encrypted to, or both"
}

// importWarnings says what will not work with a certificate that was taken.
func importWarnings(k store.Key, leaf *x509.Certificate) []string {
	warnings := []string{}
	address, err := addressIn(k.Owner)
	if err == nil {
		_, bound := trust.Binds(leaf, address, trust.V13)
		if !bound {
			warnings = append(warnings, "agents of version 1.3 refuse the certificate: "+singleName) // AS-15, AS-17
		}
	}
	ofItself := bytes.Equal(leaf.RawIssuer, leaf.RawSubject)
	if len(k.Chain) == 0 && !ofItself && len(leaf.IssuingCertificateURL) == 0 {
		warnings = append(warnings, fmt.Sprintf("no certificate of its issuer, %s, came with it or can be fetched: who has not loaded just that as an anchor will not trust it; import it again with its chain", issuerOf(leaf)))
	}
	return warnings
}
