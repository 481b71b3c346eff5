package smtp

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// hidden is a message that somebody wants to smuggle in behind another.
const hidden = "MAIL FROM:<mallory@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\nforged\r\n"

// EP-8, RFC 5321 §2.3.8: only CR LF ends a line and only CR LF . CR LF the data. Each
// of these is read on to the true end, by DATA and by BDAT, is refused, and the
// session goes on.
func TestEP8_LineEndsOtherThanCRLF(t *testing.T) {
	for name, text := range map[string]string{
		"bare LF":         "one\ntwo\r\n",
		"bare CR":         "one\rtwo\r\n",
		"LF . LF":         "x\n.\n" + hidden,
		"LF . CRLF":       "x\n.\r\n" + hidden,
		"LF . CR":         "x\n.\r" + hidden,
		"CR . CRLF":       "x\r.\r\n" + hidden,
		"CR . CR":         "x\r.\r" + hidden,
		"CR . LF":         "x\r.\n" + hidden,
		"CRLF . LF":       "x\r\n.\n" + hidden,
		"CRLF . CR":       "x\r\n.\r" + hidden,
		"CRLF . CR CRLF":  "x\r\n.\r\r\n" + hidden,
		"CRLF . CR CR":    "x\r\n.\r\r" + hidden,
		"CR CRLF":         "x\r\r\ny\r\n",
		"CR CRLF . CR":    "x\r\r\n.\r\r\n" + hidden,
		"LF CRLF":         "x\n\r\n",
		"NUL CRLF . CRLF": "x\x00\r\n",
		"LF first":        "\nx\r\n",
		"CR first":        "\rx\r\n",
		"LF . LF first":   ".\n" + hidden,
		"CR LF apart":     "x\r \n.\r \n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			h, addr := startBackbone(t)
			want := "550 5.6.11"
			if strings.HasPrefix(name, "NUL") {
				want = "550 5.6.0"
			}
			dial(t, addr).play(toBob + `
				> DATA
				< 354
				! ` + fmt.Sprintf("%q", text+"\r\n.\r\n") + `
				< ` + want + `
				> NOOP
				< 250
			`)
			chunk := fmt.Sprintf("BDAT %d LAST\r\n%s", len(text), text)
			dial(t, addr).play(toBob + `
				! ` + fmt.Sprintf("%q", chunk) + `
				< ` + want + `
				> NOOP
				< 250
			`)
			d := dial(t, addr).play("< 220")
			d.send("EHLO far.test\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\n" + text + "\r\n.\r\nNOOP\r\n")
			d.play("< 250\n< 250\n< 250\n< 354\n< " + want + "\n< 250")
			if got := h.taken(); len(got) != 0 {
				t.Errorf("accepted %+v", got)
			}
		})
	}
}

// CR CR LF . CR LF has the end of the data in it. To whom that is no end, what follows
// is still the message: nothing of it is read as commands.
func TestEP8_CommandsBehindAnOddEndAreNone(t *testing.T) {
	h, addr := startBackbone(t)
	dial(t, addr).play(toBob + `
		> DATA
		< 354
		! ` + fmt.Sprintf("%q", "x\r\r\n.\r\n"+hidden+".\r\n") + `
		< 550 5.6.11
		eof
	`)
	if got := h.taken(); len(got) != 0 {
		t.Errorf("accepted %+v", got)
	}
}

// A client that takes something else for the end of the data waits for an answer, and
// gets one soon.
func TestEP8_ALoneDotIsAnsweredSoon(t *testing.T) {
	for _, end := range []string{"\n.\n", "\n.\r\n", "\r.\r", "\r\n.\n", "\r\n.\r", "\r\n.\r\r\n", "\r.\r\n", "\r\r\n.\r\r\n", "\n.\r"} {
		t.Run(fmt.Sprintf("%q", end), func(t *testing.T) {
			inBubble(t, func(t *testing.T, _ *Server, p *testnet.Pipes) {
				c := visit(p)
				defer c.conn.Close()
				for _, line := range []string{"EHLO far.test", "MAIL FROM:<carol@far.test>", "RCPT TO:<bob@near.test>", "DATA"} {
					c.say(line)
				}
				began := time.Now()
				go func() { _, _ = io.WriteString(c.conn, "x"+end) }()
				if got := c.read(); !strings.HasPrefix(got, "550 5.6.11") || time.Since(began) != loneDotWait {
					t.Errorf("%q after %v", got, time.Since(began))
				}
				if got := c.read(); got != "EOF" {
					t.Errorf("then %q", got)
				}
			})
		})
	}
}

// What a client sends behind DATA before it is let is no list of commands when DATA is
// refused.
func TestMessageBehindARefusedDATAIsNoCommand(t *testing.T) {
	h, addr := startBackbone(t)
	d := dial(t, addr).play("< 220")
	d.send("EHLO far.test\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<nobody@near.test>\r\nDATA\r\n" + hidden + ".\r\n")
	d.play("< 250\n< 250\n< 550\n< 554 5.5.1\neof")
	if got := h.taken(); len(got) != 0 {
		t.Errorf("accepted %+v", got)
	}
}

