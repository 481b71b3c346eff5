package smtp

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/reason"
)

// A peer answers each command by the longest prefix it has a reply for: the key
// "" is the greeting, "." the end of data; the reply "hang up" closes, "shake hands"
// is 220 and TLS, and "silence" nothing.
type peer struct {
	replies map[string]string
	mu      sync.Mutex
	once    map[string]string // replies that are given one time
	heard   []string
	last    net.Conn // that it spoke on
}

func startPeer(t *testing.T, replies map[string]string) (*peer, string) {
	t.Helper()
	p := &peer{replies: map[string]string{
		"": "220 peer", "EHLO": "250-peer\r\n250 ENHANCEDSTATUSCODES", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok",
		"DATA": "354 go", ".": "250 2.0.0 queued as 7", "QUIT": "221 bye",
	}}
	for k, v := range replies {
		p.replies[k] = v
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.talk(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return p, l.Addr().String()
}

func (p *peer) talk(conn net.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	r := bufio.NewReader(conn)
	command, data := "", false
	for {
		if !data || p.answersWithin(command) {
			reply := p.replyTo(command)
			switch reply {
			case "hang up":
				return
			case "silence":
			case "shake hands":
				io.WriteString(conn, "220 go\r\n")
				conn = tls.Server(conn, testnet.ServerTLS())
				r.Reset(conn)
			default:
				p.say(conn, reply)
			}
			data = strings.HasPrefix(reply, "354")
			if command == "QUIT" {
				return
			}
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		command = strings.TrimSuffix(line, "\r\n")
		p.mu.Lock()
		p.heard = append(p.heard, command)
		p.mu.Unlock()
	}
}

// say says something on a connection, or on the last one if conn is nil.
func (p *peer) say(conn net.Conn, text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if conn != nil {
		p.last = conn
	}
	io.WriteString(p.last, text+"\r\n")
}

// answersWithin reports whether a line of the message is answered, as its end is.
func (p *peer) answersWithin(line string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.replies[line]
	return ok && line != ""
}

func (p *peer) replyTo(command string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, reply := range p.once {
		if strings.HasPrefix(command, k) {
			delete(p.once, k)
			return reply
		}
	}
	best := ""
	for k := range p.replies {
		if strings.HasPrefix(command, k) && len(k) > len(best) {
			best = k
		}
	}
	return p.replies[best]
}

func (p *peer) transcript() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.heard, "\n")
}

// A zone is a Resolver and the network behind it: each host has one address,
// 192.0.2.n, behind which is a listener of ours or nothing.
type zone struct {
	mx    []MX
	err   error
	hosts []string          // by n
	at    map[string]string // host to the listener's address
	mu    sync.Mutex
	tried []string
}

func (z *zone) LookupMX(context.Context, mime.Domain) ([]MX, error) { return z.mx, z.err }

func (z *zone) LookupHost(_ context.Context, name string) ([]netip.Addr, error) {
	for n, h := range z.hosts {
		if h == name {
			return []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(n)})}, nil
		}
	}
	return nil, reason.New(reason.NoRoute, "no such host")
}

func (z *zone) dial(ctx context.Context, network, address string) (net.Conn, error) {
	ap := netip.MustParseAddrPort(address)
	name := z.hosts[ap.Addr().As4()[3]]
	z.mu.Lock()
	z.tried = append(z.tried, fmt.Sprintf("%s:%d", name, ap.Port()))
	z.mu.Unlock()
	at, ok := z.at[name]
	if !ok {
		return nil, errors.New("connection refused")
	}
	return new(net.Dialer).DialContext(ctx, network, at)
}

func (z *zone) relay() *Relay { return &Relay{Hostname: "mx.near.test", Resolver: z, Dial: z.dial} }

// one is a zone of a single host.
func one(addr string) *zone {
	return &zone{mx: []MX{{"mx.far.test", 10}}, hosts: []string{"mx.far.test"}, at: map[string]string{"mx.far.test": addr}}
}

