package smtp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// EP-8, RFC 5321 §2.3.8: only CR LF ends a line and only CR LF . CR LF the data.
// Each of these is read on to the true end, refused, and the session goes on.
func TestEP8_LineEndsOtherThanCRLF(t *testing.T) {
	hidden := "MAIL FROM:<mallory@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\nforged\r\n"
	for name, text := range map[string]string{
		"bare LF":      "one\ntwo\r\n",
		"bare CR":      "one\rtwo\r\n",
		"LF . LF":      "x\n.\n" + hidden,
		"LF . CRLF":    "x\n.\r\n" + hidden,
		"CR . CRLF":    "x\r.\r\n" + hidden,
		"CR . CR":      "x\r.\r" + hidden,
		"CRLF . LF":    "x\r\n.\n" + hidden,
		"CR CRLF":      "x\r\r\n",
		"CR CRLF . CR": "x\r\r\n.\r\r\n" + hidden,
		"LF first":     "\nx\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			h, addr := startBackbone(t)
			dial(t, addr).play(toBob + `
				> DATA
				< 354
				! ` + fmt.Sprintf("%q", text+"\r\n.\r\n") + `
				< 550 5.6.11
				> NOOP
				< 250
			`)
			chunk := fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text)
			dial(t, addr).play(toBob + `
				! ` + fmt.Sprintf("%q", chunk) + `
				< 550 5.6.11
				> NOOP
				< 250
			`)
			if got := h.taken(); len(got) != 0 {
				t.Errorf("accepted %+v", got)
			}
		})
	}
}

// CR LF . CR without LF does not end the data, and no bare CR is taken.
func TestDotAndCRDoNotEndTheData(t *testing.T) {
	h, addr := startBackbone(t)
	dial(t, addr).play(toBob + `
		> DATA
		< 354
		! "x\r\n.\rMAIL FROM:<mallory@far.test>\r\n.\r\n"
		< 250
		> NOOP
		< 250 2.0.0 I have
	`)
	got := h.taken()
	if len(got) != 1 || got[0].Text != "x\r\nMAIL FROM:<mallory@far.test>\r\n" {
		t.Errorf("accepted %+v", got)
	}
}

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

// A message given up between two chunks is not accepted, and its late answer
// cannot be taken for that of the next one: the connection ends.
func TestAbortedChunksEndTheConnection(t *testing.T) {
	for _, command := range []string{"RSET", "EHLO far.test"} {
		h, addr := startBackbone(t)
		dial(t, addr).play(toBob + `
			! "BDAT 3\r\na\r\n"
			< 250
			> ` + command + `
			< 250
			eof
		`)
		if got := h.taken(); len(got) != 0 {
			t.Errorf("%s: accepted %+v", command, got)
		}
	}
}

// An empty chunk and RSET at once must not leave an answer behind that another
// message gets.
func TestEmptyChunkAndRSETAtOnce(t *testing.T) {
	h, addr := startBackbone(t)
	for range 50 {
		d := dial(t, addr).play(toBob)
		d.send("BDAT 0\r\nRSET\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nBDAT 0\r\nBDAT 3 LAST\r\na\r\n")
		d.play("< 250\n< 250\n< 421\n")
		io.Copy(io.Discard, d.conn) // until the server has closed
	}
	if got := h.taken(); len(got) != 0 {
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
		< 502
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
// command of the protected session.
func TestPlaintextBehindSTARTTLSIsDropped(t *testing.T) {
	_, addr := startBackbone(t)
	d := dial(t, addr).play(`
		< 220
		> EHLO far.test
		< 250
		! "STARTTLS\r\nEHLO mallory.test\r\nMAIL FROM:<mallory@far.test>\r\n"
		< 220
		tls
		> NOOP
		< 250
		> MAIL FROM:<carol@far.test>
		< 502
	`)
	if strings.Contains(d.last, "mallory") {
		t.Errorf("reply %q", d.last)
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
		< 502
		> DATA
		< 502
		> STARTTLS
		< 502
	`)
}
