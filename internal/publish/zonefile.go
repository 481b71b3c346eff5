package publish

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"postern/mime"
	"postern/trust/discovery"
)

// A Form says how a zone file writes CERT records.
type Form int

// Forms of CERT records.
const (
	// Named is "CERT PKIX 0 0" and base64 (RFC 4398 §2.2).
	Named Form = iota
	// Generic is "TYPE37" and hexadecimal, for name servers that do not know CERT
	// (RFC 3597 §5).
	Generic
)

// ErrNotPublished says that a domain is none of the set's.
var ErrNotPublished = errors.New("the domain is not published")

// WriteZone writes the zone of one domain as a whole master file (RFC 1035 §5),
// as BIND, Knot and NSD read it. What DNS cannot say stands as comments at its
// head and is returned; a zone of which that leaves nothing is an error.
func WriteZone(w io.Writer, s *Set, domain mime.Domain, form Form) ([]Problem, error) {
	for _, z := range s.Zones() {
		if z.Domain != domain {
			continue
		}
		if len(z.Records) == 0 {
			return z.Problems, fmt.Errorf("writing the zone of %s: %w", domain, z.Problems[0].Err)
		}
		f := zoneFile{w: bufio.NewWriter(w), zone: z, form: form}
		f.write(s.Serial)
		err := f.w.Flush()
		if err != nil {
			return z.Problems, fmt.Errorf("writing the zone of %s: %w", domain, err)
		}
		return z.Problems, nil
	}
	return nil, fmt.Errorf("writing the zone of %s: %w", domain, ErrNotPublished)
}

// A zoneFile is being written; its writer keeps the first error.
type zoneFile struct {
	w    *bufio.Writer
	zone Zone
	form Form
}

// maxLine bounds a line of the file. Many tools that people pipe it through take
// no longer ones.
const maxLine = 255

func (f *zoneFile) write(serial uint32) {
	fmt.Fprintf(f.w, "; Zone of %s, serial %d.\n", f.zone.Domain, serial)
	for _, p := range f.zone.Problems {
		f.comment(p.Error())
	}
	fmt.Fprintf(f.w, "$ORIGIN %s.\n$TTL %d\n", f.zone.Domain, f.zone.Records[0].Header().Ttl)
	for _, rr := range f.zone.Records {
		f.record(rr)
	}
	for _, rr := range f.zone.Cuts {
		f.record(rr)
	}
}

// comment writes a text of ours, which may hold an address, in lines that stay
// comments.
func (f *zoneFile) comment(text string) {
	text = "; Left out: " + strings.NewReplacer("\n", " ", "\r", " ").Replace(text)
	for len(text) > maxLine {
		fmt.Fprintln(f.w, text[:maxLine])
		text = "; " + text[maxLine:]
	}
	fmt.Fprintln(f.w, text)
}

// record writes one record: on one line or, where that would be a long one, with
// a line for each field in parentheses.
func (f *zoneFile) record(rr dns.RR) {
	kind, fields := f.fields(rr)
	start := f.owner(rr.Header().Name) + "\tIN\t" + kind
	line := start + "\t" + strings.Join(fields, " ")
	if len(line) <= maxLine {
		fmt.Fprintln(f.w, line)
		return
	}
	fmt.Fprintf(f.w, "%s (\n", start)
	for _, field := range fields {
		fmt.Fprintf(f.w, "\t%s\n", field)
	}
	fmt.Fprint(f.w, "\t)\n")
}

// fields writes the type of a record and what follows it.
func (f *zoneFile) fields(rr dns.RR) (kind string, fields []string) {
	c, ok := rr.(*dns.CERT)
	if !ok {
		return dns.TypeToString[rr.Header().Rrtype], strings.Fields(strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	if f.form == Named {
		return "CERT", append([]string{"PKIX", "0", "0"}, pieces(c.Certificate)...)
	}
	der, _ := base64.StdEncoding.DecodeString(c.Certificate) // it was made by Zones
	data := append([]byte{0, discovery.CertPKIX, 0, 0, 0}, der...)
	return "TYPE37", append([]string{`\#`, strconv.Itoa(len(data))}, pieces(fmt.Sprintf("%X", data))...)
}

// pieces cuts a text into words of a readable length, an even one as whole octets
// of hexadecimal need.
func pieces(text string) []string {
	const length = 64
	var all []string
	for len(text) > length {
		all, text = append(all, text[:length]), text[length:]
	}
	return append(all, text)
}

// owner writes a name relative to the zone, so that it stays short, with a
// backslash before all that a master file could take for something else: a dollar
// begins a directive, a semicolon a comment (RFC 1035 §5.1).
func (f *zoneFile) owner(name string) string {
	name = strings.TrimSuffix(name, ".")
	if name == string(f.zone.Domain) {
		return "@"
	}
	var b strings.Builder
	for _, c := range []byte(strings.TrimSuffix(name, "."+string(f.zone.Domain))) {
		if strings.IndexByte("abcdefghijklmnopqrstuvwxyz0123456789-_.", c) < 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}
