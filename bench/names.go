package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// questionTime bounds one raw question; a datagram may be lost.
const questionTime = 5 * time.Second

// question is a DNS question for CERT records in octets, as our client asks it
// (RFC 1035 §4.1, RFC 6891 §6.1): the floor makes it before it is measured.
func question(name string) []byte {
	const (
		wantRecursion = 1 << 8
		typeCERT      = 37
		classIN       = 1
		typeOPT       = 41
		payload       = 1232
	)
	q := binary.BigEndian.AppendUint16(nil, 1) // the id
	for _, v := range []uint16{wantRecursion, 1, 0, 0, 1} {
		q = binary.BigEndian.AppendUint16(q, v)
	}
	for label := range strings.SplitSeq(name, ".") {
		q = append(q, byte(len(label)))
		q = append(q, label...)
	}
	q = append(q, 0)
	for _, v := range []uint16{typeCERT, classIN} {
		q = binary.BigEndian.AppendUint16(q, v)
	}
	q = append(q, 0)
	for _, v := range []uint16{typeOPT, payload, 0, 0, 0} {
		q = binary.BigEndian.AppendUint16(q, v)
	}
	return q
}

// askRaw puts questions to a server, some at a time, each with a socket of its
// own as a careful client does (RFC 5452 §9.2), and reads the answers.
func askRaw(ctx context.Context, server string, questions [][]byte, atOnce int) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, q := range questions {
		g.Go(func() error {
			conn, err := new(net.Dialer).DialContext(ctx, "udp", server)
			if err != nil {
				return err
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(questionTime))
			_, err = conn.Write(q)
			if err != nil {
				return err
			}
			var answer [1 << 12]byte
			n, err := conn.Read(answer[:])
			if err != nil || n < len(q)-11 { // as long as the question without its OPT, at least
				return fmt.Errorf("a raw answer of %d octets: %w", n, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// A muffler passes questions on to a server, but those for names in one domain,
// of which nobody hears again.
type muffler struct {
	conn  net.PacketConn
	to    string
	quiet string // a label
	ended chan struct{}
}

func newMuffler(to, quiet string) (*muffler, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &muffler{conn, to, quiet, make(chan struct{})}
	go m.serve()
	return m, nil
}

func (m *muffler) addr() string { return m.conn.LocalAddr().String() }

func (m *muffler) close() {
	_ = m.conn.Close()
	<-m.ended
}

func (m *muffler) serve() {
	defer close(m.ended)
	var g errgroup.Group
	for {
		packet := make([]byte, 1<<11)
		n, from, err := m.conn.ReadFrom(packet)
		if err != nil {
			_ = g.Wait() // they return no error
			return
		}
		if strings.Contains(strings.ToLower(string(packet[:n])), m.quiet) {
			continue
		}
		g.Go(func() error {
			m.pass(packet[:n], from)
			return nil
		})
	}
}

func (m *muffler) pass(q []byte, from net.Addr) {
	conn, err := net.Dial("udp", m.to)
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(questionTime))
	_, err = conn.Write(q)
	if err != nil {
		return
	}
	var answer [1 << 12]byte
	n, err := conn.Read(answer[:])
	if err == nil {
		_, _ = m.conn.WriteTo(answer[:n], from)
	}
}
