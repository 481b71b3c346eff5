package discovery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// ask puts one question to the servers, in an order that starts anywhere, until
// one gives an answer: NOERROR or NXDOMAIN. It returns the server as well.
func (d *DNS) ask(ctx context.Context, name string, qtype uint16) (*dns.Msg, string, error) {
	err := ErrServer
	server := ""
	start := rand.IntN(max(len(d.servers), 1))
	for i := range d.tries() * len(d.servers) {
		to := d.servers[(start+i)%len(d.servers)]
		server = to.String()
		answer, tryErr := d.try(ctx, to, name, qtype)
		if tryErr == nil {
			return answer, server, nil
		}
		err = fmt.Errorf("%w: %s: %w", ErrServer, server, tryErr)
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", err, ctx.Err())
			break
		}
	}
	return nil, server, err
}

func (d *DNS) tries() int {
	if d.Tries <= 0 {
		return DefaultTries
	}
	return d.Tries
}

// try asks one server once: by UDP with EDNS0, without it where the server does
// not know it (RFC 6891 §7), and by TCP where UDP did not do (CD-6).
func (d *DNS) try(ctx context.Context, to netip.AddrPort, name string, qtype uint16) (*dns.Msg, error) {
	timeout := d.TryTimeout
	if timeout <= 0 {
		timeout = DefaultTryTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	question := newQuestion(name, qtype)
	answer, err := exchange(ctx, "udp", to, question)
	if err == nil && (answer.Rcode == dns.RcodeFormatError || answer.Rcode == dns.RcodeNotImplemented) {
		question.Extra = nil
		answer, err = exchange(ctx, "udp", to, question)
	}
	if errors.Is(err, errGarbled) || err == nil && answer.Truncated {
		answer, err = exchange(ctx, "tcp", to, question)
	}
	if err != nil {
		return nil, err
	}
	if answer.Truncated {
		return nil, errors.New("the answer is truncated over TCP as well")
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, fmt.Errorf("it answered %s", dns.RcodeToString[answer.Rcode])
	}
	if isReferral(answer) {
		return nil, errors.New("it does no recursion, and refers us elsewhere")
	}
	return answer, nil
}

// isReferral reports an answer without an answer that names other servers. One
// that says there is no such record has an SOA, or nothing (RFC 2308 §2.2).
func isReferral(m *dns.Msg) bool {
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) > 0 {
		return false
	}
	refers := false
	for _, rr := range m.Ns {
		switch rr.Header().Rrtype {
		case dns.TypeSOA:
			return false
		case dns.TypeNS:
			refers = true
		}
	}
	return refers
}

func newQuestion(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype) // with an id from crypto/rand
	m.SetEdns0(udpSize, false)
	return m
}

// errGarbled is a UDP answer that cannot be the whole answer to our question.
var errGarbled = errors.New("the answer does not fit the question")

// exchange sends question from a port of its own and waits for the answer with
// its id. It ends when ctx does.
func exchange(ctx context.Context, network string, to netip.AddrPort, question *dns.Msg) (*dns.Msg, error) {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, fmt.Errorf("connecting by %s: %w", network, err)
	}
	conn := &dns.Conn{Conn: c, UDPSize: udpSize}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	err = conn.WriteMsg(question)
	if err != nil {
		return nil, fmt.Errorf("asking by %s: %w", network, err)
	}
	for {
		var head dns.Header
		wire, err := conn.ReadMsgHeader(&head)
		if err != nil {
			return nil, fmt.Errorf("waiting for the answer by %s: %w", network, err)
		}
		if head.Id != question.Id {
			continue // late or forged; the right one may still come (RFC 5452 §9.1)
		}
		answer := new(dns.Msg)
		err = answer.Unpack(wire)
		if err != nil || !answers(answer, question) {
			return nil, errGarbled
		}
		return answer, nil
	}
}

// answers reports whether answer is one to exactly this question (RFC 5452 §9.1).
func answers(answer, question *dns.Msg) bool {
	if !answer.Response || answer.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(answer.Question) == 0 {
		// Some servers leave it out when they refuse.
		return answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError
	}
	got, want := answer.Question[0], question.Question[0]
	return len(answer.Question) == 1 && got.Qtype == want.Qtype && got.Qclass == want.Qclass &&
		sameName(got.Name, want.Name)
}

// sameName compares names by their octets on the wire and without regard to
// case (RFC 4343 §3): in text, one name can be escaped in several ways.
func sameName(a, b string) bool {
	ka, kb := wireName(a), wireName(b)
	return ka != "" && ka == kb
}

// wireName returns the lower-case wire form of name, or "" if it has none.
func wireName(name string) string {
	var buf [256]byte
	n, err := dns.PackDomainName(dns.Fqdn(name), buf[:], 0, nil, false)
	if err != nil {
		return ""
	}
	for i, c := range buf[:n] {
		if 'A' <= c && c <= 'Z' {
			buf[i] = c + 'a' - 'A' // length octets are at most 63, below 'A'
		}
	}
	return string(buf[:n])
}
