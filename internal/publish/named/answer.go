package named

import (
	"github.com/miekg/dns"
)

// maxUDP is the largest UDP answer, whatever the client says it takes: more is
// fragmented on the way, and fragments are lost and forged.
const maxUDP = 1232

// reply begins the answer to q and returns the room for it over UDP, in octets. It
// is false if the answer is an error already.
func reply(q *dns.Msg) (m *dns.Msg, size int, ok bool) {
	m = new(dns.Msg).SetReply(q)
	m.Compress = true
	size = dns.MinMsgSize
	edns, several := optOf(q)
	if edns != nil {
		m.SetEdns0(maxUDP, edns.Do())                      // RFC 3225 §3: the DO bit is copied
		size = min(max(size, int(edns.UDPSize())), maxUDP) // RFC 6891 §6.2.3
	}
	switch {
	case q.Opcode != dns.OpcodeQuery: // NOTIFY and UPDATE among them
		m.Rcode = dns.RcodeNotImplemented
	case several || len(q.Question) != 1: // RFC 6891 §6.1.1, RFC 9619
		m.Rcode = dns.RcodeFormatError
	case edns != nil && edns.Version() != 0: // RFC 6891 §6.1.3
		m.Rcode = dns.RcodeBadVers
	default:
		return m, size, true
	}
	return m, size, false
}

// optOf returns the OPT record of a query and whether there is more than one.
func optOf(q *dns.Msg) (opt *dns.OPT, several bool) {
	for _, rr := range q.Extra {
		o, ok := rr.(*dns.OPT)
		if ok && opt != nil {
			return opt, true
		}
		if ok {
			opt = o
		}
	}
	return opt, false
}

// fill sets the code and the records of an answer to its question.
func (x *index) fill(m *dns.Msg) {
	asked := m.Question[0]
	name := dns.CanonicalName(asked.Name) // it is from the wire
	switch {
	case asked.Qclass != dns.ClassINET, asked.Qtype == dns.TypeAXFR, asked.Qtype == dns.TypeIXFR, x.zoneOf(name) == "":
		m.Rcode = dns.RcodeRefused
		return
	}
	m.Authoritative = true
	m.Answer = x.lookup(name, asked.Qtype)
	if len(m.Answer) == 0 {
		x.sayAbsent(m, name)
	}
	keepCase(m)
}

// sayAbsent says that name does not exist, or does not have the type: with the
// SOA that a resolver needs to remember it (RFC 2308 §2).
func (x *index) sayAbsent(m *dns.Msg, name string) {
	if x.names[name] == nil {
		m.Rcode = dns.RcodeNameError
	}
	m.Ns = x.absence(x.zoneOf(name))
}

// keepCase writes the name of the records as the question has it: resolvers that
// mix the case to know their answers again compare it.
func keepCase(m *dns.Msg) {
	asked := m.Question[0].Name
	for i, rr := range m.Answer {
		if rr.Header().Name != asked {
			m.Answer[i] = dns.Copy(rr)
			m.Answer[i].Header().Name = asked
		}
	}
}

// pack returns the octets of an answer. One that is larger than size is sent
// without its records: over UDP with TC set, so that the client asks by TCP, since
// half an RRset would be of no use (RFC 2181 §9); over TCP there is no more room
// elsewhere.
func pack(m *dns.Msg, size int) ([]byte, error) {
	data, err := m.Pack()
	if err == nil && len(data) <= size {
		return data, nil
	}
	m.Answer, m.Ns = nil, nil
	if err == nil && size < dns.MaxMsgSize {
		m.Truncated = true
	} else {
		m.Rcode, m.Authoritative = dns.RcodeServerFailure, false
	}
	return m.Pack()
}
