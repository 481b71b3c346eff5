package ldapd

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
)

// failing is a listener whose first calls of Accept fail.
type failing struct {
	*testnet.Pipes
	with  error
	times atomic.Int32
}

func (f *failing) Accept() (net.Conn, error) {
	if f.times.Add(-1) >= 0 {
		return nil, f.with
	}
	return f.Pipes.Accept()
}

func TestServeWhenAcceptingFails(t *testing.T) {
	for _, c := range []struct {
		name string
		with error
		want error
	}{
		{"out of files", &net.OpError{Op: "accept", Err: syscall.EMFILE}, nil},
		{"gone before it was accepted", &net.OpError{Op: "accept", Err: syscall.ECONNABORTED}, nil},
		{"for good", syscall.EBADF, syscall.EBADF},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			synctest.Test(t, func(t *testing.T) {
				l := &failing{Pipes: testnet.NewPipes(), with: c.with}
				l.times.Store(3)
				server := New(s.source, Options{})
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- server.Serve(ctx, l) }()
				if c.want == nil {
					f := reach(l.Pipes)
					f.Write(bindOctets)
					synctest.Wait()
					f.Close()
					if got := replies(t, f.end()); len(got) != 1 {
						t.Errorf("answers %v", got)
					}
				} else {
					synctest.Wait()
				}
				cancel()
				if err := <-served; !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				<-l.Closed()
			})
		})
	}
}

// A client that reads no answer does not hold up the end of the server, nor does one that
// does not read the notice of it.
func TestShutdownDoesNotWaitForWhoReadsNothing(t *testing.T) {
	for name, asks := range map[string][]byte{"an answer": bindOctets, "the notice": nil} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			synctest.Test(t, func(t *testing.T) {
				server := New(s.source, Options{})
				testnet.Serve(t, server, func(p *testnet.Pipes) {
					c := p.Dial()
					defer c.Close()
					_, err := c.Write(asks)
					if err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
					began := time.Now()
					err = server.Shutdown(context.Background())
					if took := time.Since(began); err != nil || took != departure {
						t.Errorf("after %v: %v", took, err)
					}
				})
			})
		})
	}
}
