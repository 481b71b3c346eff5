package discovery

import (
	"time"

	"github.com/miekg/dns"
)

// Bounds on the answers of DNS that are kept.
const (
	maxEntries = 20_000
	maxOctets  = 32 << 20
	perEntry   = 512 // octets of an entry beside its names and records
	perRecord  = 192 // octets of a record beside its name and data
)

// A dnsKey is a question.
type dnsKey struct {
	name  string // its lower-case wire form
	qtype uint16
}

func (k dnsKey) key() dnsKey { return k }

// An entry is an answer that is kept. It does not change.
type entry struct {
	dnsKey
	finding
	lifetime
	octets int
}

// newEntry returns f as it may be kept. Its time runs from when it was asked.
func newEntry(key dnsKey, f finding, asked time.Time) *entry {
	e := &entry{dnsKey: key, finding: f, lifetime: lifetime{asked, asked.Add(lifeOf(&f, asked))}}
	e.octets = perEntry + len(e.name) + len(e.zone)
	for _, rr := range e.records {
		e.octets += perRecord + len(rr.Header().Name) + dns.Len(rr)*4/3 // the library holds base64
	}
	return e
}

func (e *entry) size() int      { return e.octets }
func (e *entry) answered() bool { return e.final() }
