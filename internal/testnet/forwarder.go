package testnet

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Codes of DNS answers (RFC 1035 §4.1.1).
const (
	ServFail byte = 2
	Refused  byte = 5
)

// TypeCERT is the number of the CERT type (RFC 4398 §2).
const TypeCERT = 37

// forwardTime bounds how long a Forwarder waits for its upstream, or for a
// client over TCP.
const forwardTime = 5 * time.Second

// A Forwarder is a DNS server on loopback that passes questions on to another
// and counts them, except that it may answer a type by itself with an error, as
// some resolvers do with CERT (CP-12).
type Forwarder struct {
	Addr string

	upstream string
	udp      net.PacketConn
	tcp      net.Listener
	running  sync.WaitGroup

	mu    sync.Mutex
	codes map[uint16]byte
	quiet string // a label in lower case
	asked int
}

// NewForwarder starts a server in front of another. It ends with the test.
func NewForwarder(t testing.TB, upstream string) *Forwarder {
	t.Helper()
	f := &Forwarder{Addr: DeadPort(t), upstream: upstream, codes: make(map[uint16]byte)}
	var err error
	f.udp, err = net.ListenPacket("udp", f.Addr)
	if err != nil {
		t.Fatalf("testnet: listening for DNS: %v", err)
	}
	f.tcp, err = net.Listen("tcp", f.Addr)
	if err != nil {
		_ = f.udp.Close()
		t.Fatalf("testnet: listening for DNS: %v", err)
	}
	f.running.Go(f.datagrams)
	f.running.Go(f.connections)
	t.Cleanup(func() {
		_ = f.udp.Close()
		_ = f.tcp.Close()
		f.running.Wait()
	})
	return f
}

// Answer has questions for a type answered with an error code from now on.
func (f *Forwarder) Answer(qtype uint16, code byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.codes[qtype] = code
}

// Silence has questions for names with a label not answered from now on.
func (f *Forwarder) Silence(label string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.quiet = label
}

// Asked is how many questions there were, a second try and one by TCP included.
func (f *Forwarder) Asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked
}

func (f *Forwarder) datagrams() {
	for {
		packet := make([]byte, 1<<16)
		n, from, err := f.udp.ReadFrom(packet)
		if err != nil {
			return
		}
		f.running.Go(func() {
			reply := f.reply(packet[:n], f.overUDP)
			if reply != nil {
				_, _ = f.udp.WriteTo(reply, from) // the client asks again if it got nothing
			}
		})
	}
}

func (f *Forwarder) connections() {
	for {
		conn, err := f.tcp.Accept()
		if err != nil {
			return
		}
		f.running.Go(func() {
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(forwardTime))
			question, err := readFramed(conn)
			if err != nil {
				return
			}
			reply := f.reply(question, f.overTCP)
			if reply != nil {
				_ = writeFramed(conn, reply)
			}
		})
	}
}

// reply is the answer to a question, or nil for none.
func (f *Forwarder) reply(question []byte, pass func([]byte) []byte) []byte {
	qtype, end := questionOf(question)
	if end == 0 {
		return nil
	}
	f.mu.Lock()
	f.asked++
	code := f.codes[qtype]
	silent := f.quiet != "" && bytes.Contains(bytes.ToLower(question[:end]), append([]byte{byte(len(f.quiet))}, f.quiet...))
	f.mu.Unlock()
	if silent {
		return nil
	}
	if code == 0 {
		return pass(question)
	}
	reply := append([]byte(nil), question[:end]...)
	reply[2] |= 0x80             // QR
	reply[3] = 0x80 | code       // RA
	clear(reply[6:headerOctets]) // no records
	return reply
}

const headerOctets = 12

// questionOf returns the type of the only question and where it ends, or 0.
func questionOf(m []byte) (qtype uint16, end int) {
	if len(m) < headerOctets || binary.BigEndian.Uint16(m[4:]) != 1 {
		return 0, 0
	}
	at := headerOctets
	for at < len(m) && m[at] != 0 {
		at += 1 + int(m[at])
	}
	if at+5 > len(m) {
		return 0, 0
	}
	return binary.BigEndian.Uint16(m[at+1:]), at + 5
}

func (f *Forwarder) overUDP(question []byte) []byte {
	conn, err := net.DialTimeout("udp", f.upstream, forwardTime)
	if err != nil {
		return nil
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(forwardTime))
	_, err = conn.Write(question)
	if err != nil {
		return nil
	}
	reply := make([]byte, 1<<16)
	n, err := conn.Read(reply)
	if err != nil {
		return nil
	}
	return reply[:n]
}

func (f *Forwarder) overTCP(question []byte) []byte {
	conn, err := net.DialTimeout("tcp", f.upstream, forwardTime)
	if err != nil {
		return nil
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(forwardTime))
	err = writeFramed(conn, question)
	if err != nil {
		return nil
	}
	reply, err := readFramed(conn)
	if err != nil {
		return nil
	}
	return reply
}

// readFramed and writeFramed are a message over TCP (RFC 1035 §4.2.2).
func readFramed(r io.Reader) ([]byte, error) {
	var size [2]byte
	_, err := io.ReadFull(r, size[:])
	if err != nil {
		return nil, err
	}
	m := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err = io.ReadFull(r, m)
	return m, err
}

func writeFramed(w io.Writer, m []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...))
	return err
}
