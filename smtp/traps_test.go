package smtp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// RFC 3030: octets of a chunk are no commands and the end of data has no dot.
func TestChunks(t *testing.T) {
	h, addr := startBackbone(t)
	dial(t, addr).play(toBob + `
		! "BDAT 6\r\na\r\n.\r\n"
		< 250
		! "BDAT 0\r\n"
		< 250
		! "BDAT 4 LAST\r\n..\r\n"
		< 250 2.0.0 accepted as m1
	` + strings.Replace(toBob, "< 220 mx.near.test", "", 1) + `
		! "BDAT 2\r\na\r"
		< 250
		! "BDAT 1 LAST\r\n\n"
		< 250 2.0.0 accepted as m2
	` + strings.Replace(toBob, "< 220 mx.near.test", "", 1) + `
		! "BDAT 2 LAST\r\na\r"
		< 550 5.6.11
	`)
	got := h.taken()
	if len(got) != 2 || got[0].Text != "a\r\n.\r\n..\r\n" || got[1].Text != "a\r\n" {
		t.Errorf("accepted %+v", got)
	}
}

// A connection that ends within the last chunk has not sent a whole message,
// whichever way it ends.
func TestHalfAChunkIsNotAccepted(t *testing.T) {
	over := strings.Replace(toBob, "> EHLO", "> EHLO far.test\n<~ STARTTLS\n> STARTTLS\n< 220\ntls\n> EHLO", 1)
	for _, script := range []string{toBob, over} {
		for _, part := range []string{"", "x\r\n", strings.Repeat("x\r\n", 10_000)} {
			h, addr := startBackbone(t)
			d := dial(t, addr).play(script)
			d.send("BDAT 50000 LAST\r\n" + part)
			err := d.conn.(interface{ CloseWrite() error }).CloseWrite()
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, d.conn) // until the server has closed
			if got := h.taken(); len(got) != 0 {
				t.Errorf("accepted %d octets of 50000 (%v)", len(got[0].Text), got[0].Envelope.TLS)
			}
		}
	}
}

func TestWholeChunkUnderTLSIsAccepted(t *testing.T) {
	over := strings.Replace(toBob, "> EHLO", "> EHLO far.test\n<~ STARTTLS\n> STARTTLS\n< 220\ntls\n> EHLO", 1)
	_, addr := startBackbone(t)
	dial(t, addr).play(over + `
		! "BDAT 3 LAST\r\na\r\n"
		< 250 2.0.0 accepted as m1
		> MAIL FROM:<carol@far.test>
		< 250
		> RCPT TO:<bob@near.test>
		< 250
		! ` + fmt.Sprintf("%q", "BDAT 60000 LAST\r\n"+strings.Repeat("x\r\n", 20_000)) + `
		< 250 2.0.0 accepted as m2
		> NOOP
		< 250
	`)
}

// A message that is given up between two chunks is not accepted and gets no answer, and
// the session goes on.
func TestAbortedChunks(t *testing.T) {
	for command, code := range map[string]string{"RSET": "250", "EHLO far.test": "250", "HELO far.test": "250", "QUIT": "221"} {
		h, addr := startBackbone(t)
		d := dial(t, addr).play(toBob + `
			! "BDAT 3\r\na\r\n"
			< 250
			> DATA
			< 503
			> MAIL FROM:<carol@far.test>
			< 503
			> NOOP
			< 250
			> ` + command + `
			< ` + code)
		if command == "QUIT" {
			d.play("eof")
		} else {
			d.play(strings.Replace(toBob, "< 220 mx.near.test", "", 1) + `
				! "BDAT 3 LAST\r\nb\r\n"
				< 250 2.0.0 accepted as m1
			`)
		}
		for _, m := range h.taken() {
			if m.Text != "b\r\n" {
				t.Errorf("%s: accepted %+v", command, m)
			}
		}
	}
}

// An empty chunk and RSET at once leave no answer behind that another message gets.
func TestEmptyChunkAndRSETAtOnce(t *testing.T) {
	h, addr := startBackbone(t)
	d := dial(t, addr).play(toBob)
	d.send("BDAT 0\r\nRSET\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nBDAT 0\r\nBDAT 3 LAST\r\na\r\n")
	d.play("< 250\n< 250\n< 250\n< 250\n< 250\n< 250 2.0.0 accepted as m1")
	if got := h.taken(); len(got) != 1 || got[0].Text != "a\r\n" {
		t.Errorf("accepted %+v", got)
	}
}

func TestResetAfterRCPTGoesOn(t *testing.T) {
	_, addr := startBackbone(t)
	dial(t, addr).play(toBob + "> RSET\n< 250\n" + strings.Replace(toBob, "< 220 mx.near.test", "", 1) + `
		> DATA
		< 354
		! "x\r\n.\r\n"
		< 250 2.0.0 accepted as m1
	`)
}

func TestChunkWithoutRecipientIsSkipped(t *testing.T) {
	_, addr := startBackbone(t)
	dial(t, addr).play(`
		< 220
		> EHLO far.test
		< 250
		! "BDAT 6 LAST\r\nQUIT\r\n"
		< 503 5.5.1
		> NOOP
		< 250
	`)
}