func delivery(to ...string) Delivery {
	d := Delivery{From: alice, Destination: "far.test", Size: 20, Message: func() (io.Reader, error) {
		return strings.NewReader("A: b\r\n\r\n.dot\r\n..\r\nend"), nil
	}}
	for _, a := range to {
		d.To = append(d.To, mustAddress(a))
	}
	return d
}

var byValue = cmp.Comparer(func(a, b mime.Address) bool { return a == b })

func TestRelayDeliversToOurBackbone(t *testing.T) {
	h, addr := startBackbone(t)
	d := delivery("bob@near.test", "nobody@near.test", "alice@near.test")
	got := one(addr).relay().Send(t.Context(), d)
	want := []Result{
		{Recipient: d.To[0], Code: reason.OK, Reply: 250, Enhanced: "2.0.0", Text: "accepted as m1", Host: "mx.far.test", TLS: true},
		{Recipient: d.To[1], Code: reason.PeerRefused, Reply: 550, Enhanced: "5.1.1", Text: "no such recipient here", Host: "mx.far.test", TLS: true},
		{Recipient: d.To[2], Code: reason.OK, Reply: 250, Enhanced: "2.0.0", Text: "accepted as m1", Host: "mx.far.test", TLS: true},
	}
	if diff := cmp.Diff(want, got, byValue); diff != "" {
		t.Error(diff)
	}
	taken := h.taken()
	if len(taken) != 1 || taken[0].Text != "A: b\r\n\r\n.dot\r\n..\r\nend\r\n" || taken[0].Envelope.Helo != "mx.near.test" || taken[0].Envelope.Size != 20 {
		t.Errorf("taken %+v", taken)
	}
}

