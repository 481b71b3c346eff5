package control

import (
	"context"
	"crypto/x509"
	"time"

	"postern/internal/cms"
	"postern/mime"
	"postern/sta"
	"postern/store"
	"postern/trust/reason"
)

// An OpenVerdict is what postern open tells on standard error; docs/verdicts.md
// explains its keys. Nothing of the message is in it but addresses.
type OpenVerdict struct {
	Verdict string    `json:"verdict"` // accepted or refused
	Reason  string    `json:"reason"`
	Detail  string    `json:"detail,omitempty"`
	Hint    string    `json:"hint,omitempty"`
	At      time.Time `json:"at"`      // the time judged at
	Profile string    `json:"profile"` // of the Applicability Statement: 1.2 or 1.3
	Sender  string    `json:"sender,omitempty"`
	Signer  string    `json:"signer,omitempty"`
	// Wrapped tells whether the whole message was signed, with its header; absent
	// when the message did not open so far.
	Wrapped    *bool              `json:"wrapped,omitempty"`
	Encryption *Encryption        `json:"encryption,omitempty"` // absent when it did not open
	Signatures []SignatureInfo    `json:"signatures"`
	Recipients []RecipientVerdict `json:"recipients"`
}

// An Encryption tells how a message was encrypted to us.
type Encryption struct {
	Cipher     string       `json:"cipher"`
	Recipients int          `json:"recipients"` // in the envelope, ours and others
	Keys       []OpeningKey `json:"keys"`
}

// An OpeningKey is a key of ours that opened a message.
type OpeningKey struct {
	SHA256        string    `json:"sha256"`
	Subject       string    `json:"subject"`
	Owner         string    `json:"owner"`               // address or domain
	Retired       time.Time `json:"retired_at,omitzero"` // since when, if it is
	KeyManagement string    `json:"key_management"`      // how the content key was sent
	ByKeyID       bool      `json:"by_key_id"`           // named by its key identifier, not by issuer and serial number
	For           []string  `json:"for"`                 // the recipients that it opened for
}

// A SignatureInfo is what was found about one signature.
type SignatureInfo struct {
	Verdict   string `json:"verdict"` // good or bad
	Detail    string `json:"detail,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
	// SHA256 and Subject are those of the signer's certificate; of a bad
	// signature the one that it claims, if any.
	SHA256   string    `json:"sha256,omitempty"`
	Subject  string    `json:"subject,omitempty"`
	SignedAt time.Time `json:"signed_at,omitzero"` // as the signer says
}

// A RecipientVerdict is the verdict for one recipient.
type RecipientVerdict struct {
	Address string `json:"address"`
	Verdict string `json:"verdict"`
	Reason  string `json:"reason"`
	Detail  string `json:"detail,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Signer  string `json:"signer,omitempty"` // the one believed, or who came nearest
	// SignerPolicy is by which policy the signer was believed: community or ev.
	SignerPolicy string `json:"signer_policy,omitempty"`
	Story
}

// The verdicts about a message and its signatures.
const (
	accepted = "accepted"
	refused  = "refused"
	good     = "good"
	bad      = "bad"
)

// openVerdict is accepted when at least one recipient may have the message. It
// tells of the first who may, or else of the first whose reason may pass, or
// else of the first.
func (s *Service) openVerdict(ctx context.Context, all []*sta.Opened, at time.Time) (OpenVerdict, error) {
	v := OpenVerdict{At: at, Profile: s.Core.Profile.String(), Signatures: []SignatureInfo{}, Recipients: []RecipientVerdict{}}
	dir, err := s.Core.Directory(ctx)
	if err != nil {
		return v, err
	}
	t := s.teller(ctx, dir, at, store.In)
	best := -1
	for _, o := range all {
		v.addKey(o, dir.Holder)
		for _, r := range o.Verdicts {
			one := t.recipient(r, o.Sender)
			v.Recipients = append(v.Recipients, one)
			if rank(r) > best {
				best = rank(r)
				v.tell(o, one)
			}
		}
	}
	return v, nil
}

// rank orders verdicts by how much they decide.
func rank(r sta.Verdict) int {
	switch {
	case r.Accepted():
		return 2
	case r.Code.Outcome().Retry:
		return 1
	}
	return 0
}

func (t teller) recipient(r sta.Verdict, sender mime.Address) RecipientVerdict {
	one := RecipientVerdict{
		Address: r.Recipient.String(), Verdict: refused, Reason: r.Code.String(), Detail: plain(r.Detail, maxDetail),
		Hint: t.openAdvice(r, sender), Story: t.story(r.Trust, r.Recipient.Domain()),
	}
	_, one.Signer = named(r.Signer)
	if r.Accepted() {
		one.Verdict, one.SignerPolicy = accepted, r.Trust.Signers.String()
	}
	return one
}

func (v *OpenVerdict) tell(o *sta.Opened, one RecipientVerdict) {
	v.Verdict, v.Reason, v.Detail, v.Hint = one.Verdict, one.Reason, one.Detail, one.Hint
	v.Sender, v.Signer = o.Sender.String(), one.Signer
	v.Wrapped, v.Signatures = nil, []SignatureInfo{}
	if o.Header != nil || one.Reason == reason.NotWrapped.String() {
		wrapped := o.Wrapped
		v.Wrapped = &wrapped
	}
	for _, s := range o.Signatures() {
		v.Signatures = append(v.Signatures, signature(s))
	}
}

func signature(s cms.SignerResult) SignatureInfo {
	info := SignatureInfo{Verdict: good, Algorithm: s.Algorithm, SignedAt: s.SigningTime}
	info.SHA256, info.Subject = named(s.Certificate)
	if s.Err != nil {
		info.Verdict, info.Detail = bad, plain(s.Err.Error(), maxDetail)
	}
	return info
}

// addKey tells which of our keys opened the message, if one did.
func (v *OpenVerdict) addKey(o *sta.Opened, holder func(*x509.Certificate) (store.Key, bool)) {
	e := o.Enveloped()
	if e.Certificate == nil {
		return
	}
	if v.Encryption == nil {
		v.Encryption = &Encryption{Cipher: e.Cipher.String(), Recipients: e.Recipients}
	}
	k := OpeningKey{KeyManagement: e.KeyManagement(), ByKeyID: e.KeyIdentifier, For: []string{}}
	k.SHA256, k.Subject = named(e.Certificate)
	held, ok := holder(e.Certificate)
	if ok {
		k.Owner, k.Retired = held.Owner, held.Retired
	}
	for _, r := range o.Verdicts {
		k.For = append(k.For, r.Recipient.String())
	}
	v.Encryption.Keys = append(v.Encryption.Keys, k)
}
