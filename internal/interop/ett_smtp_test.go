package interop

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// edges is two gateways, of which a is where EHRs hand in mail.
type edges struct{ a, b *site }

func newEdges(t *testing.T, commandIdle string) edges {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	rootA, rootB := pki.Root("root of a"), pki.Root("root of b")
	leafA, leafB := rootA.Leaf("a.example"), rootB.Leaf("b.example")
	bind := testnet.BIND(t, map[string][]string{
		"a.example":    mx(testnet.ZoneCERT("@", leafA.Cert)),
		"b.example":    mx(testnet.ZoneCERT("@", leafB.Cert)),
		"bare.example": mx(),
	})
	var e edges
	e.a = newSite(t, "a.example", setup{
		dns: bind, users: []string{"alice@a.example", "postmaster@a.example"}, keys: []*testnet.Identity{leafA},
		anchors: []*testnet.Identity{rootB}, listeners: 1,
		more: map[string]string{"listen": "submissions = \"127.0.0.1:0\"\n", "limits": fmt.Sprintf("command_idle = %q\n", commandIdle)},
	})
	e.b = newSite(t, "b.example", setup{
		dns: bind, relayPort: portOf(t, e.a.backbone), users: []string{"bob@b.example"},
		keys: []*testnet.Identity{leafB}, anchors: []*testnet.Identity{rootA},
	})
	e.a.relayPort = portOf(t, e.b.backbone)
	e.a.configure(bind, e.a.relayPort)
	e.b.serve()
	e.a.serve()
	return e
}

