package discovery

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"github.com/miekg/dns"

	"postern/internal/fetch"
	"postern/mime"
)

// What a site needs to see its own publication as others do. Nothing here is a
// part of finding a recipient's certificates.

// Anew returns a Resolver that asks as r does and knows nothing yet, nor does its
// Fetcher, if that is a fetch.Client: another is the one of r. It is to be ended
// with Close, and so is its DNS.
func (r *Resolver) Anew() *Resolver {
	d := &DNS{
		TryTimeout: r.DNS.TryTimeout, Tries: r.DNS.Tries, Network: r.DNS.Network, Port: r.DNS.Port, Now: r.DNS.Now,
		servers: r.DNS.servers,
	}
	fetcher := r.Fetcher
	client, ok := fetcher.(*fetch.Client)
	if ok {
		own := *client
		own.Lookup = d.LookupHost
		fetcher = &own
	}
	return &Resolver{DNS: d, Network: r.Network, Fetcher: fetcher, Budget: r.Budget, Now: r.Now, Log: r.Log}
}

// FindInDirectories is Find without DNS, but for finding the directories: what
// they have for the address, or else for its domain.
func (r *Resolver) FindInDirectories(ctx context.Context, ask Request) Result {
	r.begin()
	f := finder{Resolver: r, addr: ask.Address, fresh: ask.Fresh, began: r.now()}
	ctx, cancel := context.WithTimeout(ctx, r.budget())
	defer cancel()
	f.directories(ctx)
	f.conclude(ctx)
	return f.result
}

// LookupNS returns the name servers that a name itself has, without the final
// dot: none but those of a zone's apex has any. Errors are *DNSError.
func (d *DNS) LookupNS(ctx context.Context, name string) ([]string, error) {
	a, err := d.query(ctx, name, dns.TypeNS, true)
	if err != nil {
		return nil, err
	}
	hosts := []string{}
	for _, h := range hostsOf(a.records, dns.Fqdn(name)) {
		hosts = append(hosts, strings.TrimSuffix(h, "."))
	}
	return hosts, nil
}

// A ServerAnswer is what one server said of the CERT records at a name.
type ServerAnswer struct {
	Certs []CERT
	// Alias says that the name is one of another, which may be elsewhere: Certs
	// need not be all then.
	Alias         bool
	Truncated     bool // by UDP; Certs are not all
	Authoritative bool
}

// askedTwice is how often a server is asked by UDP, which loses packets.
const askedTwice = 2

// AskServer asks one server of a domain's own, over "udp" or "tcp", and nobody
// else, for the CERT records at a name (CD-10). That there are none is no error.
// Where the guard does not let us go, the error wraps guard.ErrForbidden.
func (d *DNS) AskServer(ctx context.Context, network string, server netip.Addr, name string) (ServerAnswer, error) {
	if wireName(name) == "" {
		return ServerAnswer{}, errNotAName
	}
	to := target{addr: netip.AddrPortFrom(server, d.port()), own: true}
	l := &lookup{dns: d}
	var m *dns.Msg
	var err error
	for range askedTwice {
		m, err = l.askOver(ctx, network, to, dns.Fqdn(name))
		if network != "udp" || !errors.Is(err, context.DeadlineExceeded) && kindOf(err) != AnswerTimeout {
			break
		}
	}
	if err != nil {
		return ServerAnswer{}, err
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return ServerAnswer{}, rcodeError(m.Rcode)
	}
	at, hops, _ := chase(m.Answer, dns.Fqdn(name), dns.TypeCERT)
	return ServerAnswer{
		Certs: certRecords(answer{records: recordsAt(m.Answer, at, dns.TypeCERT)}),
		Alias: hops > 0, Truncated: m.Truncated, Authoritative: m.Authoritative,
	}, nil
}

func (l *lookup) askOver(ctx context.Context, network string, to target, name string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, l.dns.tryTimeout())
	defer cancel()
	return l.exchange(ctx, network, to, newQuestion(name, dns.TypeCERT, false))
}

// Answered reports whether an error of a look-up is an answer: that there is
// nothing there.
func Answered(err error) bool {
	return errors.Is(err, ErrNoName) || errors.Is(err, ErrNoData)
}

// OwnerName returns the name in DNS at which the owner of a certificate, an address
// or a whole domain, has it (CD-1, CD-2).
func OwnerName(address mime.Address, domain mime.Domain) (string, error) {
	if address.IsZero() {
		return domain.String(), nil
	}
	return AddressName(address)
}