func TestRelayResults(t *testing.T) {
	type row struct {
		replies map[string]string
		codes   []reason.Code
		reply   int // of the last recipient
		text    string
	}
	ok, deferred, refused, away := reason.OK, reason.PeerDeferred, reason.PeerRefused, reason.PeerUnreachable
	for name, r := range map[string]row{
		"taken":              {nil, []reason.Code{ok, ok}, 250, "queued as 7"},
		"greeting 554":       {map[string]string{"": "554 no service"}, []reason.Code{deferred, deferred}, 554, "no service"},
		"greeting 521":       {map[string]string{"": "521 never"}, []reason.Code{refused, refused}, 521, "never"},
		"EHLO 421":           {map[string]string{"EHLO": "421 4.3.2 later"}, []reason.Code{deferred, deferred}, 421, "later"},
		"HELO only":          {map[string]string{"EHLO": "502 what", "HELO": "250 peer"}, []reason.Code{ok, ok}, 250, "queued as 7"},
		"MAIL 451":           {map[string]string{"MAIL": "451 4.7.1 greylisted"}, []reason.Code{deferred, deferred}, 451, "greylisted"},
		"MAIL 550":           {map[string]string{"MAIL": "550 5.7.1 no"}, []reason.Code{refused, refused}, 550, "no"},
		"one RCPT 450":       {map[string]string{"RCPT TO:<b@": "450 4.2.1 later"}, []reason.Code{ok, deferred}, 450, "later"},
		"one RCPT 550":       {map[string]string{"RCPT TO:<b@": "550 5.1.1 who"}, []reason.Code{ok, refused}, 550, "who"},
		"RCPT 251":           {map[string]string{"RCPT TO:<b@": "251 forwards"}, []reason.Code{ok, ok}, 250, "queued as 7"},
		"all RCPT":           {map[string]string{"RCPT": "550 5.1.1 who"}, []reason.Code{refused, refused}, 550, "who"},
		"DATA 250":           {map[string]string{"RCPT TO:<b@": "550 5.1.1 who", "DATA": "250 2.1.5 ok"}, []reason.Code{deferred, deferred}, 250, "ok"},
		"DATA 451":           {map[string]string{"DATA": "451 4.3.0 x"}, []reason.Code{deferred, deferred}, 451, "x"},
		"dot 554":            {map[string]string{".": "554 5.6.0 spam"}, []reason.Code{refused, refused}, 554, "spam"},
		"dot after one RCPT": {map[string]string{"RCPT TO:<b@": "550 5.1.1 who", ".": "452 4.3.1 full"}, []reason.Code{deferred, refused}, 550, "who"},
		"lost after the dot": {map[string]string{".": "hang up"}, []reason.Code{away, away}, 0, "EOF"},
		"lost at RCPT":       {map[string]string{"RCPT TO:<b@": "hang up"}, []reason.Code{away, away}, 0, ""},
		"lost at greeting":   {map[string]string{"": "hang up"}, []reason.Code{away, away}, 0, "reading the greeting: EOF"},
		"too small":          {map[string]string{"EHLO": "250-peer\r\n250 SIZE 19"}, []reason.Code{refused, refused}, 552, "limit of 19"},
		"size enough":        {map[string]string{"EHLO": "250-peer\r\n250 SIZE 20"}, []reason.Code{ok, ok}, 250, "queued as 7"},
		"no number":          {map[string]string{"": "hello there"}, []reason.Code{away, away}, 0, ""},
		"two lines":          {map[string]string{"MAIL": "550-5.7.1 one\r\n550 5.7.1 \x01two\xff"}, []reason.Code{refused, refused}, 550, "one ?two?"},
		"talks after MAIL":   {map[string]string{"MAIL": "250 ok\r\n550 no"}, []reason.Code{away, away}, 0, "out of turn"},
		"talks out of turn":  {map[string]string{"EHLO": "250 peer\r\n250 extra"}, []reason.Code{away, away}, 0, "out of turn"},
	} {
		t.Run(name, func(t *testing.T) {
			p, addr := startPeer(t, r.replies)
			d := delivery("a@far.test", "b@far.test")
			got := one(addr).relay().Send(t.Context(), d)
			for i, code := range r.codes {
				if got[i].Code != code || got[i].Recipient != d.To[i] {
					t.Errorf("recipient %d: %+v, want %s", i, got[i], code)
				}
			}
			last := got[len(got)-1]
			if last.Reply != r.reply || !strings.Contains(last.Text, r.text) {
				t.Errorf("reply %d %q, want %d %q", last.Reply, last.Text, r.reply, r.text)
			}
			class := last.Code.Outcome().Enhanced[0]
			if last.Enhanced == "" || last.Enhanced[0] != byte('0'+class) {
				t.Errorf("status %q for %s", last.Enhanced, last.Code)
			}
			if name == "too small" && strings.Contains(p.transcript(), "DATA") {
				t.Error("DATA was tried")
			}
		})
	}
}

// RFC 5321 §5.1: by preference, the next when one does not answer or defers, not
// after a refusal.
func TestRelayTriesHostsInOrder(t *testing.T) {
	_, good := startPeer(t, nil)
	_, busy := startPeer(t, map[string]string{"MAIL": "451 4.3.2 busy"})
	_, never := startPeer(t, map[string]string{"MAIL": "550 5.7.1 no"})
	all := []string{"dead.test", "busy.test", "good.test", "never.test"}
	at := map[string]string{"busy.test": busy, "good.test": good, "never.test": never}
	for name, row := range map[string]struct {
		mx    []MX
		tried string
		code  reason.Code
	}{
		"dead, busy, good": {[]MX{{"good.test.", 30}, {"dead.test", 10}, {"busy.test", 20}}, "dead.test:25 busy.test:25 good.test:25", reason.OK},
		"refusal is final": {[]MX{{"never.test", 10}, {"good.test", 20}}, "never.test:25", reason.PeerRefused},
		"unknown host":     {[]MX{{"absent.test", 10}, {"good.test", 20}}, "good.test:25", reason.OK},
		"only unknown":     {[]MX{{"absent.test", 10}}, "", reason.NoRoute},
		"dead and unknown": {[]MX{{"dead.test", 10}, {"absent.test", 20}}, "dead.test:25", reason.PeerUnreachable},
		"before ourselves": {[]MX{{"busy.test", 10}, {"MX.near.test.", 20}, {"good.test", 20}, {"good.test", 30}}, "busy.test:25", reason.PeerDeferred},
		"only ourselves":   {[]MX{{"mx.near.test", 10}, {"good.test", 20}}, "", reason.NoRoute},
	} {
		t.Run(name, func(t *testing.T) {
			z := &zone{mx: row.mx, hosts: all, at: at}
			got := z.relay().Send(t.Context(), delivery("a@far.test"))
			if got[0].Code != row.code {
				t.Errorf("got %+v, want %s", got[0], row.code)
			}
			if tried := strings.Join(z.tried, " "); tried != row.tried {
				t.Errorf("tried %q, want %q", tried, row.tried)
			}
		})
	}
}

