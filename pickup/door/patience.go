package door

import (
	"context"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"

	"postern/internal/admit"
)

// What a client may do wrong on one connection.
const (
	// freeErrors commands that are no good cost nothing. After each further one the
	// next command waits, by one Delay more than after the last and never longer
	// than longestDelay of them. The one after maxErrors ends the connection.
	freeErrors   = 5
	longestDelay = 10
	maxErrors    = 50
)

// Patience is how long a server goes on with a client that gets everything wrong.
// It is safe for use by many goroutines.
type Patience struct {
	Delay  time.Duration   // the unit of what is waited
	Errors *atomic.Uint64  // counts what was wrong, on all connections; nil does not
	Ended  <-chan struct{} // closed when the server ends, which ends all waiting
	// Until is when the client must have logged in, and zero afterwards. Its connection
	// sets it, in the goroutine that waits.
	Until time.Time

	mu  sync.Mutex
	bad int
	due time.Time // before it the next command is not carried out
}

// Wrong counts a command that was no good.
func (p *Patience) Wrong() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad++
	p.due = time.Now().Add(time.Duration(min(max(0, p.bad-freeErrors), longestDelay)) * p.Delay)
	if p.Errors != nil {
		p.Errors.Add(1)
	}
}

// Spent reports whether it is over: the connection is to end.
func (p *Patience) Spent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bad > maxErrors
}

// Pay waits for what the last commands cost, before the next is carried out.
func (p *Patience) Pay() {
	p.mu.Lock()
	due := p.due
	p.mu.Unlock()
	p.Linger(time.Until(due))
}

// Linger waits, at most until the server ends or the time to log in is over.
func (p *Patience) Linger(d time.Duration) {
	if !p.Until.IsZero() {
		d = min(d, time.Until(p.Until))
	}
	admit.Linger(d, p.Ended, nil)
}

// Late reports whether the time to log in is over. What came before its end is not
// carried out behind it.
func (p *Patience) Late() bool { return !p.Until.IsZero() && !time.Now().Before(p.Until) }

// Handshake ends a TLS handshake of the server in bounded time, and lets the
// connection have all the time there is afterwards.
func Handshake(ctx context.Context, c *tls.Conn, within time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := c.HandshakeContext(limited)
	if err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}
