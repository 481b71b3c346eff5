package discovery

import (
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// Bounds on one kept answer.
const (
	maxKeptServer = 64 // octets
	maxKeptRecord = 64 << 10
)

// A kept is a CERT answer as it survives a restart. Only answers that hold
// records do: they are judged anew in full whenever they are used, and so can
// at worst cost a question. That there is nothing, or was no answer, is
// forgotten.
type kept struct {
	Name    string   // the name asked for, absolute and in lower case
	Type    uint16   // CERT
	Records [][]byte // each a record in wire form, uncompressed
	Server  string   // that answered
	Own     bool     `json:",omitempty"` // it is one of the domain's own
	// The answer may be used from Asked until before Expires.
	Asked, Expires time.Time
}

// snapshot returns the CERT answers that have time left, the latest used first.
func (d *DNS) snapshot() []kept { return keptAnswers(d.answers().all()) }

func keptAnswers(entries []*entry) []kept {
	var all []kept
	for _, e := range entries {
		if e.qtype != dns.TypeCERT || e.kind != AnswerFound {
			continue
		}
		k, err := e.keep()
		if err != nil {
			continue // it came off the wire and goes back there, so this does not happen; if it does, it costs a question
		}
		all = append(all, k)
	}
	return all
}

func (e *entry) keep() (kept, error) {
	name, _, err := dns.UnpackDomainName([]byte(e.name), 0)
	if err != nil {
		return kept{}, fmt.Errorf("writing a name: %w", err)
	}
	k := kept{Name: name, Type: e.qtype, Server: e.server, Own: e.authoritative, Asked: e.asked, Expires: e.expires}
	for _, rr := range e.records {
		wire := make([]byte, dns.Len(rr))
		n, err := dns.PackRR(rr, wire, 0, nil, false)
		if err != nil {
			return kept{}, fmt.Errorf("writing a record of %s: %w", name, err)
		}
		k.Records = append(k.Records, wire[:n])
	}
	return k, nil
}

// restore takes back what snapshot returned, and returns the answers that it kept.
// They come from a file: those that are damaged, too old or from the future are
// left out, and the bounds hold for the others as they do for those that were just
// found.
func (d *DNS) restore(all []kept) []*entry {
	now := d.now()
	var entries []*entry
	for _, k := range all[:min(len(all), maxEntries)] {
		e, err := k.entry()
		if err == nil && e.goodAt(now) {
			entries = append(entries, e)
		}
	}
	d.answers().putAll(entries)
	return entries
}

var errDamaged = errors.New("it is damaged")

// entry reads a kept answer. The records' own times to live count again, from
// when they were asked for.
func (k *kept) entry() (*entry, error) {
	key := dnsKey{wireName(k.Name), k.Type}
	if key.name == "" || k.Type != dns.TypeCERT || len(k.Records) == 0 || len(k.Records) > maxRecords || len(k.Server) > maxKeptServer {
		return nil, errDamaged
	}
	f := finding{kind: AnswerFound, server: k.Server, authoritative: k.Own, life: k.Expires.Sub(k.Asked)}
	for _, wire := range k.Records {
		rr, err := readRecord(wire, k.Type)
		if err != nil {
			return nil, err
		}
		f.records = append(f.records, rr)
	}
	f.life = min(f.life, maxLife, leastTTL(f.records))
	return newEntry(key, f, k.Asked.Round(0)), nil
}

func readRecord(wire []byte, qtype uint16) (dns.RR, error) {
	if len(wire) > maxKeptRecord {
		return nil, errDamaged
	}
	rr, end, err := dns.UnpackRR(wire, 0)
	if err != nil {
		return nil, fmt.Errorf("reading a record: %w", err)
	}
	h := rr.Header()
	if end != len(wire) || h.Rrtype != qtype || h.Class != dns.ClassINET {
		return nil, errDamaged
	}
	return rr, nil
}
