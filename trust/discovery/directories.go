package discovery

import (
	"context"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"postern/trust/reason"
)

// Bounds on the directories of one domain.
const (
	maxDirectories   = 8
	directoryTimeout = 8 * time.Second // for opening one and searching it
	maxOutcome       = 400             // octets that are told of what a server said
)

// directories asks the LDAP servers of the domain, each for the address and
// then each for the domain.
func (f *finder) directories(ctx context.Context) {
	servers := f.servers(ctx)
	open := make([]*directory, len(servers))
	for i, s := range servers {
		open[i] = &directory{server: s, dns: f.DNS, network: f.Network}
		defer open[i].close()
	}
	for _, q := range []struct {
		source Source
		mail   string
	}{
		{LDAPAddress, f.addr.String()},
		{LDAPDomain, f.addr.Domain().String()},
	} {
		for _, d := range open {
			if f.search(ctx, d, q.source, q.mail) {
				return
			}
			// CD-23, CD-24: dead, or without certificates, the next may have them.
		}
	}
}

// servers finds the LDAP servers of the domain, in the order to ask them.
func (f *finder) servers(ctx context.Context) []SRV {
	began := time.Now()
	name := "_ldap._tcp." + f.addr.Domain().String()
	a, err := f.DNS.query(ctx, name, dns.TypeSRV, f.fresh)
	servers := srvRecords(a)
	step := Step{Source: LDAPAddress, Query: name + " SRV", Server: a.server, Duration: time.Since(began),
		Outcome: fmt.Sprintf("servers: %d", len(servers))}
	if len(servers) == 0 {
		step.Outcome = "the domain has no LDAP service" // CD-25
	}
	f.explain(&step, err)
	f.record(step)
	return servers[:min(len(servers), maxDirectories)]
}

// search asks one directory and reports whether to stop here.
func (f *finder) search(ctx context.Context, d *directory, source Source, mail string) bool {
	ctx, cancel := context.WithTimeout(ctx, directoryTimeout)
	defer cancel()
	began := time.Now()
	filter := mailFilter(mail)
	h, err := d.search(ctx, filter)
	step := Step{Source: source, Query: filter, Server: d.name(), Duration: time.Since(began), Outcome: h.String()}
	if err != nil {
		step.Err = err
		if !h.any() {
			step.Outcome = "failed: " + reason.Line(err.Error(), maxOutcome)
		}
		f.later(err) // only DNS errors are of the kind that may pass (CD-31, CD-43)
	}
	return f.take(step, h)
}
