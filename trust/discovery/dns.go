package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"

	"postern/internal/guard"
)

// Defaults and bounds of the DNS client.
const (
	DefaultTryTimeout = 2 * time.Second // for one question to one server
	DefaultTries      = 2               // times that every server is asked
	DefaultPort       = 53              // of the domains' own servers
	udpSize           = 1232            // EDNS0 payload that passes everywhere without fragments
	maxServers        = 8
	maxCNAMEs         = 8 // CD-8
	systemConfig      = "/etc/resolv.conf"
)

// A DNS asks recursive resolvers, keeps what they say for as long as it may,
// and puts a question that several callers have at once only once. It is safe
// for concurrent use. Make one with NewDNS and end it with Close; its fields
// must not change after the first look-up.
type DNS struct {
	// TryTimeout bounds one question to one server; 0 is DefaultTryTimeout.
	TryTimeout time.Duration
	// Tries is how often every server is asked before giving up; 0 is
	// DefaultTries. The whole is bounded by inquiryTimeout and by the caller's
	// context as well.
	Tries int
	// Network says where the domains' own servers may be, which are asked for
	// certificates that no resolver has an answer about (CD-8). Strangers name
	// them. The resolvers are our own choice and may be anywhere.
	Network guard.Policy
	// Port is where the domains' own servers listen; 0 is DefaultPort.
	Port uint16
	// Now is the clock that answers age by; nil is time.Now.
	Now func() time.Time

	servers []netip.AddrPort
	counts  dnsCounts
	made    sync.Once
	cache   *cache[dnsKey, *entry, *lookup] // see answers

	mu              sync.Mutex   // guards all below
	unresponsive    unresponsive // of the resolvers
	unresponsiveOwn unresponsive // of the domains' own servers
}

// NewDNS returns a client of servers, each an IP address with or without a
// port. Without servers it asks those of the system, as they are now; without
// those, the resolver of this host.
func NewDNS(servers []string) (*DNS, error) {
	d := new(DNS)
	if len(servers) == 0 {
		servers = systemServers()
	}
	if len(servers) > maxServers {
		return nil, fmt.Errorf("more than %d DNS servers", maxServers)
	}
	for _, s := range servers {
		server, err := parseServer(s)
		if err != nil {
			return nil, fmt.Errorf("reading the DNS server %q: %w", s, err)
		}
		d.servers = append(d.servers, server)
	}
	return d, nil
}

func parseServer(s string) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(s)
	if err == nil {
		return netip.AddrPortFrom(addr, 53), nil
	}
	both, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}, errors.New("it must be an IP address, or one with a port")
	}
	return both, nil
}

// systemServers reads resolv.conf; search suffixes are of no use to us (CD-7).
func systemServers() []string {
	conf, err := dns.ClientConfigFromFile(systemConfig)
	if err != nil || len(conf.Servers) == 0 {
		return []string{"127.0.0.1", "::1"} // resolv.conf(5)
	}
	servers := conf.Servers[:min(len(conf.Servers), maxServers)]
	for i, s := range servers {
		servers[i] = net.JoinHostPort(s, conf.Port)
	}
	return servers
}

// Close ends the questions under way and waits for that. Afterwards only what
// is kept is answered.
func (d *DNS) Close() { d.answers().close() }

func (d *DNS) answers() *cache[dnsKey, *entry, *lookup] {
	d.made.Do(func() { d.cache = newCache[dnsKey, *entry, *lookup](d.now, maxEntries, maxOctets) })
	return d.cache
}

func (d *DNS) tries() int {
	if d.Tries <= 0 {
		return DefaultTries
	}
	return d.Tries
}

func (d *DNS) tryTimeout() time.Duration {
	if d.TryTimeout <= 0 {
		return DefaultTryTimeout
	}
	return d.TryTimeout
}

// now is the wall clock alone, since answers age while a machine sleeps.
func (d *DNS) now() time.Time {
	if d.Now == nil {
		return time.Now().Round(0)
	}
	return d.Now().Round(0)
}
