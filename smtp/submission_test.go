package smtp

import (
	"encoding/base64"
	"strings"
	"testing"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

const underTLS = `
	< 220
	> EHLO client.test
	< 250
	> STARTTLS
	< 220
	tls
	> EHLO client.test
	<~ AUTH PLAIN LOGIN
`

// EP-4: secured before AUTH and mail.
func TestEP4_EP26_NoAuthWithoutTLS(t *testing.T) {
	_, addr := startSubmission(t)
	d := dial(t, addr).play(`
		< 220
		> EHLO client.test
		<~ STARTTLS
	`)
	if strings.Contains(d.last, "AUTH") {
		t.Errorf("AUTH is offered in clear: %s", d.last)
	}
	d.play(`
		> AUTH PLAIN ` + b64("\x00alice@near.test\x00secret") + `
		< 530 5.7.0 say STARTTLS
		> MAIL FROM:<alice@near.test>
		< 530 5.7.0
	`)
}

// EP-5: PLAIN, and LOGIN for old clients.
func TestEP5_Mechanisms(t *testing.T) {
	user, password := b64("alice@near.test"), b64("secret")
	for name, auth := range map[string]string{
		"plain":               "> AUTH PLAIN " + b64("\x00alice@near.test\x00secret"),
		"plain with identity": "> AUTH PLAIN " + b64("alice@near.test\x00alice@near.test\x00secret"),
		"plain in two":        "> AUTH PLAIN\n< 334\n> " + b64("\x00alice@near.test\x00secret"),
		"login":               "> AUTH LOGIN\n<~ " + b64("Username:") + "\n> " + user + "\n<~ " + b64("Password:") + "\n> " + password,
		"login with user":     "> AUTH LOGIN " + user + "\n<~ " + b64("Password:") + "\n> " + password,
	} {
		t.Run(name, func(t *testing.T) {
			h, addr := startSubmission(t)
			dial(t, addr).play(underTLS + auth + `
				< 235
				> AUTH PLAIN
				< 503
				> MAIL FROM:<alice@near.test>
				< 250
				> RCPT TO:<carol@far.test>
				< 250
				> DATA
				< 354
				! "From: alice@near.test\r\n\r\nhello\r\n.\r\n"
				< 250 2.0.0 accepted as m1
			`)
			if got := h.taken(); len(got) != 1 || got[0].Envelope.Account != alice {
				t.Errorf("accepted %+v", got)
			}
		})
	}
}

// EP-6: a wrong user or password is refused, and the third ends the connection.
func TestEP6_WrongPassword(t *testing.T) {
	_, addr := startSubmission(t)
	wrong := "> AUTH PLAIN " + b64("\x00alice@near.test\x00guess") + "\n< 535 5.7.8\n"
	dial(t, addr).play(underTLS + wrong + `
		> MAIL FROM:<alice@near.test>
		< 530 5.7.0
	` + wrong + wrong + `
		eof
	`)
	dial(t, addr).play(underTLS + `
		> AUTH PLAIN ` + b64("bob@near.test\x00alice@near.test\x00secret") + `
		< 535 5.7.8
		> AUTH PLAIN ` + b64("no separators") + `
		< 501 5.5.2
		> AUTH PLAIN =
		< 501 5.5.2
		> AUTH PLAIN !!!
		< 501 5.5.2
		> AUTH LOGIN
		< 334
		> *
		< 501
		> AUTH CRAM-MD5
		< 504
		> AUTH PLAIN ` + b64("\x00busy\x00x") + `
		< 454 4.7.0
		> AUTH PLAIN ` + b64("\x00panic\x00x") + `
		< 421 4.3.0
		eof
	`)
}

// EP-11: the sender must belong to the account.
func TestEP11_SenderBelongsToTheAccount(t *testing.T) {
	_, addr := startSubmission(t)
	dial(t, addr).play(underTLS + `
		> MAIL FROM:<alice@near.test>
		< 530 5.7.0
		> AUTH PLAIN ` + b64("\x00alice@near.test\x00secret") + `
		< 235
		> MAIL FROM:<bob@near.test>
		< 550 5.7.1
		> MAIL FROM:<>
		< 550 5.7.1
		> MAIL FROM:<ALICE@near.test>
		< 250
		> RCPT TO:<refused@far.test>
		< 550 5.7.1
	`)
}

func TestImplicitTLS(t *testing.T) {
	_, addr := startSubmission(t, func(o *ServerOptions) { o.Implicit = true })
	d := dial(t, addr).play(`
		tls
		< 220
		> EHLO client.test
		<~ AUTH PLAIN LOGIN
	`)
	if strings.Contains(d.last, "STARTTLS") {
		t.Errorf("STARTTLS is offered under TLS: %s", d.last)
	}
	d.play(`
		> AUTH PLAIN ` + b64("\x00alice@near.test\x00secret") + `
		< 235
	`)
}

// A login that the backend no longer knows ends its session at the next message.
func TestEP11_ClosedAccountEndsItsSession(t *testing.T) {
	h, addr := startSubmission(t)
	d := dial(t, addr).play(underTLS + `
		> AUTH PLAIN ` + b64("\x00alice@near.test\x00secret") + `
		< 235
		> MAIL FROM:<alice@near.test>
		< 250
		> RSET
		< 250
	`)
	h.closed.Store(true)
	d.play(`
		> MAIL FROM:<alice@near.test>
		< 530 5.7.0
		eof
	`)
}