// A tester speaks SMTP as the certification tool does: it writes whole lines and does
// not always wait.
type tester struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func (s *site) tester(t *testing.T) *tester {
	t.Helper()
	conn, err := net.Dial("tcp", s.address("submission"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &tester{t: t}
	c.use(conn)
	c.expect("220")
	return c
}

func (c *tester) use(conn net.Conn) {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c.conn, c.in = conn, bufio.NewReader(conn)
}

// reply reads one; "" is that the connection has ended.
func (c *tester) reply() string {
	for {
		line, err := c.in.ReadString('\n')
		if err == io.EOF {
			return ""
		}
		if err != nil {
			c.t.Fatalf("reading a reply: %v", err)
		}
		if len(line) < 4 || line[3] != '-' {
			return line
		}
	}
}

func (c *tester) expect(want string) {
	c.t.Helper()
	got := c.reply()
	if !strings.HasPrefix(got, want) || want == "" && got != "" {
		c.t.Fatalf("%q, not %q", got, want)
	}
}

func (c *tester) say(text, want string) {
	c.t.Helper()
	_, err := io.WriteString(c.conn, text)
	if err != nil {
		c.t.Fatal(err)
	}
	c.expect(want)
}

// secure is STARTTLS, without EHLO before or after it.
func (c *tester) secure(s *site) {
	c.t.Helper()
	c.say("HELO testing.com\r\n", "250")
	c.say("STARTTLS\r\n", "220")
	conn := tls.Client(c.conn, s.clientTLS())
	err := conn.Handshake()
	if err != nil {
		c.t.Fatal(err)
	}
	c.use(conn)
}

// login does what the tool does before each of its cases.
func (c *tester) login(s *site) {
	c.t.Helper()
	c.secure(s)
	c.say("AUTH PLAIN "+plain("alice@a.example", password)+"\r\n", "235")
	c.say("EHLO testing.com\r\n", "250")
}

func plain(user, secret string) string {
	return base64.StdEncoding.EncodeToString([]byte("\x00" + user + "\x00" + secret))
}

const (
	mailAlice = "MAIL FROM:<alice@a.example>\r\n"
	rcptBob   = "RCPT TO:<bob@b.example>\r\n"
)

// TestInteropEP4_EP10_SMTPEdge does to the real server what SITE does to the SMTP edge of a HISP
// (h2-8), in the tool's own order of commands: EP-4 to EP-10.
func TestInteropEP4_EP10_SMTPEdge(t *testing.T) {
	e := newEdges(t, "2s")
	for name, dialog := range map[string]func(*tester){
		"SMTP 9, SMTP 16, SMTP 20: STARTTLS before AUTH and mail": func(c *tester) {
			c.say("EHLO testing.com\r\n", "250")
			c.say("AUTH PLAIN "+plain("alice@a.example", password)+"\r\n", "530 5.7.0")
			c.say(mailAlice, "530 5.7.0")
			c.say(rcptBob, "530 5.7.0")
			c.say("DATA\r\n", "530 5.7.0")
			c.login(e.a)
			c.say(mailAlice, "250")
		},
		"SMTP 10: line ends other than CR LF": func(c *tester) {
			c.login(e.a)
			c.say(mailAlice, "250")
			c.say(rcptBob, "250")
			c.say("DATA \f\rThis is sample DATA\f\r.\f\r", "421")
		},
		"SMTP 10: and in the message": func(c *tester) {
			c.login(e.a)
			c.say(mailAlice, "250")
			c.say(rcptBob, "250")
			c.say("DATA \r\nFrom: alice@a.example\r\n\r\nx\n.\nMAIL FROM:<alice@a.example>\r\n.\r\n", "354")
			c.expect("550 5.6.11")
			c.say("NOOP\r\n", "250")
		},
		"SMTP 11: RCPT before MAIL": func(c *tester) {
			c.login(e.a)
			c.say(rcptBob, "503 5.5.1")
		},
		"SMTP 11: DATA before MAIL": func(c *tester) {
			c.login(e.a)
			c.say("DATA \r\nMessage: DATA before MAIL\r\n.\r\n", "503 5.5.1")
		},
		"SMTP 11: DATA before EHLO": func(c *tester) {
			c.secure(e.a)
			c.say("DATA \r\nMessage: DATA before HELO and MAIL\r\n.\r\n", "503 5.5.1")
		},
		"SMTP 11: no command": func(c *tester) {
			c.login(e.a)
			c.say("SENT FROM:<alice@a.example>\r\n", "500 5.5.2")
			c.say("MAIL alice@a.example\r\n", "501 5.5.2")
			c.say(mailAlice, "250")
		},
		"SMTP 12: sizes": func(c *tester) {
			c.login(e.a)
			long := strings.Repeat("a", 75) + "@" + strings.Repeat("a", 261) + ".com"
			c.say("MAIL FROM:<"+long+">\r\n", "501 5.1.7")
			c.say(mailAlice, "250")
			c.say("RCPT TO:<"+long+">\r\n", "501 5.1.3")
			c.say(rcptBob, "250")
			c.say("DATA \r\nFrom: alice@a.example\r\n\r\n"+strings.Repeat("a", 1004)+"\r\n.\r\n", "354")
			c.expect("550 5.6.0")
		},
		"SMTP 13: silence within DATA": func(c *tester) {
			c.login(e.a)
			c.say(mailAlice, "250")
			c.say(rcptBob, "250")
			c.say("DATA\r\n", "354")
			c.expect("421 4.4.2")
			c.expect("")
		},
		"SMTP 13: silence behind RCPT": func(c *tester) {
			c.login(e.a)
			c.say(mailAlice, "250")
			c.say(rcptBob, "250")
			c.expect("421 4.4.2")
			c.expect("")
		},
		"SMTP 17: STARTTLS with an argument": func(c *tester) {
			c.say("HELO testing.com\r\n", "250")
			c.say("STARTTLS abcd\r\n", "501 5.5.4")
		},
		"SMTP 22: wrong password": func(c *tester) {
			c.secure(e.a)
			c.say("AUTH PLAIN "+plain("alice@a.example", "wrong")+"\r\n", "535 5.7.8")
			c.say("EHLO testing.com\r\n", "250")
			c.say("AUTH LOGIN\r\n", "334")
			c.say(base64.StdEncoding.EncodeToString([]byte("nobody@a.example"))+"\r\n", "334")
			c.say(base64.StdEncoding.EncodeToString([]byte(password))+"\r\n", "535 5.7.8")
			c.say(mailAlice, "530 5.7.0")
		},
		"a valid message": func(c *tester) {
			c.login(e.a)
			c.say(mailAlice, "250")
			c.say("RCPT TO:<Postmaster>\r\n", "250")
			c.say("DATA \r\nFrom: alice@a.example\r\nSubject: to nobody\r\n\r\nTest Mail\r\n.\r\n", "354")
			c.expect("250 2.0.0 accepted as ")
			c.say("EHLO xx.xx\r\n", "250")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dialog(e.a.tester(t))
		})
	}
}
