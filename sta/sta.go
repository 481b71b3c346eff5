// Package sta is the Security/Trust Agent of the Direct Applicability
// Statement: [Sign] and [Signed.Seal] take a message out, [Open] takes one in
// and says for every recipient whether it may be believed, and why not.
//
// The package has no sockets, no database and no clock. Certificates, keys,
// anchors and the time come in as arguments; keys come only as crypto.Signer
// and crypto.Decrypter.
package sta

import (
	"crypto/x509"

	"postern/mime"
	"postern/trust"
	"postern/trust/reason"
)

// A Verdict says what the agent decided about one message for one recipient.
type Verdict struct {
	Recipient mime.Address
	// Code is reason.OK when the message is believed.
	Code reason.Code
	// Detail is for our own log and track; it never leaves the house.
	Detail string
	// Signer is the signing certificate that was believed, or the one that
	// came nearest; nil when there was none to judge.
	Signer *x509.Certificate
	// Trust is the judgement of Signer.
	Trust trust.Verdict
}

// Accepted reports whether the message may be delivered to the recipient.
func (v Verdict) Accepted() bool { return v.Code.IsOK() }