// RFC 5322 §2.1.1: 998 octets and CRLF. The session is not lost.
func TestLongLines(t *testing.T) {
	for _, n := range []int{997, 998, 999, 1999, 2000, 2001, 5000, 90_000} {
		want := "< 550 5.6.0"
		if n <= 998 {
			want = "< 250"
		}
		_, addr := startBackbone(t)
		line := strings.Repeat("x", n)
		dial(t, addr).play(toBob + `
			> DATA
			< 354
			> ` + line + `
			> .
			` + want + `
			> NOOP
			< 250
		`)
	}
}

func TestNULIsRefused(t *testing.T) {
	_, addr := startBackbone(t)
	dial(t, addr).play(toBob + `
		> DATA
		< 354
		! "a\x00b\r\n.\r\n"
		< 550 5.6.0
	`)
}

func TestEndlessCommandLineEndsTheConnection(t *testing.T) {
	_, addr := startBackbone(t)
	d := dial(t, addr).play("< 220")
	go func() { // the server stops reading in the midst of it
		for {
			_, err := d.conn.Write([]byte(strings.Repeat("x", 1000)))
			if err != nil {
				return
			}
		}
	}()
	// The reply may be lost, for the server closes with octets unread.
	_, err := io.Copy(io.Discard, d.r)
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		t.Error("the server goes on reading")
	}
}

// RFC 1870: a size above the limit is refused when declared and when counted;
// a message of exactly the limit is taken.
func TestSizeLimit(t *testing.T) {
	const limit = 3000
	line := strings.Repeat("x", 98) + "\r\n"
	full := strings.Repeat(line, limit/100)
	h, addr := startBackbone(t, func(o *ServerOptions) { o.MessageBytes = limit })
	again := strings.Replace(toBob, "< 220 mx.near.test", "", 1)
	dial(t, addr).play(toBob + `
		> DATA
		< 354
		! ` + fmt.Sprintf("%q", full+".\r\n") + `
		< 250
	` + again + `
		> DATA
		< 354
		! ` + fmt.Sprintf("%q", full+"\r\n.\r\n") + `
		< 552 5.3.4
	` + again + `
		> DATA
		< 354
		! ` + fmt.Sprintf("%q", strings.Repeat(full, 20)+"\r\n.\r\n") + `
		< 552 5.3.4
		> MAIL FROM:<carol@far.test> SIZE=3001
		< 552 5.3.4
		> MAIL FROM:<carol@far.test> SIZE=99999999
		< 552 5.3.4
		> MAIL FROM:<carol@far.test> SIZE=3000
		< 250
	` + again + `
		! ` + fmt.Sprintf("%q", fmt.Sprintf("BDAT %d LAST\r\n%s", limit, full)) + `
		< 250
	` + again + `
		! ` + fmt.Sprintf("%q", fmt.Sprintf("BDAT %d LAST\r\n%s\r\n", limit+2, full)) + `
		< 552 5.3.4
	`)
	if got := h.taken(); len(got) != 2 || got[0].Text != full || got[1].Text != full {
		t.Errorf("accepted %d messages", len(got))
	}
}

// RFC 3207 §6: what came in clear behind STARTTLS must not be taken for a
// command of the protected session. Nor does such a session begin.
func TestPlaintextBehindSTARTTLSEndsTheConnection(t *testing.T) {
	for _, before := range []string{"", "EHLO far.test\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\n"} {
		_, addr := startBackbone(t)
		d := dial(t, addr).play("< 220")
		d.send(before + "STARTTLS\r\nEHLO mallory.test\r\nMAIL FROM:<mallory@far.test>\r\n")
		if before != "" {
			d.play("< 250\n< 250\n< 250")
		}
		d.play(`
			< 503 5.5.1
			eof
		`)
	}
}

// The state of before STARTTLS is forgotten (RFC 3207 §4.2).
func TestSTARTTLSForgetsTheSession(t *testing.T) {
	_, addr := startBackbone(t)
	dial(t, addr).play(toBob + `
		> STARTTLS
		< 220
		tls
		> RCPT TO:<bob@near.test>
		< 503
		> MAIL FROM:<carol@far.test>
		< 503
		> DATA
		< 503
		> STARTTLS
		< 503
	`)
}

// A client that breaks off between two chunks gets one answer.
func TestSilenceBetweenChunks(t *testing.T) {
	h, addr := startBackbone(t, func(o *ServerOptions) { o.CommandIdle = 100 * time.Millisecond })
	dial(t, addr).play(toBob + `
		! "BDAT 3\r\na\r\n"
		< 250
		< 421 4.4.2
		eof
	`)
	if got := h.taken(); len(got) != 0 {
		t.Errorf("accepted %+v", got)
	}
}

// A client may wait for 354 with a part of its message sent.
func TestPartOfAMessageAhead(t *testing.T) {
	_, addr := startBackbone(t)
	d := dial(t, addr).play(toBob)
	d.send("DATA\r\nx: y\r\n")
	d.play("< 354\n! \"\\r\\nz\\r\\n.\\r\\n\"\n< 250")
}
