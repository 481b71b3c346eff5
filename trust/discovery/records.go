package discovery

import (
	"cmp"
	"context"
	"encoding/base64"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// CertPKIX is the CERT type of an X.509 certificate (RFC 4398 §2.1).
const CertPKIX = 1

// A CERT is a CERT record (RFC 4398 §2), less key tag and algorithm, which
// help to choose keys of other kinds (CD-3).
type CERT struct {
	Type uint16 // CertPKIX, or a kind that is not ours
	Data []byte // for CertPKIX a certificate in DER, or garbage
}

// LookupCERT returns the CERT records of all types at name. Its errors are
// *DNSError.
func (d *DNS) LookupCERT(ctx context.Context, name string) ([]CERT, error) {
	a, err := d.query(ctx, name, dns.TypeCERT, false)
	if err != nil {
		return nil, err
	}
	return certRecords(a), nil
}

func certRecords(a answer) []CERT {
	var certs []CERT
	for _, rr := range a.records {
		c, ok := rr.(*dns.CERT)
		if !ok {
			continue
		}
		data, err := base64.StdEncoding.DecodeString(c.Certificate)
		if err != nil {
			data = nil // the library wrote the base64, so this does not happen
		}
		certs = append(certs, CERT{Type: c.Type, Data: data})
	}
	return certs
}

// An SRV is one server of a service (RFC 2782).
type SRV struct {
	Priority, Weight uint16
	Port             uint16
	Target           string // without the final dot
}

// LookupSRV returns the servers of a service, such as "_ldap._tcp.b.example",
// in the order in which to try them: by priority, and by a weighted draw among
// equals (CD-21). A server of weight 0 comes after all that have one (CD-22). A
// domain that says it does not have the service (CD-25) has no SRV records, as
// far as the caller is concerned. Errors are *DNSError.
func (d *DNS) LookupSRV(ctx context.Context, name string) ([]SRV, error) {
	a, err := d.query(ctx, name, dns.TypeSRV, false)
	if err != nil {
		return nil, err
	}
	servers := srvRecords(a)
	if len(servers) == 0 {
		return nil, &DNSError{Name: name, Type: "SRV", Server: a.server, Kind: AnswerNoService, Err: ErrNoData}
	}
	return servers, nil
}

func srvRecords(a answer) []SRV {
	var servers []SRV
	for _, rr := range a.records {
		r, ok := rr.(*dns.SRV)
		if ok && r.Target != "." && r.Port != 0 {
			servers = append(servers, SRV{r.Priority, r.Weight, r.Port, strings.TrimSuffix(r.Target, ".")})
		}
	}
	return order(servers)
}

// order sorts by priority and draws by weight (RFC 2782, "Weight").
func order(servers []SRV) []SRV {
	slices.SortStableFunc(servers, func(a, b SRV) int { return cmp.Compare(a.Priority, b.Priority) })
	for start := 0; start < len(servers); {
		end := start
		for end < len(servers) && servers[end].Priority == servers[start].Priority {
			end++
		}
		draw(servers[start:end])
		start = end
	}
	return servers
}

func draw(equals []SRV) {
	for i := range equals {
		sum := 0
		for _, s := range equals[i:] {
			sum += int(s.Weight)
		}
		if sum == 0 {
			rand.Shuffle(len(equals)-i, func(a, b int) { equals[i+a], equals[i+b] = equals[i+b], equals[i+a] })
			return
		}
		n := rand.IntN(sum)
		for j, s := range equals[i:] {
			n -= int(s.Weight)
			if n < 0 {
				equals[i], equals[i+j] = equals[i+j], equals[i]
				break
			}
		}
	}
}
