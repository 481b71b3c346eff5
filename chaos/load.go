package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	netsmtp "net/smtp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// sessionTime is how long a client tries before it gives up on a session.
const sessionTime = 30 * time.Second

// request asks for notice of final delivery.
const request = "Disposition-Notification-Options: X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,true\r\n"

// A fate is what has to become of a message for one recipient.
type fate string

// Fates.
const (
	arrives fate = "arrives" // in a mailbox of the other gateway; the sender is told of success
	taken   fate = "taken"   // by the scripted far side, which acknowledges it
	fails   fate = "fails"   // the sender is told of failure
)

// A message is what a user handed in, or tried to.
type message struct {
	id     string
	from   string
	to     []string
	fates  []fate // of each recipient
	timely bool
	text   string

	accepted bool // 250 was seen; else it may be anywhere
}

// A sender is the user of one house with those he writes to.
type sender struct {
	house      *house
	from       string
	recipients []addressee
}

type addressee struct {
	address string
	fate    fate
	weight  int
}

// A ledger is everything that was handed in.
type ledger struct {
	mu       sync.Mutex
	messages map[string]*message
	accepted atomic.Int64
}

func (l *ledger) enter(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages[m.id] = m
}

func (l *ledger) answered250(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.accepted = true
	l.accepted.Add(1)
}

// A press hands in messages in many sessions until it is let go.
type press struct {
	ledger *ledger
	seed   uint64
	pause  time.Duration // between two messages of one session, at most
	stop   context.CancelFunc
	all    sync.WaitGroup
	ctx    context.Context
	number atomic.Int64
	runs   atomic.Int64
}

func newPress(t testing.TB, l *ledger, o order) *press {
	p := &press{ledger: l, seed: o.seed, pause: o.pause}
	p.ctx, p.stop = context.WithCancel(t.Context())
	t.Cleanup(p.end)
	return p
}

// end waits until no session is left.
func (p *press) end() {
	p.stop()
	p.all.Wait()
}

// session is one client of a user, which comes back whenever it was cut off.
func (p *press) session(s sender) {
	config := s.house.tls()
	config.InsecureSkipVerify = true // net/smtp authenticates to localhost alone
	random := rand.New(rand.NewPCG(p.seed, uint64(p.runs.Add(1))))
	p.all.Go(func() {
		for p.ctx.Err() == nil {
			p.once(s, config, random)
			wait(p.ctx, time.Duration(random.Int64N(int64(p.pause))))
		}
	})
}

// once is a session until it breaks.
func (p *press) once(s sender, config *tls.Config, random *rand.Rand) {
	conn, err := (&net.Dialer{Timeout: sessionTime}).DialContext(p.ctx, "tcp", s.house.submission)
	if err != nil {
		return // it is down at the moment
	}
	defer conn.Close()
	stop := context.AfterFunc(p.ctx, func() { _ = conn.Close() })
	defer stop()
	_ = conn.SetDeadline(time.Now().Add(sessionTime))
	c, err := netsmtp.NewClient(conn, "localhost")
	if err == nil {
		err = c.StartTLS(config)
	}
	if err == nil {
		err = c.Auth(netsmtp.PlainAuth("", s.from, password, "localhost"))
	}
	for err == nil && p.ctx.Err() == nil {
		m := p.compose(s, random)
		p.ledger.enter(m)
		err = hand(c, m)
		if err == nil {
			p.ledger.answered250(m)
		}
		wait(p.ctx, time.Duration(random.Int64N(int64(p.pause))))
	}
}

// hand sends one message; nil means that it was answered 250.
func hand(c *netsmtp.Client, m *message) error {
	err := c.Mail(m.from)
	for _, to := range m.to {
		if err == nil {
			err = c.Rcpt(to)
		}
	}
	if err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	_, err = w.Write([]byte(m.text))
	if err != nil {
		return err
	}
	return w.Close()
}

// compose writes a new message to one recipient, and now and again to two.
func (p *press) compose(s sender, random *rand.Rand) *message {
	m := &message{
		id:   fmt.Sprintf("<%d.%d@%s>", p.seed, p.number.Add(1), s.house.domain),
		from: s.from, timely: random.IntN(3) == 0,
	}
	first := choose(s.recipients, random)
	m.to, m.fates = []string{first.address}, []fate{first.fate}
	if second := choose(s.recipients, random); second.address != first.address && random.IntN(5) == 0 {
		m.to, m.fates = append(m.to, second.address), append(m.fates, second.fate)
	}
	size := 1 << 10
	if random.IntN(50) == 0 {
		size = 600 << 10 // several chunks in the store
	}
	m.text = text(m, size)
	return m
}

func choose(all []addressee, random *rand.Rand) addressee {
	sum := 0
	for _, a := range all {
		sum += a.weight
	}
	at := random.IntN(sum)
	for _, a := range all {
		at -= a.weight
		if at < 0 {
			return a
		}
	}
	return all[0]
}

// text is a whole message with a body of about size octets.
func text(m *message, size int) string {
	var b strings.Builder
	if m.timely {
		b.WriteString(request)
	}
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: Summary of care\r\n", m.from, strings.Join(m.to, ">, <"))
	fmt.Fprintf(&b, "Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: %s\r\n", m.id)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n")
	for line := 0; b.Len() < size; line++ {
		fmt.Fprintf(&b, "%08d .the quick brown fox jumps over the lazy dog, again and again\r\n", line)
	}
	return b.String()
}

// wait waits, but not beyond the end of ctx.
func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
