package smtp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"postern/mime"
)

// EP-7: bad order and bad syntax are refused, each with the reply that RFC 5321 §4.2.2
// and §4.3.2 give it, and the session goes on.
func TestEP7_OrderAndSyntax(t *testing.T) {
	_, addr := startBackbone(t)
	dial(t, addr).play(`
		< 220
		> MAIL FROM:<a@far.test>
		< 503 5.5.1
		> NOOP
		< 250 2.0.0
		> NOOP and more
		< 250 2.0.0
		> HELP
		< 214 2.0.0
		> HELP MAIL
		< 214 2.0.0
		> EHLO
		< 501 5.5.4
		> EHLO two words
		< 501 5.5.4
		> HELO far.test
		< 250 2.0.0
		> MAIL FROM:<a@far.test> SIZE=10
		< 555 5.5.4
		> ehlo [IPv6:2001:db8::1]
		< 250
		> RCPT TO:<bob@near.test>
		< 503 5.5.1
		> DATA
		< 503 5.5.1
		> VRFY bob
		< 252 2.5.0
		> VRFY
		< 501 5.5.4
		> EXPN staff
		< 502 5.5.1
		> TURN
		< 502 5.5.1
		> AUTH PLAIN AGEAYg==
		< 502 5.5.1
		> RSET now
		< 501 5.5.4
		> QUIT now
		< 501 5.5.4
		> STARTTLS abcd
		< 501 5.5.4
		> MAIL FROM:<carol@far.test>
		< 250 2.1.0
		> MAIL FROM:<carol@far.test>
		< 503 5.5.1
		> DATA
		< 503 5.5.1
		> RCPT TO:<bob@near.test>
		< 250 2.1.5
		> DATA now
		< 501 5.5.4
		> RSET
		< 250
		> RCPT TO:<bob@near.test>
		< 503 5.5.1
		> mail from: <carol@far.test> size=12 body=8bitmime
		< 250
		> Rcpt To:<bob@near.test>
		< 250
		> EHLO far.test
		< 250
		> DATA
		< 503 5.5.1
		> QUIT
		< 221 2.0.0
		eof
	`)
}

