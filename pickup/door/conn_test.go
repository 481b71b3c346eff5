package door

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// hurrying is a connection of a server that ends, or is about to, and the client's end.
func hurrying(t *testing.T, test func(c *Conn, client net.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		defer server.Close()
		defer client.Close()
		test(&Conn{Conn: server, leave: func() {}}, client)
	})
}

// A client that reads nothing is waited for Farewell, whatever deadline there was, and no
// second time.
func TestHurryEndsWritesThatNobodyReads(t *testing.T) {
	for name, deadline := range map[string]time.Duration{"none": 0, "late": time.Hour} {
		t.Run(name, func(t *testing.T) {
			hurrying(t, func(c *Conn, _ net.Conn) {
				if deadline > 0 {
					_ = c.SetWriteDeadline(time.Now().Add(deadline))
				}
				time.AfterFunc(time.Minute, c.Hurry)
				began := time.Now()
				_, err := c.Write([]byte("a"))
				if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != time.Minute+Farewell {
					t.Errorf("after %v: %v", took, err)
				}
				_ = c.SetDeadline(time.Time{})
				_, err = c.Write([]byte("b"))
				if took := time.Since(began); err == nil || took != time.Minute+Farewell {
					t.Errorf("again after %v: %v", took, err)
				}
			})
		})
	}
}

// A client that is slow and goes on has all of it.
func TestHurryWaitsForWhoGoesOn(t *testing.T) {
	hurrying(t, func(c *Conn, client net.Conn) {
		c.Hurry()
		go func() {
			for range 20 {
				time.Sleep(Farewell - time.Millisecond)
				_, _ = io.ReadFull(client, make([]byte, 2))
			}
		}()
		for range 20 {
			_ = c.SetWriteDeadline(time.Time{})
			_, err := c.Write([]byte("ab"))
			if err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A client that says nothing is not waited for either, but may still be told why; and what
// was to end sooner does.
func TestHurryEndsReads(t *testing.T) {
	for name, row := range map[string]struct{ deadline, want time.Duration }{
		"none": {0, Farewell}, "late": {time.Hour, Farewell}, "soon": {time.Millisecond, time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			hurrying(t, func(c *Conn, client net.Conn) {
				c.Hurry()
				if row.deadline > 0 {
					_ = c.SetReadDeadline(time.Now().Add(row.deadline))
				}
				began := time.Now()
				_, err := c.Read(make([]byte, 1))
				if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took != row.want {
					t.Errorf("after %v: %v", took, err)
				}
				go func() { _, _ = client.Read(make([]byte, 1)) }()
				_, err = c.Write([]byte("a"))
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}
