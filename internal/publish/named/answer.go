package named

import (
	"github.com/miekg/dns"
)

// maxUDP is the largest UDP answer, whatever the client says it takes.
const maxUDP = 1232

// maxAliases bounds the aliases followed for one answer.
const maxAliases = 8

// ServeDNS answers one question; package dns calls it.
func (z *Zone) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(q)
	size := dns.MinMsgSize
	if o := q.IsEdns0(); o != nil {
		m.SetEdns0(maxUDP, false)
		size = min(max(size, int(o.UDPSize())), maxUDP) // RFC 6891 §6.2.3
	}
	z.fill(m, q)
	if w.LocalAddr().Network() == "tcp" {
		size = dns.MaxMsgSize
	}
	m.Truncate(size)
	_ = w.WriteMsg(m) // the client asks again if it got nothing
}

// fill sets the code and the records of the answer m to q.
func (z *Zone) fill(m, q *dns.Msg) {
	switch {
	case q.Opcode != dns.OpcodeQuery:
		m.Rcode = dns.RcodeNotImplemented
		return
	case len(q.Question) != 1 || q.Question[0].Qclass != dns.ClassINET:
		m.Rcode = dns.RcodeRefused
		return
	}
	name, qtype := canonical(q.Question[0].Name), q.Question[0].Qtype
	if z.zoneOf(name) == "" {
		m.Rcode = dns.RcodeRefused
		return
	}
	m.Authoritative = true
	for range maxAliases {
		found := z.lookup(name, qtype)
		m.Answer = append(m.Answer, found...)
		alias, ok := first(found).(*dns.CNAME)
		if !ok || qtype == dns.TypeCNAME {
			break
		}
		name = canonical(alias.Target)
		if z.zoneOf(name) == "" {
			return // the resolver goes on elsewhere
		}
	}
	z.absent(m, name, qtype)
}

// absent says that name does not exist, or does not have the type, if that is
// so: with the SOA that a resolver needs to remember it (RFC 2308 §3).
func (z *Zone) absent(m *dns.Msg, name string, qtype uint16) {
	if z.names[name] == nil {
		m.Rcode = dns.RcodeNameError
	} else if len(z.lookup(name, qtype)) > 0 {
		return
	}
	m.Ns = append(m.Ns, z.lookup(z.zoneOf(name), dns.TypeSOA)...)
}

// lookup returns the records of the type at name, or else its alias.
func (z *Zone) lookup(name string, qtype uint16) []dns.RR {
	at := z.names[name]
	if at == nil {
		return nil
	}
	var found, alias []dns.RR
	for _, rr := range at.records {
		switch rr.Header().Rrtype {
		case qtype:
			found = append(found, rr)
		case dns.TypeCNAME:
			alias = append(alias, rr)
		}
	}
	if len(found) == 0 {
		return alias
	}
	return found
}

func first(records []dns.RR) dns.RR {
	if len(records) == 0 {
		return nil
	}
	return records[0]
}
