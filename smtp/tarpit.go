package smtp

import (
	"errors"
	"time"

	"postern/internal/admit"
)

var errTiresome = errors.New("too many commands that do nothing for a message")

// What a client may do wrong on one connection. RFC 5321 §4.5.4.1 lets it repeat
// errors as it likes; whoever does is guessing addresses, or is no mail server.
const (
	// freeErrors are answered at once. Each further one makes the next answer
	// wait, by one ErrorDelay more than the last and never longer than
	// longestDelay of them. The one after maxErrors ends the connection.
	freeErrors   = 3
	longestDelay = 10
	maxErrors    = 50
	// freeJunk is how many commands may do nothing for a message (NOOP, RSET,
	// VRFY, EHLO, bad syntax) until one is accepted. Each further one is an error.
	freeJunk = 100
)

// wrong counts a refusal. It reports whether that was one too many.
func (w *wire) wrong() (enough bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.countError()
}

func (w *wire) countError() (enough bool) {
	w.errors++
	w.stats.errors.Add(1)
	if w.errors == maxErrors+1 {
		w.stats.hungUp.Add(1)
	}
	w.owed = time.Duration(min(max(0, w.errors-freeErrors), longestDelay)) * w.opts.ErrorDelay
	return w.errors > maxErrors
}

// useful says that the command under way did something for a message.
func (w *wire) useful() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.junk = max(0, w.junk-1)
}

// worthwhile says that a message was accepted.
func (w *wire) worthwhile() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.junk = 0
}

// inVain counts a command within a transfer that brings nothing.
func (w *wire) inVain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.countJunk()
}

func (w *wire) countJunk() {
	w.junk++
	if w.junk > freeJunk && w.countError() && w.failed == nil {
		w.failed = errTiresome
	}
}

// nextCommand counts the command that is read next, and returns how long that has
// to wait. Within a transfer there are chunks, which its time and octets bound.
func (w *wire) nextCommand() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.transfer == nil {
		w.countJunk()
	}
	d := w.owed
	w.owed = 0
	return d
}

// linger waits. Draining and the end of the connection end it.
func (w *wire) linger(d time.Duration) { admit.Linger(d, w.drained, w.ctx.Done()) }
