package smtp

import (
	"fmt"
	"strings"
	"testing"
)

// EP-7: what each command is answered in each state of a session. "-" ends it.
func TestEP7_EveryCommandInEveryState(t *testing.T) {
	const (
		hello   = "> EHLO client.test\n< 250\n"
		mail    = "> MAIL FROM:<alice@near.test>\n< 250\n"
		rcpt    = "> RCPT TO:<bob@near.test>\n< 250\n"
		refused = "> RCPT TO:<refused@far.test>\n< 550\n"
		chunk   = "! \"BDAT 3\\r\\nx\\r\\n\"\n< 250\n"
		secure  = hello + "> STARTTLS\n< 220\ntls\n"
	)
	login := "> AUTH PLAIN " + b64("\x00alice@near.test\x00secret") + "\n< 235\n"
	commands := []string{
		"EHLO x", "HELO x", "MAIL FROM:<alice@near.test>", "RCPT TO:<bob@near.test>", "DATA", "BDAT 3 LAST", "RSET", "NOOP",
		"VRFY x", "EXPN x", "HELP", "AUTH PLAIN " + b64("\x00alice@near.test\x00secret"), "STARTTLS", "QUIT", "FOO",
	}
	for state, row := range map[string]struct{ script, want string }{
		"in clear":         {"", "250 250 530 530 530 530 250 250 530 502 214 530 220 221 500"},
		"in clear, hello":  {hello, "250 250 530 530 530 530 250 250 530 502 214 530 220 221 500"},
		"under TLS":        {secure, "250 250 503 503 503 503 250 250 252 502 214 235 503 221 500"},
		"under TLS, hello": {secure + hello, "250 250 530 503 503 503 250 250 252 502 214 235 503 221 500"},
		"logged in":        {secure + hello + login, "250 250 250 503 503 503 250 250 252 502 214 503 503 221 500"},
		"MAIL":             {secure + hello + login + mail, "250 250 503 250 503 503 250 250 252 502 214 503 503 221 500"},
		"RCPT refused":     {secure + hello + login + mail + refused, "250 250 503 250 554 554 250 250 252 502 214 503 503 221 500"},
		"RCPT":             {secure + hello + login + mail + rcpt, "250 250 503 250 354 250 250 250 252 502 214 503 503 221 500"},
		"in chunks":        {secure + hello + login + mail + rcpt + chunk, "250 250 503 503 503 250 250 250 503 503 214 503 503 221 503"},
	} {
		t.Run(state, func(t *testing.T) {
			want := strings.Fields(row.want)
			for i, command := range commands {
				_, addr := startSubmission(t)
				d := dial(t, addr).play("< 220\n" + row.script)
				line := command + "\r\n"
				if strings.HasPrefix(command, "BDAT") {
					line += "y\r\n"
				}
				d.play("! " + fmt.Sprintf("%q", line) + "\n< " + want[i])
				switch want[i] {
				case "221":
					d.play("eof")
				case "220":
					d.play("tls\n> NOOP\n< 250")
				case "354":
					d.play("! \"x: y\\r\\n.\\r\\n\"\n< 250\n> NOOP\n< 250")
				default:
					d.play("> NOOP\n< 250")
				}
			}
		})
	}
}

// RFC 3461 and RFC 6531 at submission: what the parameters may be.
func TestParametersOfSubmission(t *testing.T) {
	h, addr := startSubmission(t)
	d := dial(t, addr).play(underTLS + "> AUTH PLAIN " + b64("\x00alice@near.test\x00secret") + "\n< 235")
	for params, want := range map[string]string{
		"RET=FULL ENVID=a+2Bb+3Dc SMTPUTF8 BODY=8BITMIME SIZE=10 AUTH=alice+40near.test": "250",
		"AUTH=<>": "250", "ret=hdrs": "250", "ENVID=" + strings.Repeat("x", 100): "250",
		"RET=ALL": "501 5.5.4", "ENVID=": "501 5.5.2", "ENVID=a+2": "501 5.5.4", "ENVID=a+0Ab": "501 5.5.4", "ENVID=a+2bb": "501 5.5.4",
		"ENVID=" + strings.Repeat("x", 101): "501 5.5.4", "SMTPUTF8=1": "501 5.5.4", "REQUIRETLS": "555 5.5.4", "MT-PRIORITY=3": "555 5.5.4",
	} {
		d.play("> MAIL FROM:<alice@near.test> " + params + "\n< " + want + "\n> RSET\n< 250")
	}
	d.play("> MAIL FROM:<alice@near.test> ENVID=a+2Bb\n< 250")
	for params, want := range map[string]string{
		"NOTIFY=NEVER": "250", "NOTIFY=success,Failure,DELAY": "250", "ORCPT=rfc822;bob+40near.test": "250",
		"NOTIFY=NEVER,DELAY": "501 5.5.4", "NOTIFY=DELAY,DELAY": "501 5.5.4", "NOTIFY=SOMETIMES": "501 5.5.4", "NOTIFY=": "501 5.5.2",
		"ORCPT=bob@near.test": "501 5.5.4", "ORCPT=;bob": "501 5.5.4", "ORCPT=rfc822;": "501 5.5.4",
		"ORCPT=rfc822;" + strings.Repeat("x", 500): "501 5.5.4", "SIZE=1": "555 5.5.4",
	} {
		d.play("> RCPT TO:<carol@far.test> " + params + "\n< " + want)
	}
	d.play(`
		> RSET
		< 250
		> MAIL FROM:<alice@near.test> ENVID=a+2Bb
		< 250
		> RCPT TO:<carol@far.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Carol+2B@far.test
		< 250
		> RCPT TO:<CAROL@far.test> NOTIFY=NEVER
		< 250
		> DATA
		< 354
		! "x: y\r\n.\r\n"
		< 250
	`)
	e := h.taken()[0].Envelope
	if len(e.Asked) != 1 || e.Asked[0] != (Asked{NotifySuccess | NotifyFailure, "rfc822;Carol+@far.test"}) || e.EnvelopeID != "a+b" {
		t.Errorf("got %+v, %q", e.Asked, e.EnvelopeID)
	}
}
