package pickup

import (
	"bytes"
	"errors"
	"time"
)

// What a client may do wrong on one connection.
const (
	// freeErrors commands answered BAD cost nothing. After each further one the
	// next command waits, by one ErrorDelay more than after the last and never
	// longer than longestDelay of them. The one after maxErrors ends the
	// connection.
	freeErrors   = 5
	longestDelay = 10
	maxErrors    = 50
)

var errTooManyErrors = errors.New("too many errors")

// judge counts a response that says BAD: a whole line with its tag, which the
// library writes at once. mu is held.
func (f *front) judge(response []byte) {
	tag, rest, _ := bytes.Cut(response, []byte(" "))
	if bytes.HasPrefix(rest, []byte("BAD ")) && len(tag) > 0 && tag[0] != '*' {
		f.wrong()
	}
}

// wrong counts a command that was no good. mu is held.
func (f *front) wrong() {
	f.bad++
	f.owed = time.Duration(min(max(0, f.bad-freeErrors), longestDelay)) * f.delay
	if f.errors != nil {
		f.errors.Add(1)
	}
}

// pay waits for what the last commands cost before the next is read.
func (f *front) pay() error {
	f.mu.Lock()
	d, bad := f.owed, f.bad
	f.owed = 0
	f.mu.Unlock()
	if bad > maxErrors {
		return f.giveUp(errTooManyErrors)
	}
	f.linger(d)
	return nil
}

// linger waits in the connection's own goroutine, which holds nothing but the
// connection's place. The end of the server ends it.
func (f *front) linger(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.closing:
	}
}

// welcome says that the client has logged in. It is called between two reads.
func (f *front) welcome() { f.until = time.Time{} }

// SetReadDeadline sets the time for reading. Until the client has logged in, no
// number of commands gives it more than LoginTime.
func (f *front) SetReadDeadline(t time.Time) error {
	if !f.until.IsZero() && (t.IsZero() || t.After(f.until)) {
		t = f.until
	}
	return f.Conn.SetReadDeadline(t)
}
