package testnet

import (
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
)

// Ports of tests are below those that the system gives to connections going out
// and to listeners that want any. A process takes them by the block, and has a
// block for itself by listening at its first port until it ends: no two calls on a
// machine get the same, so what is free stays so until a peer listens there, and
// what is dead stays dead.
const (
	firstPort = 10_000 // a multiple of blockSize
	blocks    = 100
	blockSize = 200
)

// ports are those of a process.
type ports struct {
	mu   sync.Mutex
	held []net.Listener // the first ports of its blocks
	next int            // in the last of them, unless it is a multiple of blockSize: its end
}

var ownPorts ports

// freePort returns a loopback port that is free for TCP and UDP.
func freePort(t testing.TB) string {
	t.Helper()
	port := ownPorts.take()
	if port == "" {
		t.Fatal("testnet: no port is free for both TCP and UDP")
	}
	return port
}

// DeadPort returns a loopback address that refuses connections.
func DeadPort(t testing.TB) string {
	t.Helper()
	return loopback(freePort(t))
}

// take returns a port that is free, or "" if there is none.
func (p *ports) take() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		if p.next%blockSize == 0 && !p.takeBlock() {
			return ""
		}
		port := strconv.Itoa(p.next)
		p.next++
		if isFree(loopback(port)) {
			return port
		}
	}
}

// takeBlock takes a block that no process has.
func (p *ports) takeBlock() bool {
	for i := range blocks {
		first := firstPort + (os.Getpid()+i)%blocks*blockSize
		l, err := net.Listen("tcp", loopback(strconv.Itoa(first)))
		if err == nil {
			p.held, p.next = append(p.held, l), first+1
			return true
		}
	}
	return false
}

func loopback(port string) string { return net.JoinHostPort("127.0.0.1", port) }

func isFree(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	_ = u.Close()
	return true
}
