package trust

import (
	"crypto/x509"
	"fmt"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// ClockSkew is by how much a certificate's first moment may lie in the future,
// for clocks that run apart. Its last moment has no such grace (CP-28).
const ClockSkew = 5 * time.Minute

// Params is a question to Judge: may this certificate be used for this, for
// this address, at this time? The first fields, to Anchors, and At must be set; one
// that is missing is a refusal, never an assumption. The zero values of the others
// are the usual policy, without evidence.
type Params struct {
	Certificate *x509.Certificate
	Purpose     Purpose
	Address     mime.Address // whom the certificate must speak for
	Anchors     *Anchors     // of our domain and direction
	// Intermediates may help to reach an anchor; they come from strangers and
	// give no trust of their own. Only the first 100 are looked at.
	Intermediates []*x509.Certificate
	At            time.Time
	Profile       Profile
	// Evidence finds missing intermediates and revocations. Nil is none: a path
	// must then be complete, and no revocation can be known.
	Evidence   Evidence
	Revocation RevocationPolicy
	// Signers says whose certificates may Sign; EV belongs to it. Certificates
	// to Encrypt to are judged by Anchors always.
	Signers SignerPolicy
	EV      EV
	// Memo is of judgements before; nil begins anew.
	Memo *Memo
}

// A Verdict is the answer about one certificate. Code is OK exactly if the
// certificate may be used.
type Verdict struct {
	Certificate *x509.Certificate
	Code        reason.Code
	Detail      string  // what exactly, for our own eyes
	Binding     Binding // what names the address; set whenever something does
	// Path leads from the certificate to the anchor, both included; of length 1
	// if the certificate is itself the anchor. Nil unless Code is OK.
	Path   []*x509.Certificate
	Anchor *x509.Certificate // the last of Path
	// Signers is by which policy a signer was believed: Community or
	// ExtendedValidation.
	Signers SignerPolicy
	// Revocations has one entry for each certificate of the path but the anchor,
	// in their order; also when one of them is the reason for a refusal, where Path
	// is nil. Their Status is zero where there is no Evidence.
	Revocations []Revocation
	// IssuersFrom are the URLs that intermediates of the path were fetched from.
	IssuersFrom []string
	// IssuersMissed says where an issuer that is missing was looked for in vain.
	IssuersMissed string
	// Pending is not nil when evidence is on its way: wait until it is closed, and
	// judge again, for there may be more to wait for. Code then says what is
	// missing, RevocationDown or IssuerDown, and holds if nobody waits.
	Pending <-chan struct{}
}

// Err returns the verdict as a *reason.Error, or nil if Code is OK.
func (v Verdict) Err() error {
	if v.Code.IsOK() {
		return nil
	}
	return &reason.Error{Code: v.Code, Detail: v.Detail}
}

// A check returns OK, or a code and a detail. It may add to the verdict.
type check func(p Params, v *Verdict) (reason.Code, string)

// checks returns the checks in their order. The first that fails gives the
// reason, so they go from what the certificate says of itself, which its owner
// can mend, to what others say of it, which is for its issuer and for our
// operator; what needs the network comes last.
func checks() []check {
	return []check{
		complete,
		checkBinding,   // wrong-address
		checkDates,     // expired, not-yet-valid
		checkForm,      // bad-path
		checkUsage,     // wrong-usage
		checkEndEntity, // wrong-usage
		checkKey,       // weak-key
		checkPath,      // no-anchors, untrusted-anchor, bad-path, weak-key, issuer-down,
		// signer-policy, policy-missing, revoked, no-revocation-source, revocation-unavailable
	}
}

// Judge answers p. It costs the same whatever the number of anchors, is bounded
// whatever the certificates are, and does not wait: see Verdict.Pending.
func Judge(p Params) Verdict {
	p.ask()
	return judge(p)
}

// ask begins a question.
func (p *Params) ask() {
	if p.Memo == nil {
		p.Memo = new(Memo)
	}
	p.Memo.ready()
}

func judge(p Params) Verdict {
	v := Verdict{Certificate: p.Certificate}
	for _, c := range checks() {
		v.Code, v.Detail = c(p, &v)
		if !v.Code.IsOK() {
			v.Detail = reason.Line(v.Detail, maxDetail)
			return v
		}
	}
	return v
}

// maxDetail bounds a detail in octets: it may quote whatever a stranger wrote
// into a certificate.
const maxDetail = 400

func complete(p Params, _ *Verdict) (reason.Code, string) {
	switch {
	case p.Certificate == nil:
		return reason.NoCertificate, "there is no certificate to judge"
	case p.Purpose != Sign && p.Purpose != Encrypt:
		return reason.Internal, "judging a certificate for no purpose"
	case p.At.IsZero():
		return reason.Internal, "judging a certificate at no time"
	}
	return reason.OK, ""
}

func checkBinding(p Params, v *Verdict) (reason.Code, string) {
	b, problem := bind(p.Certificate, p.Address, p.Profile)
	if problem != "" {
		return reason.WrongAddress, problem
	}
	v.Binding = b
	return reason.OK, ""
}

// checkDates holds AS-18; a certificate without both dates does not parse.
func checkDates(p Params, _ *Verdict) (reason.Code, string) {
	if p.At.After(p.Certificate.NotAfter) {
		return reason.Expired, fmt.Sprintf("the certificate ended on %s", reason.Date(p.Certificate.NotAfter))
	}
	if p.At.Add(ClockSkew).Before(p.Certificate.NotBefore) {
		return reason.NotYetValid, fmt.Sprintf("the certificate begins on %s", reason.Date(p.Certificate.NotBefore))
	}
	return reason.OK, ""
}

// emptyName is the DER of a Name without any attribute.
const emptyName = "\x30\x00"

// checkForm holds AS-10 and AS-19.
func checkForm(p Params, _ *Verdict) (reason.Code, string) {
	if p.Certificate.Version != 3 {
		return reason.BadPath, fmt.Sprintf("the certificate is of X.509 version %d, not 3", p.Certificate.Version)
	}
	if string(p.Certificate.RawSubject) == emptyName {
		return reason.BadPath, "the certificate has no subject name"
	}
	return reason.OK, ""
}

func checkUsage(p Params, _ *Verdict) (reason.Code, string) {
	problem := usageProblem(p.Certificate, p.Purpose)
	if problem != "" {
		return reason.WrongUsage, problem
	}
	return reason.OK, ""
}

// checkEndEntity refuses authorities (AS-22), but for one that the operator
// has made an anchor (AS-67).
func checkEndEntity(p Params, _ *Verdict) (reason.Code, string) {
	if p.Certificate.IsCA && !p.Anchors.Contains(p.Certificate) {
		return reason.WrongUsage, "the certificate is an authority's, not an end entity's"
	}
	return reason.OK, ""
}

func checkKey(p Params, _ *Verdict) (reason.Code, string) {
	return strengthOf([]*x509.Certificate{p.Certificate})
}
