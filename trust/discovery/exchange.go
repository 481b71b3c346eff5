package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	ownTimeout = time.Second // for one question to one of the domain's own servers
	maxStray   = 16          // answers that are not to our question before we stop reading
)

// A target is one server to ask.
type target struct {
	addr netip.AddrPort
	own  bool // one of the domain's own: strangers named it, and it does no recursion
}

// errGarbled is an answer by UDP that cannot be the whole answer to our question.
var errGarbled = errors.New("the answer does not fit the question")

// try asks one server once: by UDP with EDNS0, without it where the server does
// not know it (RFC 6891 §7), and by TCP where UDP did not do (CD-6).
func (l *lookup) try(ctx context.Context, to target, name string, qtype uint16) (*dns.Msg, error) {
	timeout := l.dns.tryTimeout()
	if to.own {
		timeout = min(timeout, ownTimeout)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	question := newQuestion(name, qtype, !to.own)
	answer, err := l.exchange(ctx, "udp", to, question)
	if err == nil && knowsNoEDNS(answer) {
		question.Extra = nil
		answer, err = l.exchange(ctx, "udp", to, question)
	}
	if errors.Is(err, errGarbled) || err == nil && answer.Truncated {
		answer, err = l.exchange(ctx, "tcp", to, question)
	}
	if err != nil {
		return nil, err
	}
	if answer.Truncated {
		return nil, errors.New("the answer is truncated over TCP as well")
	}
	if answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError {
		return nil, rcodeError(answer.Rcode)
	}
	return answer, nil
}

func newQuestion(name string, qtype uint16, recursive bool) *dns.Msg {
	m := new(dns.Msg)
	m.SetQuestion(name, qtype) // with an id from crypto/rand
	m.RecursionDesired = recursive
	m.SetEdns0(udpSize, false)
	return m
}

func knowsNoEDNS(answer *dns.Msg) bool {
	switch answer.Rcode {
	case dns.RcodeFormatError, dns.RcodeNotImplemented, dns.RcodeBadVers:
		return true
	}
	return false
}

// exchange puts one question to one server, and notes what came of it.
func (l *lookup) exchange(ctx context.Context, network string, to target, question *dns.Msg) (*dns.Msg, error) {
	if l.spent() {
		return nil, errTooMany
	}
	l.dns.counts.questions.Add(1)
	answered := l.trail.add(to.addr.String(), dnsQuery(question, network))
	m, err := l.send(ctx, network, to, question)
	answered(answerOf(m, err))
	return m, err
}

// send sends question from a port of its own and waits for the answer with its
// id. It ends when ctx does.
func (l *lookup) send(ctx context.Context, network string, to target, question *dns.Msg) (*dns.Msg, error) {
	dialer := new(net.Dialer)
	if to.own {
		dialer = l.dns.Network.Dialer(0) // ctx bounds the time
	}
	c, err := dialer.DialContext(ctx, network, to.addr.String())
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
	for range maxStray {
		var head dns.Header
		wire, err := conn.ReadMsgHeader(&head)
		if errors.Is(err, dns.ErrShortRead) {
			return nil, errGarbled
		}
		if err != nil {
			return nil, fmt.Errorf("waiting for the answer by %s: %w", network, err)
		}
		if head.Id != question.Id {
			continue // late or forged; the right one may still come (RFC 5452 §9.1)
		}
		return readAnswer(wire, question)
	}
	return nil, errGarbled // somebody guesses; over TCP that is harder
}

// readAnswer reads what came with the id of the question.
func readAnswer(wire []byte, question *dns.Msg) (*dns.Msg, error) {
	answer := new(dns.Msg)
	err := answer.Unpack(wire)
	if err != nil || !answers(answer, question) {
		return nil, errGarbled
	}
	return answer, nil
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
