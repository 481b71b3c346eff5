package smtp

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// A dialog plays a script against a server. Each line of a script is one of:
//
//	> TEXT     send TEXT and CR LF
//	! "TEXT"   send the Go string as it is
//	< PREFIX   read a whole reply; its last line must begin with PREFIX
//	<~ TEXT    read a whole reply; it must contain TEXT
//	tls        shake hands
//	eof        the server must have closed the connection
type dialog struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
	last string
}

func dial(t *testing.T, addr string) *dialog {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	d := &dialog{t: t}
	d.use(conn)
	t.Cleanup(func() { d.conn.Close() })
	return d
}

func (d *dialog) use(conn net.Conn) {
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	d.conn, d.r = conn, bufio.NewReader(conn)
}

func (d *dialog) play(script string) *dialog {
	d.t.Helper()
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if line != "" {
			d.step(line)
		}
	}
	return d
}

func (d *dialog) step(line string) {
	d.t.Helper()
	verb, arg, _ := strings.Cut(line, " ")
	switch verb {
	case ">":
		d.send(arg + "\r\n")
	case "!":
		text, err := strconv.Unquote(arg)
		if err != nil {
			d.t.Fatalf("script line %s: %v", line, err)
		}
		d.send(text)
	case "<":
		d.reply()
		if !strings.HasPrefix(d.last[strings.LastIndexByte(d.last, '\n')+1:], arg) {
			d.t.Fatalf("%s: got %q", line, d.last)
		}
	case "<~":
		d.reply()
		if !strings.Contains(d.last, arg) {
			d.t.Fatalf("%s: got %q", line, d.last)
		}
	case "tls":
		c := tls.Client(d.conn, testnet.ClientTLS())
		err := c.Handshake()
		if err != nil {
			d.t.Fatalf("handshake: %v", err)
		}
		d.use(c)
	case "eof":
		b, err := d.r.ReadByte()
		var ne net.Error
		if err == nil || errors.As(err, &ne) && ne.Timeout() {
			d.t.Fatalf("the connection is still open (%q, %v)", b, err)
		}
	default:
		d.t.Fatalf("script line %q", line)
	}
}

func (d *dialog) send(s string) {
	d.t.Helper()
	_, err := io.WriteString(d.conn, s)
	if err != nil {
		d.t.Fatalf("sending %.40q: %v", s, err)
	}
}

func (d *dialog) reply() {
	d.t.Helper()
	var lines []string
	for {
		line, err := d.r.ReadString('\n')
		if err != nil {
			d.t.Fatalf("reading a reply: %v after %q", err, lines)
		}
		line = strings.TrimRight(line, "\r\n")
		lines = append(lines, line)
		if len(line) < 4 || line[3] != '-' {
			d.last = strings.Join(lines, "\n")
			return
		}
	}
}
