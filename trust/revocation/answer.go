package revocation

import (
	"fmt"
	"time"

	"postern/trust"
	"postern/trust/reason"
)

// For how long a document without nextUpdate counts from its thisUpdate on.
const (
	crlLife  = 24 * time.Hour
	ocspLife = time.Hour // RFC 6960 §4.2.2.1: newer information is available all the time
)

// An Answer is what a document says of one certificate at one moment.
type Answer struct {
	Status     trust.RevocationStatus // NotRevoked or IsRevoked
	ThisUpdate time.Time              // when the issuer knew this
	NextUpdate time.Time              // zero if the issuer does not say
	// Expires is until when the document counts: NextUpdate, or a life of ours.
	Expires   time.Time
	RevokedAt time.Time // zero unless revoked
	// Reason is that of the revocation, as RFC 5280 §5.3.1 calls it, and that it
	// counts although it is of later, if it is; "" if none is given.
	Reason string
}

// Premature reports whether the answer was made later than now, by more than
// clocks may differ.
func (a Answer) Premature(now time.Time) bool { return premature(a.ThisUpdate, now) }

func premature(made, now time.Time) bool { return made.After(now.Add(trust.ClockSkew)) }

// A revocation is what a document says of a certificate it calls revoked.
type revocation struct {
	at      time.Time
	reason  int       // -1 if none is given
	invalid time.Time // RFC 5280 §5.3.2; zero if not given
}

// The reasons of RFC 5280 §5.3.1 that matter here.
const (
	noReason        = -1
	keyCompromise   = 1
	caCompromise    = 2
	certificateHold = 6
	removeFromCRL   = 8
	aaCompromise    = 10
)

// holds reports whether the certificate was revoked at a moment, by a document
// made at another. A document of that very moment, clocks taken into account,
// is believed whatever date it gives. In a later one the dates tell the
// revocations that came later. A stolen key is different: its thief can have
// signed at any time from invalidityDate on, or ever.
func (r revocation) holds(at, made time.Time) bool {
	if !premature(made, at) || !r.at.After(at) {
		return true
	}
	return r.stolen() && (r.invalid.IsZero() || !r.invalid.After(at))
}

// stolen reports whether somebody else may have the key.
func (r revocation) stolen() bool {
	return r.reason == keyCompromise || r.reason == caCompromise || r.reason == aaCompromise
}

// why tells the reason of a revocation that holds at a moment.
func (r revocation) why(at time.Time) string {
	if r.stolen() && r.at.After(at) {
		return reasonName(r.reason) + ": counts for earlier times too"
	}
	return reasonName(r.reason)
}

// reasonName names a CRLReason (RFC 5280 §5.3.1).
func reasonName(code int) string {
	names := [...]string{"unspecified", "keyCompromise", "cACompromise", "affiliationChanged", "superseded",
		"cessationOfOperation", "certificateHold", "", "removeFromCRL", "privilegeWithdrawn", "aACompromise"}
	switch {
	case code == noReason:
		return ""
	case code >= 0 && code < len(names) && names[code] != "":
		return names[code]
	}
	return fmt.Sprintf("reason %d", code)
}

// A period is when a document was made and until when it counts.
type period struct {
	this, next time.Time
	life       time.Duration // if next is zero
}

func (p period) expires() time.Time {
	if p.next.IsZero() {
		return p.this.Add(p.life)
	}
	return p.next
}

// check refuses documents that were out of date at a moment. There is no grace:
// an attacker who keeps back the news must not be given more time.
func (p period) check(at time.Time) error {
	if at.After(p.expires()) {
		return fmt.Errorf("it counted until %s", reason.Date(p.expires()))
	}
	return nil
}

// answer makes the Answer for a certificate that ended at some time, from all
// that the document says against it. A document that is out of date counts no
// more, but for revocations that are for good.
func (p period) answer(at, ended time.Time, against []revocation) (Answer, error) {
	a := Answer{Status: trust.NotRevoked, ThisUpdate: p.this, NextUpdate: p.next, Expires: p.expires()}
	stale := p.check(at)
	for _, r := range against {
		// RFC 5280 §5.3.1: nothing but a hold is ever taken back. So whoever keeps
		// us from newer documents does not make us forget the others.
		if r.holds(at, p.this) && (stale == nil || r.reason != certificateHold) {
			a.Status, a.RevokedAt, a.Reason = trust.IsRevoked, r.at, r.why(at)
			return a, nil
		}
	}
	if stale != nil {
		return Answer{}, stale
	}
	// RFC 5280 §3.3: issuers forget revocations of certificates that have ended.
	if len(against) == 0 && p.this.After(ended) {
		return Answer{}, fmt.Errorf("it was made on %s, after the certificate ended, when revocations may be forgotten", reason.Date(p.this))
	}
	return a, nil
}
