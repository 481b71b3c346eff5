package discovery_test

import (
	"crypto/x509"
	"io"
	"net"
	"sync"
	"testing"
)

func certs(all ...*x509.Certificate) []*x509.Certificate { return all }

// listen serves each connection with handle, and closes it after.
func listen(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	return l.Addr().String()
}

// pour writes b until the other side has had enough.
func pour(c net.Conn, b []byte) {
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// hold reads until the other side hangs up.
func hold(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
