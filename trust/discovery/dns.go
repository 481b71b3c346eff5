package discovery

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Defaults and bounds of the DNS client.
const (
	DefaultTryTimeout = 2 * time.Second // for one question to one server
	DefaultTries      = 2               // times that every server is asked
	udpSize           = 1232            // EDNS0 payload that passes everywhere without fragments
	maxServers        = 8
	maxCNAMEs         = 8 // CD-8
	systemConfig      = "/etc/resolv.conf"
)

// A DNS asks recursive resolvers. It is safe for concurrent use. Make one with
// NewDNS.
type DNS struct {
	// TryTimeout bounds one question to one server; 0 is DefaultTryTimeout.
	TryTimeout time.Duration
	// Tries is how often every server is asked before giving up; 0 is
	// DefaultTries. The whole is bounded by the caller's context as well.
	Tries int

	servers []netip.AddrPort
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

// Why a look-up gave nothing; see DNSError.
var (
	ErrNoName = errors.New("the name does not exist")          // NXDOMAIN
	ErrNoData = errors.New("the name has no such record")      // NODATA
	ErrServer = errors.New("no DNS server gave a good answer") // SERVFAIL, REFUSED, silence and the like
)

// A DNSError says why a look-up gave nothing. Err wraps ErrNoName or ErrNoData,
// which are answers, or it is a failure that may pass.
type DNSError struct {
	Name, Type string
	Server     string // the last one asked, or ""
	Kind       Answer
	Err        error
}

// Error returns the question and what became of it.
func (e *DNSError) Error() string {
	return fmt.Sprintf("looking up %s %s: %v", e.Name, e.Type, e.Err)
}

// Unwrap returns Err.
func (e *DNSError) Unwrap() error { return e.Err }

// Temporary reports whether the look-up may succeed later (CD-9). Only an
// answer that there is nothing is final.
func (e *DNSError) Temporary() bool {
	return !errors.Is(e.Err, ErrNoName) && !errors.Is(e.Err, ErrNoData)
}

// kindOf tells what kind of answer err stands for.
func kindOf(err error) Answer {
	switch {
	case errors.Is(err, ErrNoName):
		return AnswerNoName
	case errors.Is(err, ErrNoData):
		return AnswerNoRecord
	}
	return AnswerServFail
}

// temporary reports whether err is a DNS failure that may pass. Others, such as
// those of LDAP servers, never count (CD-31).
func temporary(err error) bool {
	var e *DNSError
	return errors.As(err, &e) && e.Temporary()
}
