package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// An MX is one mail exchanger of a domain.
type MX struct {
	Host       string // a host name; a final dot does not matter
	Preference uint16 // lower is tried first
}

// A Resolver finds the hosts of a domain. Its errors carry NullMX, NoRoute or
// DiscoveryTimeout.
type Resolver interface {
	// LookupMX returns the exchangers in any order. A domain without MX has
	// itself as the only one (RFC 5321 §5.1).
	LookupMX(ctx context.Context, domain mime.Domain) ([]MX, error)
	// LookupHost returns the IPv4 and IPv6 addresses of a host.
	LookupHost(ctx context.Context, host string) ([]netip.Addr, error)
}

// A Dialer opens a connection; net.Dialer's DialContext is one.
type Dialer func(ctx context.Context, network, address string) (net.Conn, error)

// Timeouts bound a delivery. A zero value takes the default, which is that of
// RFC 5321 §4.5.3.2 but for Connect and Total.
type Timeouts struct {
	Connect   time.Duration // one TCP connection: 30 seconds
	Command   time.Duration // greeting, handshake and every reply: 5 minutes
	DataBlock time.Duration // one block written: 3 minutes
	DataDone  time.Duration // the reply to the final dot: 10 minutes
	Total     time.Duration // everything, all hosts together: 30 minutes
}

func (t Timeouts) withDefaults() Timeouts {
	return Timeouts{
		Connect:   cmp.Or(t.Connect, 30*time.Second),
		Command:   cmp.Or(t.Command, 5*time.Minute),
		DataBlock: cmp.Or(t.DataBlock, 3*time.Minute),
		DataDone:  cmp.Or(t.DataDone, 10*time.Minute),
		Total:     cmp.Or(t.Total, 30*time.Minute),
	}
}

// A Relay delivers messages to other STAs. It keeps nothing but connections for a
// while and may be used by many goroutines.
type Relay struct {
	Hostname string // what we call ourselves; "localhost" if empty
	Resolver Resolver
	Routes   map[mime.Domain]string // host:port to use instead of a domain's MX
	Port     int                    // at the MX; 25 if zero
	// TLSConfig is used whenever the peer offers STARTTLS. Nil means TLS 1.2 or
	// better without a look at the certificate: transport security is no trust
	// input, the message is protected by S/MIME (CP-25).
	TLSConfig *tls.Config
	// RequireTLS forbids to fall back to clear text.
	RequireTLS bool
	Timeouts   Timeouts
	// Idle is how long a connection over which a message was taken waits for the
	// next one to the same host; 0 is not at all. Close ends those that wait.
	Idle time.Duration
	Dial Dialer // a plain net.Dialer if nil
	// DialMX is for hosts that DNS names and not a route: strangers chose them. It
	// may refuse one for good, by an error that carries a reason. Dial if nil.
	DialMX Dialer

	idle idleLinks
}

// A Delivery is one message to the recipients of one domain.
type Delivery struct {
	From        mime.Address // zero: <>
	To          []mime.Address
	Destination mime.Domain
	Size        int64 // octets, for SIZE= (RFC 1870); 0: not known
	// Message opens the message, CRLF canonical. It is called at most once, when
	// a recipient has been accepted; a reader that is an io.Closer is closed.
	Message func() (io.Reader, error)
}

// A Result says what became of one recipient.
type Result struct {
	Recipient mime.Address
	// Code is OK, PeerRefused, PeerDeferred or PeerUnreachable; what the Resolver
	// said; or Internal when the message could not be read.
	Code     reason.Code
	Reply    int    // the peer's reply code, or 0 if it gave none
	Enhanced string // its enhanced status, or the general one of the reply or code
	Text     string // its words, or ours: printable ASCII, at most 500 octets
	Host     string // the host that spoke last, or ""
	TLS      bool   // the connection to it was under TLS
	// Down says that the destination as a whole gave no service, such as by a
	// refused connection, a failed greeting, 421 or a DNS that does not answer:
	// what it says of others of its recipients would be the same now.
	Down bool
	// Slow says that the destination takes no more for the moment: it put the message
	// off, by 421, 450 or 451, before it heard for whom that is.
	Slow bool
	// Unanswered says that the whole message was sent and no answer came, or two that
	// contradict each other: it may have been taken, and is sent twice when it is tried
	// again.
	Unanswered bool
	// Others are what the other hosts and addresses said that were tried in the same
	// attempt, in their order: the first eight, without Recipient. They are the same
	// for all recipients.
	Others []Result
}

// Send delivers to the first host of the destination that will talk, by MX
// preference (RFC 5321 §5.1), and returns one result for each recipient, in
// their order.
//
// A connection lost after the final dot is a temporary failure: the peer may
// have taken the message, and may get it twice (RFC 5321 §4.5.5 prefers that to
// losing it).
func (r *Relay) Send(ctx context.Context, d Delivery) []Result {
	ctx, cancel := context.WithTimeout(ctx, r.Timeouts.withDefaults().Total)
	defer cancel()
	hosts, err := r.hosts(ctx, d.Destination)
	if err != nil {
		return spread(d.To, failed(err, ""))
	}
	var t trial
	for _, h := range hosts {
		addresses, err := r.addresses(ctx, h.name)
		if err != nil {
			t.failed(failed(err, h.name))
			continue
		}
		for _, a := range addresses {
			if t.attempts == maxAttempts || ctx.Err() != nil {
				return t.results(d.To)
			}
			t.attempts++
			results, failure := r.attempt(ctx, h, netip.AddrPortFrom(a, h.port), d)
			if results != nil {
				return t.before(results)
			}
			t.failed(failure)
		}
	}
	return t.results(d.To)
}

// attempt talks to one address. It returns results, or the failure that lets
// the next address be tried: nobody has been accepted yet.
func (r *Relay) attempt(ctx context.Context, h host, addr netip.AddrPort, d Delivery) ([]Result, Result) {
	at := place{h.name, addr, h.routed}
	l := r.again(ctx, at, d)
	var err error
	if l == nil {
		l, err = r.connect(ctx, h, addr)
		if err != nil {
			return nil, tooFast(noService(err, h.name))
		}
		err = l.mail(d)
	}
	if err != nil {
		defer l.close()
		failure := tooFast(l.mark(outcome(err, l.host)))
		if failure.Code != reason.PeerRefused {
			return nil, failure
		}
		return spread(d.To, failure), Result{}
	}
	results, taken := l.deliver(d)
	r.release(at, l, taken)
	return results, Result{}
}

// again begins a transaction over a connection that waited, if there is one that
// still works. Whatever else it says, of MAIL or while it waited, may be about its
// age, such as 421, or of more messages than it takes: a new connection decides.
// Nothing has been sent.
func (r *Relay) again(ctx context.Context, at place, d Delivery) *link {
	l := r.idle.take(at)
	if l == nil {
		return nil
	}
	l.resume(ctx)
	if !l.silent() || l.mail(d) != nil {
		l.close()
		return nil
	}
	return l
}

func (r *Relay) connect(ctx context.Context, h host, addr netip.AddrPort) (*link, error) {
	l, err := r.open(ctx, h, addr, true)
	if isHandshake(err) && !r.RequireTLS {
		// Opportunistic (RFC 7435): no TLS that works is as no TLS at all, and a
		// connection with a broken handshake is of no use any more.
		l, err = r.open(ctx, h, addr, false)
	}
	return l, err
}