// Where strangers lead us another dialer decides; a route is the operator's word.
func TestRelayDialsWhatDNSNamesWithCare(t *testing.T) {
	_, good := startPeer(t, nil)
	_, port, _ := net.SplitHostPort(good)
	n, _ := strconv.Atoi(port)
	for name, row := range map[string]struct {
		mx      []MX
		routes  map[mime.Domain]string
		refused string
		code    reason.Code
	}{
		"all refused":           {[]MX{{"127.0.0.1", 10}, {"127.0.0.2", 20}}, nil, "127.0.0.", reason.NoRoute},
		"one refused":           {[]MX{{"127.0.0.2", 10}, {"127.0.0.1", 20}}, nil, "127.0.0.2", reason.OK},
		"refused, and one dead": {[]MX{{"127.0.0.1", 10}, {"dead.test", 20}}, nil, "127.0.0.1", reason.PeerUnreachable},
		"a route":               {nil, map[mime.Domain]string{"far.test": good}, "127.0.0.", reason.OK},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Relay{Resolver: &zone{mx: row.mx, hosts: []string{"dead.test"}}, Routes: row.routes, Port: n}
			r.DialMX = func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasPrefix(address, row.refused) {
					return nil, reason.New(reason.NoRoute, "keep out")
				}
				if !strings.HasPrefix(address, "127.") {
					return nil, errors.New("no answer")
				}
				return new(net.Dialer).DialContext(ctx, network, address)
			}
			got := r.Send(t.Context(), delivery("a@far.test"))
			if got[0].Code != row.code || row.code == reason.NoRoute && got[0].Text != "keep out" {
				t.Errorf("got %+v, want %s", got[0], row.code)
			}
		})
	}
}

func TestRelayShufflesEqualHosts(t *testing.T) {
	first := make(map[string]int)
	for range 200 {
		first[order([]MX{{"a", 5}, {"b", 5}, {"z", 1}, {"c", 9}})[1].Host]++
	}
	if first["a"] < 50 || first["b"] < 50 || len(first) != 2 {
		t.Errorf("second choices %v", first)
	}
}

func TestRelayBoundsTheAttempts(t *testing.T) {
	z := &zone{at: map[string]string{}}
	for i := range 50 {
		name := fmt.Sprintf("h%d.test", i)
		z.hosts, z.mx = append(z.hosts, name), append(z.mx, MX{name, uint16(i)})
	}
	got := z.relay().Send(t.Context(), delivery("a@far.test"))
	if len(z.tried) > maxAttempts || got[0].Code != reason.PeerUnreachable {
		t.Errorf("%d attempts, %+v", len(z.tried), got[0])
	}
}

func TestRelayTellsTheResolversReason(t *testing.T) {
	for _, code := range []reason.Code{reason.NullMX, reason.NoRoute, reason.DiscoveryTimeout} {
		z := &zone{err: reason.New(code, "x")}
		got := z.relay().Send(t.Context(), delivery("a@far.test", "b@far.test"))
		if len(got) != 2 || got[0].Code != code || got[1].Code != code {
			t.Errorf("%s: %+v", code, got)
		}
	}
}

