package sta

import (
	"strings"
	"testing"

	"postern/trust"
)

// An unwrapped message: outside stands what nobody signed.
const (
	bareOuter = "From: alice@a.example\nTo: bob@b.example\nSubject: s\nMessage-ID: <2@a.example>\nMIME-Version: 1.0\n" +
		"Reply-To: mallory@m.example\nDisposition-Notification-To: mallory@m.example\nX-Outside: x\n"
	bareContent = "Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\nX-Inside: x\n\nbody\n"
)

// AS-42, AS-43: v1.3 demands wrapping unless the operator says otherwise; v1.2
// takes both.
func TestAS42_AS43_WhoTakesUnwrapped(t *testing.T) {
	for name, tt := range map[string]struct {
		profile trust.Profile
		accept  bool
		want    string
	}{
		"v1.3":          {trust.V13, false, "not-wrapped"},
		"v1.3, allowed": {trust.V13, true, "ok"},
		"v1.2":          {trust.V12, false, "ok"},
		"v1.2, allowed": {trust.V12, true, "ok"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.profile, r.bare = tt.profile, tt.accept
			o := r.open(r.entity(bareOuter, bareContent))
			equal(t, "unwrapped", codes(o), []string{tt.want})
			equal(t, "read", o.Header != nil, tt.want == "ok")
			equal(t, "wrapped", codes(r.open(r.wrapped(usual()))), []string{"ok"})
		})
	}
}

// AS-43: of the outer header only what says who wrote to whom about what comes
// through, with the signed content fields.
func TestAS43_HeaderOfUnwrapped(t *testing.T) {
	r := newRig(t)
	r.bare = true
	o := r.open(r.entity(bareOuter, bareContent))
	equal(t, "verdict", codes(o), []string{"ok"})
	equal(t, "wrapped", o.Wrapped, false)
	want := "From: alice@a.example\nTo: bob@b.example\nSubject: s\nMessage-ID: <2@a.example>\nMIME-Version: 1.0\n" +
		"Content-Type: text/plain; charset=us-ascii\nContent-Transfer-Encoding: 7bit\n\nbody\n"
	equal(t, "message", read(t, o), crlf(want))
}

// AS-55, AS-63: the unsigned From is one that the signer speaks for, and MAIL
// FROM is held to it under v1.3.
func TestAS55_AS63_SenderOfUnwrapped(t *testing.T) {
	r := newRig(t)
	r.bare = true
	envelope := r.envelope
	r.envelope = nil
	forged := strings.Replace(bareOuter, "alice@a.example", "doctor@good.example", 1)
	equal(t, "forged From", codes(r.open(r.entity(forged, bareContent))), []string{"sender-mismatch"})
	forged = "Sender: doctor@good.example\n" + bareOuter
	equal(t, "forged Sender", codes(r.open(r.entity(forged, bareContent))), []string{"sender-mismatch"})

	r.envelope = envelope
	r.envelope.MailFrom = addr(t, "mallory@m.example")
	sealed := r.entity(bareOuter, bareContent)
	equal(t, "another MAIL FROM", codes(r.open(sealed)), []string{"tampered-routing"})
	r.profile = trust.V12
	equal(t, "another MAIL FROM, v1.2", codes(r.open(sealed)), []string{"ok"})
}
