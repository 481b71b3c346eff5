package pickup

import (
	"bytes"
	"errors"
	"time"
)

var (
	errTooManyErrors = errors.New("too many errors")
	errLate          = errors.New("nobody has logged in for too long")
)

// judge counts a response that says BAD: a whole line with its tag, which the
// library writes at once.
func (f *front) judge(response []byte) {
	tag, rest, _ := bytes.Cut(response, []byte(" "))
	if bytes.HasPrefix(rest, []byte("BAD ")) && len(tag) > 0 && tag[0] != '*' {
		f.Wrong()
	}
}

// pay waits for what the last commands cost before the next is read.
func (f *front) pay() error {
	if f.Spent() {
		return f.giveUp(errTooManyErrors)
	}
	f.Pay()
	if f.Late() {
		return f.giveUp(errLate)
	}
	return nil
}

// welcome says that the client has logged in. It is called between two reads.
func (f *front) welcome() { f.Until = time.Time{} }

// SetReadDeadline sets the time for reading. Until the client has logged in, no
// number of commands gives it more than LoginTime.
func (f *front) SetReadDeadline(t time.Time) error {
	if !f.Until.IsZero() && (t.IsZero() || t.After(f.Until)) {
		t = f.Until
	}
	f.deadline = t
	return f.Conn.SetReadDeadline(t)
}