func TestRelayRoutes(t *testing.T) {
	_, addr := startPeer(t, nil)
	_, port, _ := net.SplitHostPort(addr)
	for route, want := range map[string]reason.Code{
		addr: reason.OK, "mx.route.test:" + port: reason.OK, "nowhere": reason.Internal, "x:y": reason.Internal,
	} {
		z := &zone{hosts: []string{"mx.route.test"}, at: map[string]string{"mx.route.test": addr}}
		r := &Relay{Resolver: z, Routes: map[mime.Domain]string{"far.test": route}}
		if strings.HasPrefix(route, "mx.") {
			r.Dial = z.dial
		}
		got := r.Send(t.Context(), delivery("a@far.test"))
		if got[0].Code != want {
			t.Errorf("%s: %+v, want %s", route, got[0], want)
		}
	}
}

// CP-25: opportunistic TLS falls back to clear text on a new connection.
func TestCP25_OpportunisticTLS(t *testing.T) {
	withTLS := "250-peer\r\n250 STARTTLS"
	for name, replies := range map[string]map[string]string{
		"handshake fails": {"EHLO": withTLS, "STARTTLS": "220 go", "\x16\x03\x01": "500 what"},
		"454":             {"EHLO": withTLS, "STARTTLS": "454 4.7.0 not now"},
		"not offered":     {},
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := startPeer(t, replies)
			r := one(addr).relay()
			r.Timeouts.Command = 200 * time.Millisecond // the peer waits for a line in the handshake
			got := r.Send(t.Context(), delivery("a@far.test"))
			if got[0].Code != reason.OK || got[0].TLS {
				t.Errorf("got %+v", got[0])
			}
			r.RequireTLS = true
			got = r.Send(t.Context(), delivery("a@far.test"))
			if got[0].Code != reason.PeerUnreachable {
				t.Errorf("TLS required: %+v", got[0])
			}
		})
	}
}

// RFC 3207 §6: text in clear behind the reply to STARTTLS is an attack on the
// protected session and ends the attempt.
func TestRelayRefusesTextBehindSTARTTLS(t *testing.T) {
	_, addr := startPeer(t, map[string]string{
		"EHLO": "250-peer\r\n250 STARTTLS", "STARTTLS": "220 go\r\n250-mallory\r\n250 SIZE 1",
	})
	got := one(addr).relay().Send(t.Context(), delivery("a@far.test"))
	if got[0].Code != reason.PeerUnreachable || !strings.Contains(got[0].Text, "out of turn") {
		t.Errorf("got %+v", got[0])
	}
}

func TestRelayFallsBackWhenTheCertificateIsNotWanted(t *testing.T) {
	_, addr := startBackbone(t)
	r := one(addr).relay()
	r.TLSConfig = &tls.Config{} // the test's certificate is not in the system's pool
	got := r.Send(t.Context(), delivery("bob@near.test"))
	if got[0].Code != reason.OK || got[0].TLS {
		t.Errorf("got %+v", got[0])
	}
	r.RequireTLS = true
	got = r.Send(t.Context(), delivery("bob@near.test"))
	if got[0].Code != reason.PeerUnreachable {
		t.Errorf("TLS required: %+v", got[0])
	}
	r.TLSConfig = testnet.ClientTLS()
	got = r.Send(t.Context(), delivery("bob@near.test"))
	if got[0].Code != reason.OK || !got[0].TLS {
		t.Errorf("TLS that verifies: %+v", got[0])
	}
}

