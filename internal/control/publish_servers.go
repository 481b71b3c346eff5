package control

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"postern/internal/publish"
	"postern/mime"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A nameServer is one of a domain's own, with the addresses that it has.
type nameServer struct {
	host  string
	addrs []netip.Addr
}

// nameServers looks for the servers of the zone that a domain is in: its own or
// one above it. It reports whether DNS gave an answer.
func (v *survey) nameServers(ctx context.Context, domain mime.Domain) (all []nameServer, answered bool) {
	zone, hosts, err := v.zoneOf(ctx, domain)
	if err != nil {
		f := PublishFinding{Domain: string(domain), What: whatNameServer, Name: string(domain), State: FoundUnanswered, Detail: err.Error()}
		if discovery.Answered(err) {
			f.State, f.Detail = FoundMissing, "no name server is known for it"
			f.Hint = "whoever hosts the domain adds the records that postern publish zone prints"
			if v.delegated {
				f.Hint = "whoever runs the domain above delegates it to our name servers"
				f.Record = fmt.Sprintf("%s. IN NS %s.", domain, v.set.NameServers[0])
			}
		}
		v.found(f)
		return nil, discovery.Answered(err)
	}
	for _, host := range hosts {
		f := PublishFinding{Domain: string(domain), What: whatNameServer, Name: host, State: FoundOK, Detail: "of the zone " + zone}
		_, err := netip.ParseAddr(host)
		if err == nil { // CD-10
			f.State, f.Detail = FoundWrong, "the NS record holds an address where a host's name belongs: nobody can find that server"
			f.Hint = "give the host a name, and name that"
			v.found(f)
			continue
		}
		v.found(f)
		addrs := v.host(ctx, domain, mime.Domain(host))
		if len(addrs) > 0 {
			all = append(all, nameServer{host, addrs})
		}
	}
	return all, true
}

// zoneOf finds the zone that a domain is in, by going upwards until somebody has
// name servers.
func (v *survey) zoneOf(ctx context.Context, domain mime.Domain) (zone string, hosts []string, err error) {
	for zone = string(domain); ; {
		hosts, err = v.DNS.LookupNS(ctx, zone)
		if err == nil && len(hosts) > 0 || err != nil && !discovery.Answered(err) {
			return zone, hosts, err
		}
		_, above, ok := strings.Cut(zone, ".")
		if !ok || !strings.Contains(above, ".") { // nobody's in particular
			return zone, nil, fmt.Errorf("finding the name servers of %s: %w", domain, discovery.ErrNoData)
		}
		zone = above
	}
}

// mailServers compares the MX records of a domain with ours (CD-10).
func (v *survey) mailServers(ctx context.Context, domain mime.Domain) {
	found, err := v.DNS.LookupMX(ctx, domain)
	if reason.Of(err) == reason.DiscoveryTimeout {
		v.found(PublishFinding{Domain: string(domain), What: whatMail, Name: string(domain), State: FoundUnanswered, Detail: err.Error()})
		return
	}
	var hosts []mime.Domain
	for _, m := range found {
		hosts = append(hosts, mime.Domain(strings.ToLower(m.Host)))
	}
	for _, m := range v.set.Mail {
		f := PublishFinding{Domain: string(domain), What: whatMail, Name: string(m.Host), State: FoundOK, Detail: "is the MX"}
		if !slices.Contains(hosts, m.Host) {
			f.State, f.Detail = FoundMissing, "no MX record leads there"
			f.Hint, f.Record = "add the record", fmt.Sprintf("%s. IN MX %d %s.", domain, m.Preference, m.Host)
		}
		v.found(f)
		v.host(ctx, domain, m.Host)
	}
	for _, h := range hosts {
		if !slices.ContainsFunc(v.set.Mail, func(m publish.MailServer) bool { return m.Host == h }) && h != domain {
			v.found(PublishFinding{Domain: string(domain), What: whatMail, Name: string(h), State: FoundForeign,
				Detail: "an MX record leads there", Hint: "take the record out, or name the host in publish.mail if it is ours"})
		}
	}
}