// EP-7: lines that are no commands of SMTP, and paths that are none.
func TestEP7_Syntax(t *testing.T) {
	const hello, mail = "< 220\n> EHLO far.test\n< 250\n", "> MAIL FROM:<carol@far.test>\n< 250\n"
	for line, want := range map[string]string{
		"NONSENSE":                                             "500 5.5.2",
		"XYZZ":                                                 "500 5.5.2",
		"":                                                     "500 5.5.2",
		" NOOP":                                                "500 5.5.2",
		"NOOP\tx":                                              "500 5.5.2",
		"MAILFROM:<a@far.test>":                                "500 5.5.2",
		"MAIL":                                                 "501 5.5.2",
		"MAIL TO:<a@far.test>":                                 "501 5.5.2",
		"MAIL FROM a@far.test":                                 "501 5.5.2",
		"MAIL FROM:a@far.test":                                 "501 5.1.7",
		"MAIL FROM:<a@far.test":                                "501 5.1.7",
		"MAIL FROM:<not an address>":                           "501 5.1.7",
		"MAIL FROM:<a@b@far.test>":                             "501 5.1.7",
		"MAIL FROM:<a..b@far.test>":                            "501 5.1.7",
		"MAIL FROM:<a@far..test>":                              "501 5.1.7",
		"MAIL FROM:<a@-far.test>":                              "501 5.1.7",
		"MAIL FROM:<a@far_.test>":                              "501 5.1.7",
		"MAIL FROM:<postmaster>":                               "501 5.1.7",
		"MAIL FROM:<a>":                                        "501 5.1.7",
		"MAIL FROM:<\"a@far.test>":                             "501 5.1.7",
		"MAIL FROM:<carol@localhost>":                          "553 5.1.7",
		"MAIL FROM:<carol@[192.0.2.1]>":                        "553 5.1.7",
		"MAIL FROM:<carol@[192.0.2.256]>":                      "501 5.1.7",
		"MAIL FROM:<a@far.test> SMTPUTF8":                      "555 5.5.4",
		"MAIL FROM:<a@far.test> BODY=BINARYMIME":               "555 5.5.4",
		"MAIL FROM:<a@far.test> BODY=9BIT":                     "501 5.5.4",
		"MAIL FROM:<a@far.test> BODY":                          "501 5.5.4",
		"MAIL FROM:<a@far.test> RET=HDRS":                      "555 5.5.4",
		"MAIL FROM:<a@far.test> AUTH=<>":                       "555 5.5.4",
		"MAIL FROM:<a@far.test> X-UNKNOWN=1":                   "555 5.5.4",
		"MAIL FROM:<a@far.test> SIZE=1 SIZE=1":                 "501 5.5.2",
		"MAIL FROM:<a@far.test> SIZE=":                         "501 5.5.2",
		"MAIL FROM:<a@far.test> SIZE=x":                        "501 5.5.4",
		"MAIL FROM:<a@far.test>SIZE=1":                         "501 5.5.2",
		"MAIL FROM:<a@far.test> SIZE=99999999999999999999":     "552 5.3.4",
		"MAIL FROM:<a@far.test> SIZE=999999999999999999999":    "501 5.5.4",
		"MAIL FROM:<>":                                         "250 2.1.0",
		"MAIL FROM:<\"a b\"@far.test>":                         "250 2.1.0",
		"MAIL FROM:<\"a>b\\\"\"@far.test>":                     "250 2.1.0",
		"MAIL FROM:<@x.test,@y.test:a@far.test>":               "250 2.1.0",
		"MAIL FROM:<a@far.test>   ":                            "250 2.1.0",
		"MAIL FROM:<" + strings.Repeat("a", 64) + "@far.test>": "250 2.1.0",
		"MAIL FROM:<" + strings.Repeat("a", 65) + "@far.test>": "501 5.1.7",
		"MAIL FROM:<δ@far.test>":                               "553 5.6.7",
	} {
		_, addr := startBackbone(t)
		dial(t, addr).play(hello + "! " + fmt.Sprintf("%q", line+"\r\n") + "\n< " + want + "\n> NOOP\n< 250")
	}
	for line, want := range map[string]string{
		"RCPT FROM:<bob@near.test>":            "501 5.5.2",
		"RCPT TO:bob@near.test":                "501 5.1.3",
		"RCPT TO:<>":                           "501 5.1.3",
		"RCPT TO:<bob>":                        "501 5.1.3",
		"RCPT TO:<bob@near.test> NOTIFY=NEVER": "555 5.5.4",
		"RCPT TO:<bob@near.test> X=1":          "555 5.5.4",
		"RCPT TO:<bob@near>":                   "553 5.1.3",
		"RCPT TO:<\"bob\"@near.test>":          "250 2.1.5",
		"RCPT TO:<\"b\\ob\"@NEAR.test>":        "250 2.1.5",
		"RCPT TO: <bob@near.test>":             "250 2.1.5",
		"RCPT TO:<böb@near.test>":              "553 5.6.7",
		"RCPT TO:<postmaster>":                 "550 5.1.1",
	} {
		_, addr := startBackbone(t)
		dial(t, addr).play(hello + mail + "! " + fmt.Sprintf("%q", line+"\r\n") + "\n< " + want + "\n> NOOP\n< 250")
	}
}

// EP-7, RFC 5321 §2.3.8: a command ends in CR LF, and control characters are no part
// of one. The line is over at its LF all the same.
func TestEP7_LinesOfCommands(t *testing.T) {
	for _, text := range []string{"NOOP\n", "NOOP\r\r\n", "NO\rOP\r\n", "NOOP\x00\r\n", "\x16\x03\x01\n", "\n"} {
		_, addr := startBackbone(t)
		dial(t, addr).play("< 220\n! " + fmt.Sprintf("%q", text) + "\n< 500 5.5.2\n> NOOP\n< 250")
	}
}