// A message that cannot be read to its end must not arrive as a shorter one.
func TestRelayNeverEndsHalfAMessage(t *testing.T) {
	p, addr := startPeer(t, nil)
	d := delivery("a@far.test")
	d.Message = func() (io.Reader, error) {
		return io.MultiReader(strings.NewReader("A: b\r\n\r\n"), iotest.ErrReader(errors.New("disk"))), nil
	}
	got := one(addr).relay().Send(t.Context(), d)
	if got[0].Code != reason.Internal || strings.Contains(got[0].Text, "disk") {
		t.Errorf("got %+v", got[0])
	}
	for line := range strings.Lines(p.transcript()) {
		if strings.TrimSpace(line) == "." {
			t.Error("the data were ended")
		}
	}
}

func TestRelayGivesUpInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its backlog and never speaks
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := one(l.Addr().String()).relay()
	r.Timeouts.Command = 50 * time.Millisecond
	got := r.Send(t.Context(), delivery("a@far.test"))
	if got[0].Code != reason.PeerUnreachable {
		t.Errorf("got %+v", got[0])
	}
	r.Timeouts = Timeouts{Total: 50 * time.Millisecond}
	got = r.Send(t.Context(), delivery("a@far.test"))
	if got[0].Code != reason.PeerUnreachable {
		t.Errorf("got %+v", got[0])
	}
}

func TestRelayBoundsWhatAPeerSays(t *testing.T) {
	_, addr := startPeer(t, map[string]string{"EHLO": strings.Repeat("250-x\r\n", maxReply/7+1) + "250 x"})
	got := one(addr).relay().Send(t.Context(), delivery("a@far.test"))
	if got[0].Code != reason.PeerUnreachable || !strings.Contains(got[0].Text, "does not end") {
		t.Errorf("got %+v", got[0])
	}
}

func TestNewReply(t *testing.T) {
	for in, want := range map[string]ReplyError{
		"5.1.1 who":              {550, "5.1.1", "who"},
		"who":                    {550, "5.0.0", "who"},
		"4.1.1 contradiction":    {550, "5.0.0", "contradiction"},
		"5.1.1 a\n5.1.1 b":       {550, "5.1.1", "a b"},
		"5.1 x":                  {550, "5.0.0", "5.1 x"},
		"5.-1.1 x":               {550, "5.0.0", "5.-1.1 x"},
		"55.1.1 x":               {550, "5.0.0", "55.1.1 x"},
		"":                       {550, "5.0.0", ""},
		strings.Repeat("é", 600): {550, "5.0.0", strings.Repeat("?", 250)},
	} {
		if diff := cmp.Diff(&want, newReply(550, in), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%.20q: %s", in, diff)
		}
	}
}

func TestSubmit(t *testing.T) {
	h, addr := startSubmission(t)
	_, implicit := startSubmission(t, func(o *ServerOptions) { o.Implicit = true })
	config := testnet.ClientTLS()
	to := []mime.Address{mustAddress("carol@far.test")}
	text := "From: alice@near.test\r\n\r\n.x\r\n"
	err := Submit(t.Context(), addr, config, "alice@near.test", "secret", alice, to, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if got := h.taken(); len(got) != 1 || got[0].Text != text || got[0].Envelope.Account != alice {
		t.Errorf("taken %+v", got)
	}
	err = SubmitTLS(t.Context(), implicit, config, "alice@near.test", "secret", alice, to, strings.NewReader(text))
	if err != nil {
		t.Error(err)
	}
	var reply *ReplyError
	err = Submit(t.Context(), addr, config, "alice@near.test", "wrong", alice, to, strings.NewReader(text))
	if !errors.As(err, &reply) || reply.Code != 535 {
		t.Errorf("wrong password: %v", err)
	}
	err = Submit(t.Context(), addr, nil, "alice@near.test", "secret", alice, to, strings.NewReader(text))
	if err == nil || errors.As(err, &reply) && reply.Code != 535 {
		t.Errorf("unknown certificate: %v", err)
	}
	_, clear := startPeer(t, nil)
	err = Submit(t.Context(), clear, config, "alice@near.test", "secret", alice, to, strings.NewReader(text))
	if err == nil {
		t.Error("the password went over a connection in clear")
	}
}
