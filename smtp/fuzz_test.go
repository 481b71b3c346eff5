package smtp

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"postern/internal/testnet"
)

// Where a fuzzed dialog starts.
var fuzzStates = []string{
	"",
	"EHLO far.test\r\n",
	"EHLO far.test\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\n",
	"EHLO far.test\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\n",
	"EHLO far.test\r\nMAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nBDAT 3\r\na\r\n",
	"EHLO client.test\r\nAUTH PLAIN " + b64("\x00alice@near.test\x00secret") + "\r\nMAIL FROM:<alice@near.test>\r\nRCPT TO:<carol@far.test>\r\nDATA\r\n",
	"EHLO client.test\r\nAUTH LOGIN\r\n",
	"EHLO client.test\r\nAUTH PLAIN " + b64("\x00alice@near.test\x00secret") + "\r\nMAIL FROM:<alice@near.test> RET=HDRS ENVID=x\r\nRCPT TO:<carol@far.test> NOTIFY=NEVER\r\nBDAT 4\r\nx\r\n.",
}

// FuzzDialog fires octets at both servers in several states. Neither may panic
// or hang, and a message accepted keeps the rules of lines.
func FuzzDialog(f *testing.F) {
	for state := range fuzzStates {
		f.Add(byte(state), []byte("x\r\r\n.\r\nMAIL FROM:<a@b.test>\r\n"))
		f.Add(byte(state), []byte("\r\n.\rRSET\r\nBDAT 2 LAST\r\n\r\nMAIL FROM:<\"a>\"@far.test> SMTPUTF8 SIZE=9\r\n"))
		f.Add(byte(state), []byte("x\r\n.\r\nQUIT\r\n"))
		f.Add(byte(state), []byte("x\n.\nMAIL FROM:<a@b.test>\r\n"))
		f.Add(byte(state), []byte("BDAT 5 LAST\r\na\r\nb\r\nRSET\r\nBDAT 0\r\n"))
		f.Add(byte(state), []byte("STARTTLS\r\n\x16\x03\x01\x00\x05hello"))
	}
	h := &house{}
	h.accept = func(_ context.Context, _ Envelope, r io.Reader) (string, error) {
		text, err := io.ReadAll(r)
		if err != nil {
			return "", err
		}
		bare := bytes.ReplaceAll(text, []byte("\r\n"), nil)
		if bytes.ContainsAny(bare, "\r\n\x00") {
			f.Errorf("accepted %q", text)
		}
		return "m", nil
	}
	o := testOptions()
	o.CommandIdle = 2 * time.Second
	backbone := start(f, NewBackbone(backboneHouse{h}, o))
	o.Implicit = true
	submission := start(f, NewSubmission(submissionHouse{h}, o))
	config := testnet.ClientTLS()
	f.Fuzz(func(t *testing.T, state byte, octets []byte) {
		if bytes.Contains(octets, []byte("panic")) {
			return // the backend's own
		}
		n := int(state) % len(fuzzStates)
		var conn net.Conn
		var err error
		if n < 5 {
			conn, err = net.Dial("tcp", backbone)
		} else {
			conn, err = tls.Dial("tcp", submission, config)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		go func() {
			io.WriteString(conn, fuzzStates[n])
			conn.Write(octets)
			half, ok := conn.(interface{ CloseWrite() error })
			if ok {
				half.CloseWrite()
			}
		}()
		_, err = io.Copy(io.Discard, conn)
		ne, ok := err.(net.Error)
		if ok && ne.Timeout() {
			t.Errorf("state %d: the server hangs after %q", n, octets)
		}
	})
}

// FuzzPath reads what stands behind MAIL FROM: and RCPT TO:. An address that comes of it
// is the same when it is written and read again.
func FuzzPath(f *testing.F) {
	f.Add("<a@b.test> SIZE=1")
	f.Add("<@x.test,@y.test:\"a\\\"b>\"@b.test> NOTIFY=NEVER ORCPT=rfc822;a+40b")
	f.Add("<a@[IPv6:::1]>")
	f.Add("<Postmaster>")
	f.Fuzz(func(t *testing.T, s string) {
		p, rest, err := cutPath(s)
		if err != nil {
			return
		}
		all, err := parseParams(rest)
		if err == nil && len(all) > len(rest) {
			t.Errorf("%d parameters in %q", len(all), rest)
		}
		for _, param := range all {
			_, _ = fromXtext(param.value)
			_, _ = parseNotify(param.value)
			_, _ = parseOriginal(param.value)
			_, _ = parseSize(param.value)
		}
		a, err := p.address()
		if err != nil {
			return
		}
		again, _, err := cutPath("<" + a.String() + ">")
		if err != nil {
			t.Fatalf("%q is read as %s, which is none: %v", s, a, err)
		}
		b, err := again.address()
		if err != nil || a != b {
			t.Errorf("%q is read as %s and then as %s, %v", s, a, b, err)
		}
	})
}

// FuzzReply reads replies of peers.
func FuzzReply(f *testing.F) {
	f.Add(550, "5.1.1 who\n5.1.1 is that")
	f.Add(250, "2.0.0 ok")
	f.Add(-1, "4.")
	f.Fuzz(func(t *testing.T, code int, text string) {
		r := newReply(code, text)
		if len(r.Text) > maxText {
			t.Errorf("%d octets", len(r.Text))
		}
		for _, c := range []byte(r.Text) {
			if c < ' ' || c > '~' {
				t.Errorf("octet %#x in %q", c, r.Text)
			}
		}
	})
}