// The message of a client that does not wait for the answer to DATA may come after that
// answer: what it begins with is no command, and nothing behind that is one.
func TestMessageComesAfterARefusedDATA(t *testing.T) {
	for _, begin := range []string{"Subject: x", "", "AAAA", "From : a@a.test", "\x01", strings.Repeat("x", 13_000)} {
		h, addr := startBackbone(t)
		dial(t, addr).play("< 220\n> EHLO far.test\n< 250\n> MAIL FROM:<carol@far.test>\n< 250\n> RCPT TO:<dave@near.test>\n< 550\n> DATA\n< 554\n" +
			"! " + fmt.Sprintf("%q", begin+"\r\n\r\nRSET\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\nx: y\r\n.\r\n") + "\n< 500\neof")
		if got := h.taken(); len(got) != 0 {
			t.Errorf("%.20q: %+v", begin, got)
		}
	}
	const inner = "Subject: x\r\n\r\nRSET\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\nx: y\r\n.\r\n"
	for line, code := range map[string]string{
		"DATA x\r\n": "501", "DATA\n": "500", "\x00DATA\r\n": "500", " data\x7f\r\n": "500",
		"DATA" + strings.Repeat(" ", 13_000) + "\r\n": "500", "DATA.\r\n": "500", `"DATA"` + "\r\n": "500", `data\r\n` + "\r\n": "500", "D ATA\r\n": "500",
	} {
		for _, apart := range []bool{false, true} {
			h, addr := startBackbone(t)
			d := dial(t, addr).play(toBob)
			if !apart {
				d.send(line + inner)
			} else {
				d.send(line)
			}
			d.play("< " + code)
			if apart {
				d.send(inner)
				d.play("< 500")
			}
			d.play("eof")
			if got := h.taken(); len(got) != 0 {
				t.Errorf("%q: %+v", line, got)
			}
		}
	}
	for _, apart := range []bool{false, true} { // between chunks
		h, addr := startBackbone(t)
		d := dial(t, addr).play(toBob)
		d.send("BDAT 3\r\nx: ")
		d.play("< 250")
		if apart {
			d.play("> DATA\n< 503")
			d.send(inner)
			d.play("< 503\neof")
		} else {
			d.send("DATA\r\n" + inner)
			d.play("< 503\neof")
		}
		if got := h.taken(); len(got) != 0 {
			t.Errorf("between chunks: %+v", got)
		}
	}
	_, addr := startBackbone(t)
	dial(t, addr).play(toBob + "> RSET\n< 250\n> DATA\n< 503\n> NOOP\n< 250\n> MAIL FROM:<carol@far.test>\n< 250\n> FOO\n< 500\n> NOOP\n< 250")
}

// What came with DATA, and the session has not read yet, is no list of commands either:
// behind what its buffer holds, and in another record of TLS.
func TestMessageBehindARefusedDATAIsLookedFor(t *testing.T) {
	h, addr := startBackbone(t)
	d := dial(t, addr).play("< 220\n> EHLO far.test\n< 250\n> MAIL FROM:<carol@far.test>\n< 250\n> RCPT TO:<dave@near.test>\n< 550")
	const data = "DATA\r\n"
	const inner = "RSET\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\nx: y\r\n.\r\n"
	d.send("NOOP " + strings.Repeat("x", 4096-len("NOOP \r\n")-len(data)) + "\r\n" + data + inner)
	d.play("< 250\n< 554")
	if _, err := d.r.ReadByte(); err != io.EOF { // no reset, which may take the reply back
		t.Errorf("behind the reply there is %v", err)
	}

	over := "< 220\n> EHLO far.test\n<~ STARTTLS\n> STARTTLS\n< 220\ntls\n> EHLO far.test\n< 250\n> MAIL FROM:<carol@far.test>\n< 250\n> RCPT TO:<dave@near.test>\n< 550"
	d = dial(t, addr).play(over)
	d.send("NOOP " + strings.Repeat("x", 4096-len("NOOP \r\n")-len(data)) + "\r\n" + data + inner) // one record, of which a part is read
	d.play("< 250\n< 554\neof")
	if got := h.taken(); len(got) != 0 {
		t.Errorf("accepted %+v", got)
	}
}

// A chunk whose length cannot be read ends the connection: its octets are no commands.
func TestChunkOfUnknownLengthEndsTheConnection(t *testing.T) {
	for _, bdat := range []string{"BDAT", "BDAT x", "BDAT -1 LAST", "BDAT 5 FIRST", "BDAT 5 LAST 6", "BDAT 99999999999 LAST"} {
		h, addr := startBackbone(t)
		d := dial(t, addr).play(toBob)
		d.send(bdat + "\r\nRSET\r\n" + hidden + ".\r\n")
		d.play("< 5\neof")
		if got := h.taken(); len(got) != 0 {
			t.Errorf("%s: accepted %+v", bdat, got)
		}
	}
}

// Dots at the beginning of lines are taken off once, wherever the octets are cut.
func TestDotsAreTakenOffOnce(t *testing.T) {
	for _, size := range []int{1, 2, 3, 7, 4096, 1 << 20} {
		h, addr := startBackbone(t)
		d := dial(t, addr).play(toBob + "> DATA\n< 354")
		text := ".." + strings.Repeat("x.\r\n...y\r\n..\r\n\r\n.z\r\n", 300) + ".\r\n"
		for len(text) > 0 {
			n := min(size, len(text))
			d.send(text[:n])
			text = text[n:]
		}
		d.play("< 250")
		want := "." + strings.Repeat("x.\r\n..y\r\n.\r\n\r\nz\r\n", 300)
		if got := h.taken(); len(got) != 1 || got[0].Text != want {
			t.Fatalf("in pieces of %d: accepted %d messages", size, len(got))
		}
	}
}