// EP-10: the sizes of RFC 5321 §4.5.3.1 are taken, and longer command lines answered. They
// are the RFC's own numbers here, and not whatever ours are.
func TestEP10_Sizes(t *testing.T) {
	h, addr := startBackbone(t)
	local := strings.Repeat("l", 64)
	label := strings.Repeat("d", 63) + "."
	path := local + "@" + label + label + strings.Repeat("d", 56) + ".test" // 256 octets with its brackets
	domain := "l@" + label + label + label + strings.Repeat("d", 55) + ".test"
	route := "@" + strings.Repeat("h", 40) + ".test:"
	d := dial(t, addr).play(`
		< 220
		> EHLO ` + strings.Repeat("h", 255) + `
		< 250
		> MAIL FROM:<` + path + `>` + strings.Repeat(" ", 512) + `SIZE=10
		< 250
		> RCPT TO:<` + route + `bob@near.test>
		< 250
		> RSET
		< 250
		> MAIL FROM:<` + domain + `>
		< 250
		> RSET
		< 250
		> MAIL FROM:<` + path + `d>
		< 501 5.1.7
		> MAIL FROM:<l` + local + `@near.test>
		< 501 5.1.7
		> NOOP ` + strings.Repeat("x", 12000) + `
		< 250
		> NOOP ` + strings.Repeat("x", 20000) + `
		< 500 5.5.2
	`)
	d.play("> MAIL FROM:<carol@far.test>\n< 250")
	var to []mime.Address
	for i := range 100 {
		one := mustAddress(fmt.Sprintf("r%d@many.test", i))
		d.play("> RCPT TO:<" + one.String() + ">\n< 250")
		to = append(to, one)
	}
	d.play(`
		> DATA
		< 354
		> ` + strings.Repeat("y", 998) + `
		! ` + fmt.Sprintf("%q", strings.Repeat(strings.Repeat("z", 78)+"\r\n", 900)+".\r\n") + `
		< 250
	`)
	got := h.taken()
	if len(got) != 1 || len(got[0].Text) != 1000+900*80 || !slices.Equal(got[0].Envelope.To, to) {
		t.Errorf("accepted %d messages: %.2000v", len(got), got)
	}
}

// What EHLO offers is true, and nothing is offered that is not.
func TestExtensionsOffered(t *testing.T) {
	_, addr := startBackbone(t)
	d := dial(t, addr).play("< 220\n> EHLO far.test\n< 250")
	want := "250-mx.near.test\n250-STARTTLS\n250-PIPELINING\n250-8BITMIME\n250-ENHANCEDSTATUSCODES\n250-CHUNKING\n250-SIZE 100000\n250 LIMITS RCPTMAX=100"
	if d.last != want {
		t.Errorf("the backbone offers\n%s", d.last)
	}
	_, addr = startSubmission(t)
	d = dial(t, addr).play("< 220\n> EHLO far.test\n< 250\n> STARTTLS\n< 220\ntls\n> EHLO far.test\n< 250")
	want = "250-mx.near.test\n250-AUTH PLAIN LOGIN\n250-PIPELINING\n250-8BITMIME\n250-ENHANCEDSTATUSCODES\n250-CHUNKING\n250-DSN\n250-SMTPUTF8\n250-SIZE 100000\n250 LIMITS RCPTMAX=100"
	if d.last != want {
		t.Errorf("submission offers\n%s", d.last)
	}
}

// RFC 2920: replies come in the order of the commands, however these come.
func TestPipelining(t *testing.T) {
	h, addr := startBackbone(t)
	d := dial(t, addr).play("< 220")
	for range 3 {
		d.send("EHLO far.test\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nRCPT TO:<nobody@near.test>\r\nDATA\r\nx: y\r\n\r\nz\r\n.\r\nNOOP\r\n")
		d.play("< 250\n< 250 2.1.0\n< 250 2.1.5\n< 550 5.1.1\n< 354\n< 250 2.0.0 accepted\n< 250 2.0.0 ok")
	}
	if got := h.taken(); len(got) != 3 {
		t.Errorf("accepted %d messages", len(got))
	}
}