// host looks for the addresses of a host of ours, once.
func (v *survey) host(ctx context.Context, domain, host mime.Domain) []netip.Addr {
	if slices.ContainsFunc(v.findings, func(f PublishFinding) bool { return f.What == whatHost && f.Name == string(host) }) {
		addrs, _ := v.DNS.LookupHost(ctx, string(host)) // from memory; what is wrong with it was told
		return addrs
	}
	f := PublishFinding{Domain: string(domain), What: whatHost, Name: string(host), State: FoundOK}
	addrs, err := v.DNS.LookupHost(ctx, string(host))
	switch {
	case reason.Of(err) == reason.DiscoveryTimeout:
		f.State, f.Detail = FoundUnanswered, err.Error()
	case err != nil:
		f.State, f.Detail = FoundMissing, "it has no address"
		f.Hint, f.Record = "add the record", fmt.Sprintf("%s. IN A (the address of this server)", host)
	default:
		f.Detail = joinAddrs(addrs)
		v.compareAddrs(&f, host, addrs)
	}
	v.found(f)
	return addrs
}

func (v *survey) compareAddrs(f *PublishFinding, host mime.Domain, addrs []netip.Addr) {
	for _, want := range v.set.Hosts[host] {
		if !slices.Contains(addrs, want) {
			f.State, f.Detail = FoundWrong, fmt.Sprintf("it has the addresses %s, and not %s", joinAddrs(addrs), want)
			f.Hint, f.Record = "add the record, or mend publish.hosts", addressRecord(host, want)
			return
		}
	}
	for _, a := range addrs {
		err := v.Network.Check(a)
		if err != nil {
			f.State, f.Detail, f.Hint = FoundWrong, fmt.Sprintf("%s is an address that others cannot reach", a), "publish an address of the public internet"
			return
		}
	}
}

func addressRecord(host mime.Domain, a netip.Addr) string {
	if a.Is4() {
		return fmt.Sprintf("%s. IN A %s", host, a)
	}
	return fmt.Sprintf("%s. IN AAAA %s", host, a)
}

func joinAddrs(all []netip.Addr) string {
	var texts []string
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, " ")
}

// ownServers asks every name server of a domain itself, by UDP and by TCP, for
// the certificates of one name: the longest answer there is.
func (v *survey) ownServers(ctx context.Context, domain mime.Domain, servers []nameServer, o owner) {
	name, err := discovery.OwnerName(o.address, o.domain)
	if err != nil {
		return // it is told with the name
	}
	for _, s := range servers {
		for _, addr := range s.addrs {
			for _, network := range []string{"udp", "tcp"} {
				f := PublishFinding{Domain: string(domain), What: whatNameServer, Name: s.host, State: FoundOK,
					Detail: fmt.Sprintf("%s answers over %s", addr, strings.ToUpper(network))}
				v.askServer(ctx, &f, network, addr, name, o)
				v.found(f)
			}
		}
	}
}

func (v *survey) askServer(ctx context.Context, f *PublishFinding, network string, addr netip.Addr, name string, o owner) {
	over := strings.ToUpper(network)
	a, err := v.DNS.AskServer(ctx, network, addr, name)
	switch {
	case err != nil && ctx.Err() != nil:
		f.State, f.Detail = FoundUnanswered, ctx.Err().Error()
	case err != nil: // it is ours, so it should
		f.State, f.Detail = FoundWrong, fmt.Sprintf("%s gives no answer over %s: %s", addr, over, err)
		f.Hint = "a name server answers over UDP and TCP, and firewalls let both through"
	case !a.Authoritative:
		f.State, f.Detail = FoundWrong, fmt.Sprintf("%s does not speak for the zone", addr)
		f.Hint = "load the zone there: postern publish zone writes it"
	case a.Truncated && network == "tcp":
		f.State, f.Detail = FoundWrong, fmt.Sprintf("%s cuts its answer off over TCP as well", addr)
	case len(a.Certs) == 0 && (v.inLDAP[o.key()] == FoundOK || v.inLDAP[o.key()] == FoundUnanswered): // CD-44; it is told with the name
	case !a.Truncated && !a.Alias && !sameCertificates(a.Certs, v.fingerprints(o)):
		f.State, f.Detail = FoundWrong, fmt.Sprintf("%s has other certificates at %s than are to be published, over %s", addr, name, over)
		f.Hint = "load the zone of today there, with a serial that has grown"
	}
}

// sameCertificates reports whether CERT records hold exactly some certificates.
func sameCertificates(certs []discovery.CERT, want []string) bool {
	var have []string
	for _, c := range certs {
		if c.Type == discovery.CertPKIX {
			have = append(have, fingerprintText(c.Data))
		}
	}
	slices.Sort(have)
	return slices.Equal(slices.Compact(have), want)
}
