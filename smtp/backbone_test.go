package smtp

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/mime"
)

const toBob = `
	< 220 mx.near.test
	> EHLO far.test
	< 250
	> MAIL FROM:<carol@far.test>
	< 250
	> RCPT TO:<bob@near.test>
	< 250
`

func TestBackboneTakesAMessage(t *testing.T) {
	h, addr := startBackbone(t)
	dial(t, addr).play(`
		< 220 mx.near.test
		> EHLO far.test
		<~ STARTTLS
		> STARTTLS
		< 220
		tls
		> EHLO far.test
		< 250
		> MAIL FROM:<carol@far.test> SIZE=40 BODY=8BITMIME
		< 250
		> RCPT TO:<bob@near.test>
		< 250
		> RCPT TO:<BOB@near.test>
		< 250
		> RCPT TO:<alice@near.test>
		< 250
		> DATA
		< 354
		! "Subject: x\r\n\r\n..dot\r\n.\r\n"
		< 250 2.0.0 accepted as m1
		> MAIL FROM:<>
		< 250
		> RCPT TO:<bob@near.test>
		< 250
		> DATA
		< 354
		! ".\r\n"
		< 250 2.0.0 accepted as m2
		> QUIT
		< 221
		eof
	`)
	want := []message{
		{Envelope{
			Helo: "far.test", TLS: true, From: mustAddress("carol@far.test"), Size: 40,
			To: []mime.Address{mustAddress("bob@near.test"), alice},
		}, "Subject: x\r\n\r\n.dot\r\n"},
		{Envelope{Helo: "far.test", TLS: true, To: []mime.Address{mustAddress("bob@near.test")}}, ""},
	}
	got := h.taken()
	diff := cmp.Diff(want, got, cmp.Comparer(func(a, b mime.Address) bool { return a == b }),
		cmpopts.IgnoreFields(Envelope{}, "Remote", "Asked"))
	if diff != "" {
		t.Error(diff)
	}
	if len(got) > 0 && !got[0].Envelope.Remote.Addr().IsLoopback() {
		t.Errorf("remote %v", got[0].Envelope.Remote)
	}
}

// CP-26: our own domains without authentication, no open relay.
func TestCP26_BackboneIsNoRelay(t *testing.T) {
	_, addr := startBackbone(t)
	d := dial(t, addr).play(`
		< 220
		> EHLO far.test
		< 250
	`)
	if strings.Contains(d.last, "AUTH") || strings.Contains(d.last, "SMTPUTF8") || strings.Contains(d.last, "BINARYMIME") {
		t.Errorf("offered: %s", d.last)
	}
	d.play(`
		> MAIL FROM:<carol@far.test>
		< 250
		> RCPT TO:<dave@elsewhere.test>
		< 550 5.7.1
		> RCPT TO:<nobody@near.test>
		< 550 5.1.1
		> RCPT TO:<@near.test:dave@elsewhere.test>
		< 550 5.7.1
		> RCPT TO:<"dave@elsewhere.test"@near.test>
		< 550 5.1.1
		> RCPT TO:<dave%elsewhere.test@near.test>
		< 550 5.1.1
		> RCPT TO:<dave@[127.0.0.1]>
		< 553 5.1.3
		> RCPT TO:<dave@[IPv6:2001:db8::1]>
		< 553 5.1.3
		> RCPT TO:<dave@[IPv6:2001::db8::1]>
		< 501 5.1.3
		> RCPT TO:<@near.test,@far.test:bob@near.test>
		< 250
		> RCPT TO:<@near.test:>
		< 501 5.1.3
		> RSET
		< 250
		> MAIL FROM:<carol@far.test>
		< 250
		> RCPT TO:<nobody@near.test>
		< 550
		> DATA
		< 554 5.5.1
	`)
}

// An error that carries no reason is a local error, and its text stays here.
func TestErrorTextNeverReachesThePeer(t *testing.T) {
	_, addr := startBackbone(t)
	d := dial(t, addr).play(toBob + `
		> RCPT TO:<plain@near.test>
		< 451 4.3.0 local error
	`)
	if strings.Contains(d.last, "table") {
		t.Errorf("reply %q", d.last)
	}
}

func TestPanicOfABackendIs421(t *testing.T) {
	h, addr := startBackbone(t)
	dial(t, addr).play(toBob + `
		> RCPT TO:<panic@near.test>
		< 421 4.3.0
		eof
	`)
	h.accept = func(context.Context, Envelope, io.Reader) (string, error) { panic("boom") }
	dial(t, addr).play(toBob + `
		> DATA
		< 354
		! "x\r\n.\r\n"
		< 421 4.3.0
		eof
	`)
	dial(t, addr).play(toBob + `
		! "BDAT 3 LAST\r\nx\r\n"
		< 421 4.3.0
		eof
	`)
}

// A backend that says yes to half a message is not believed.
func TestMessageNotReadToItsEndIsNotAccepted(t *testing.T) {
	h, addr := startBackbone(t)
	h.accept = func(context.Context, Envelope, io.Reader) (string, error) { return "early", nil }
	dial(t, addr).play(toBob + `
		> DATA
		< 354
		! "text\r\n.\r\n"
		< 451 4.3.0
		> NOOP
		< 250
	`)
}

func TestRefusalAfterDataNamesOurID(t *testing.T) {
	h, addr := startBackbone(t)
	h.accept = func(_ context.Context, _ Envelope, r io.Reader) (string, error) {
		io.Copy(io.Discard, r)
		return "m7", fmt.Errorf("disk: %w", net.ErrClosed)
	}
	dial(t, addr).play(toBob + `
		> DATA
		< 354
		! "text\r\n.\r\n"
		< 451 4.3.0 local error, try again later (m7)
	`)
}

func TestGuessingRecipientsEndsTheConnection(t *testing.T) {
	_, addr := startBackbone(t)
	d := dial(t, addr).play(toBob)
	for range maxErrors {
		d.play(`
			> RCPT TO:<nobody@near.test>
			< 550`)
	}
	d.play(`
		> RCPT TO:<nobody@near.test>
		< 421
		eof
	`)
}

func TestTooManyRecipients(t *testing.T) {
	_, addr := startBackbone(t, func(o *ServerOptions) { o.Recipients = 1 })
	dial(t, addr).play(toBob + `
		> RCPT TO:<alice@near.test>
		< 452 4.5.3
	`)
}
