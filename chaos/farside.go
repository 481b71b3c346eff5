package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	netsmtp "net/smtp"
	"net/textproto"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/mime/mdn"
	"postern/sta"
)

// A farSide is a third gateway of a few lines: it keeps no mail, counts what it
// took, and acknowledges it. Some connections it cuts off before its 250, as if
// it had died, and some messages it puts off.
type farSide struct {
	addr string
	own  *testnet.Identity
	peer *x509.Certificate // of whom it answers
	back *house

	all    sync.WaitGroup
	ctx    context.Context
	number atomic.Int64

	mu    sync.Mutex
	took  map[string]*receipt // by Message-ID and recipient
	again int                 // taken once more by the same life of the sender
	after int                 // taken once more after the sender was killed in between (RFC 1047)
	conns map[net.Conn]bool
}

// A receipt is a message that the far side answered 250.
type receipt struct {
	killed int // how often the sender had been killed when he began to send it
}

func newFarSide(t testing.TB, own *testnet.Identity, seed uint64) *farSide {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &farSide{addr: l.Addr().String(), own: own, took: make(map[string]*receipt), conns: make(map[net.Conn]bool)}
	var stop context.CancelFunc
	f.ctx, stop = context.WithCancel(t.Context())
	f.all.Go(func() {
		for n := uint64(0); ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			random := rand.New(rand.NewPCG(seed, n))
			f.all.Go(func() { f.serve(conn, random) })
		}
	})
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		f.mu.Lock()
		for c := range f.conns {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.all.Wait()
	})
	return f
}

func (f *farSide) serve(conn net.Conn, random *rand.Rand) {
	f.mu.Lock()
	f.conns[conn] = true
	f.mu.Unlock()
	defer func() {
		_ = conn.Close()
		f.mu.Lock()
		delete(f.conns, conn)
		f.mu.Unlock()
	}()
	_ = conn.SetDeadline(time.Now().Add(sessionTime))
	c := textproto.NewConn(conn)
	_ = c.PrintfLine("220 far.example ESMTP")
	from, to := "", []string(nil)
	for {
		line, err := c.ReadLine()
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(line, ":")
		switch verb = strings.ToUpper(verb); {
		case verb == "MAIL FROM":
			from, to = bracketed(rest), nil
			err = c.PrintfLine("250 2.1.0 ok")
		case verb == "RCPT TO" && strings.HasPrefix(bracketed(rest), "nobody@"):
			err = c.PrintfLine("550 5.1.1 no such mailbox")
		case verb == "RCPT TO" && random.IntN(20) == 0:
			err = c.PrintfLine("450 4.2.1 not now")
		case verb == "RCPT TO":
			to = append(to, bracketed(rest))
			err = c.PrintfLine("250 2.1.5 ok")
		case verb == "DATA" && len(to) > 0:
			if !f.data(c, conn, random, from, to) {
				return
			}
			to = nil
		case strings.HasPrefix(verb, "EHLO"), verb == "RSET":
			err = c.PrintfLine("250 far.example")
		case verb == "QUIT":
			_ = c.PrintfLine("221 2.0.0 bye")
			return
		default:
			err = c.PrintfLine("503 5.5.1 what?")
		}
		if err != nil {
			return
		}
	}
}

// data takes a message for its recipients.
func (f *farSide) data(c *textproto.Conn, conn net.Conn, random *rand.Rand, from string, to []string) bool {
	// Who sends what follows lives now; he may be dead when it has been read.
	killed := f.back.killed()
	_ = c.PrintfLine("354 go on")
	sealed, err := c.ReadDotBytes()
	if err != nil {
		return false
	}
	if random.IntN(20) == 0 { // it died before it wrote anything down
		reset(conn)
		return false
	}
	header, err := mime.ReadHeader(bufio.NewReader(bytes.NewReader(sealed)), mime.Limits{})
	if err != nil {
		return false
	}
	id := header.MessageID()
	if c.PrintfLine("250 2.0.0 taken") != nil {
		return false
	}
	for _, r := range to {
		if f.first(id, r, killed) {
			f.all.Go(func() { f.acknowledge(id, r, from) })
		}
	}
	return true
}

// first enters what was answered 250, and reports whether it came for the first
// time.
func (f *farSide) first(id, to string, killed int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	known, again := f.took[id+" "+to]
	f.took[id+" "+to] = &receipt{killed}
	if !again {
		return true
	}
	if known.killed == killed {
		f.again++
	} else {
		f.after++
	}
	return false
}

// acknowledge sends processed and then dispatched until each is answered 250,
// as an agent does that keeps a queue.
func (f *farSide) acknowledge(id, from, to string) {
	for _, d := range []mdn.Disposition{mdn.Processed, mdn.Dispatched} {
		text, err := f.notification(id, from, to, d)
		for err == nil && f.ctx.Err() == nil && f.send(from, to, text) != nil {
			wait(f.ctx, time.Second)
		}
	}
}

// notification is a sealed MDN.
func (f *farSide) notification(id, from, to string, d mdn.Disposition) (string, error) {
	self, err := mime.ParseAddress(from)
	if err != nil {
		return "", err
	}
	sender, err := mime.ParseAddress(to)
	if err != nil {
		return "", err
	}
	n := mdn.Notification{
		From: self, To: []mime.Address{sender}, MessageID: fmt.Sprintf("<%d@f.example>", f.number.Add(1)), Date: time.Now(),
		FinalRecipient: self, OriginalMessageID: id, Disposition: d, FinalDestination: d == mdn.Dispatched,
	}
	text, err := n.Compose(nil)
	if err != nil {
		return "", err
	}
	header, err := mime.ReadHeader(bufio.NewReader(bytes.NewReader(text)), mime.Limits{})
	if err != nil {
		return "", err
	}
	source := smime.SectionSource(bytes.NewReader(text), int64(len(text)))
	signed, err := sta.Sign(f.ctx, source, header, []cms.Signer{{Certificate: f.own.Cert, Key: f.own.Key}}, time.Now())
	if err != nil {
		return "", err
	}
	var sealed bytes.Buffer
	err = signed.Seal(&sealed, []mime.Address{sender}, []*x509.Certificate{f.peer}, cms.EncryptOptions{})
	return sealed.String(), err
}

func (f *farSide) send(from, to, text string) error {
	conn, err := (&net.Dialer{Timeout: sessionTime}).DialContext(f.ctx, "tcp", f.back.backbone)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(sessionTime))
	c, err := netsmtp.NewClient(conn, "localhost")
	if err != nil {
		return err
	}
	return hand(c, &message{from: from, to: []string{to}, text: text})
}

// bracketed is the address of a MAIL or RCPT command.
func bracketed(rest string) string {
	_, rest, _ = strings.Cut(rest, "<")
	address, _, _ := strings.Cut(rest, ">")
	return address
}
