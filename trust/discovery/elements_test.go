package discovery

import (
	"bytes"
	"errors"
	"net"
	"runtime"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// nested puts content into so many SEQUENCEs.
func nested(depth int, content []byte) []byte {
	p := ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, string(content), "").Bytes()
	for range depth {
		around := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		around.Data.Write(p)
		p = around.Bytes()
	}
	return p
}

func TestCD31_ElementsAreBounded(t *testing.T) {
	bindResponse := "\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"
	withControls := func(n int) string {
		body := "\x02\x01\x01\x65\x07\x0a\x01\x00\x04\x00\x04\x00" + "\xa0\x82" + string([]byte{byte(n >> 8), byte(n)}) + strings.Repeat("\x05\x00", n/2)
		return "\x30\x82" + string([]byte{byte(len(body) >> 8), byte(len(body))}) + body
	}
	for _, c := range []struct {
		name, stream string
		want         error
	}{
		{"nothing", "", nil},
		{"two messages", bindResponse + bindResponse, nil},
		{"cut off", bindResponse[:9], nil},
		{"empty message", "\x30\x00" + bindResponse, nil},
		{"as deep as may be", string(nested(ldapDepth, nil)), nil},
		{"deeper", string(nested(ldapDepth+1, nil)), errTooMuch},
		{"deep without end", strings.Repeat("\x30\x82\xff\xff", 1000), errNotLDAP},
		{"indefinite length", "\x30\x80\x02\x01\x01\x00\x00", errNotLDAP},
		{"length of five octets", "\x30\x85\x00\x00\x00\x00\x01", errNotLDAP},
		{"length of two gigabytes", "\x30\x84\x7f\xff\xff\xff", errTooMuch},
		{"negative length", "\x30\x84\xff\xff\xff\xff", errTooMuch},
		{"no message", "220 smtp.b.example", errNotLDAP},
		{"high tag", "\x30\x05\x1f\x81\x01\x01\x00", errNotLDAP},
		{"child beyond its parent", "\x30\x03\x02\x02\x01\x01", errNotLDAP},
		{"child beyond its grandparent", "\x30\x04\x30\x04\x02\x02\x01\x01", errNotLDAP},
		{"many elements", "\x30\x83\x0f\x00\x00" + strings.Repeat("\x05\x00", ldapElements), errTooMuch},
		{"controls", withControls(ldapControls), nil},
		{"large controls", withControls(ldapControls + 2), errTooMuch},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e elements
			if err := e.scan([]byte(c.stream)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			var slow elements
			var err error
			for i := 0; i < len(c.stream) && err == nil; i++ {
				err = slow.scan([]byte{c.stream[i]})
			}
			if !errors.Is(err, c.want) {
				t.Errorf("octet by octet: got %v, want %v", err, c.want)
			}
		})
	}
}

// CD-31: what a hostile directory can make us hold does not grow beyond a small
// multiple of what it sends. The library alone would make a gigabyte of a
// megabyte in a thousand levels.
func TestCD31_MemoryOfWhatADirectorySendsIsBounded(t *testing.T) {
	const most = 64 << 20
	large := bytes.Repeat([]byte{'x'}, ldapOctets-4096)
	small := []byte("\x30\x82\x0f\x00" + strings.Repeat("\x05\x00", 0x0f00/2)) // just below ldapElements
	for name, stream := range map[string][]byte{
		"one value in a thousand levels": nested(900, large),
		"one value as deep as may be":    nested(ldapDepth, large),
		"as many elements as may be":     small,
		"more elements than may be":      []byte("\x30\x83\x0f\xff\xf0" + strings.Repeat("\x05\x00", ldapOctets/2)),
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				_, _ = theirs.Write(stream)
			}()
			_, _ = ber.ReadPacket(&bounded{Conn: ours, left: ldapOctets})
			ours.Close()
			runtime.ReadMemStats(&after)
			if grew := after.TotalAlloc - before.TotalAlloc; grew > most {
				t.Errorf("%d octets made %d", len(stream), grew)
			}
		})
	}
}

// FuzzElements holds the scan of a stream to two things: it does not matter how
// the stream is cut, and what it lets pass the library reads without surprise.
func FuzzElements(f *testing.F) {
	f.Add([]byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), 3)
	f.Add(nested(ldapDepth, []byte("x")), 1)
	f.Add(nested(ldapDepth+1, nil), 2)
	f.Add([]byte("\x30\x80\x00\x00"), 1)
	f.Add([]byte("\x30\x84\x00\x00\x00\x02\x05\x00"), 5)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		var whole, parts elements
		err := whole.scan(stream)
		cut = min(max(cut, 0), len(stream))
		partErr := parts.scan(stream[:cut])
		if partErr == nil {
			partErr = parts.scan(stream[cut:])
		}
		if (err == nil) != (partErr == nil) {
			t.Fatalf("whole: %v; in parts: %v", err, partErr)
		}
		if len(whole.ends) > ldapDepth || whole.count > ldapElements+1 {
			t.Fatalf("%+v", whole)
		}
		if err != nil || len(whole.ends) > 0 || whole.part != inTag {
			return
		}
		r := bytes.NewReader(stream)
		for r.Len() > 0 {
			_, err := ber.ReadPacket(r)
			if err != nil && strings.Contains(err.Error(), "EOF") {
				t.Fatalf("the library sees another end: %v", err)
			}
			if err != nil {
				return
			}
		}
	})
}

// FuzzEntry has a directory answer a search with any octets.
func FuzzEntry(f *testing.F) {
	entry := func(attribute string, values ...string) []byte {
		message := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
		message.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, ""))
		result := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
		result.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "cn=x", ""))
		attributes := ber.NewSequence("")
		one := ber.NewSequence("")
		one.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, attribute, ""))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, v, ""))
		}
		one.AppendChild(set)
		attributes.AppendChild(one)
		result.AppendChild(attributes)
		message.AppendChild(result)
		return message.Bytes()
	}
	done := []byte("\x30\x0c\x02\x01\x03\x65\x07\x0a\x01\x00\x04\x00\x04\x00")
	f.Add(append(entry("userCertificate;binary", "garbage"), done...))
	f.Add(append(entry("USERCERTIFICATE"), done...))
	f.Add(done)
	f.Add([]byte("\x30\x0c\x02\x01\x03\x65\x07\x0a\x01\x04\x04\x00\x04\x00"))
	f.Add([]byte("\x30\x10\x02\x01\x03\x73\x0b\x04\x09ldap://x/"))
	f.Add([]byte("\x30\x07\x02\x01\x03\x64\x02\x04\x00"))
	opening := []byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00" + "\x30\x0c\x02\x01\x02\x65\x07\x0a\x01\x00\x04\x00\x04\x00")
	f.Fuzz(func(t *testing.T, octets []byte) {
		ours, theirs := net.Pipe()
		go func() {
			defer theirs.Close()
			pass := make([]byte, 4096)
			for i, say := range [][]byte{opening[:14], opening[14:], octets} {
				if _, err := theirs.Read(pass); err != nil || i > 2 {
					return
				}
				_, _ = theirs.Write(say)
			}
		}()
		d := &directory{raw: ours}
		d.conn = ldap.NewConn(&bounded{Conn: ours, left: ldapOctets}, false)
		d.conn.SetTimeout(directoryTime)
		d.conn.Start()
		defer d.close()
		err := d.open("b.example")
		if err != nil || len(d.bases) != 1 {
			t.Fatalf("%v: %v", d.bases, err)
		}
		err = d.search(d.bases[0], mailFilter("alice@b.example"))
		if len(d.found.list)+d.found.bad > MaxCertificates || d.entries > MaxCertificates {
			t.Fatalf("%+v", d)
		}
		if s := d.outcome(err); len(s) > 2000 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("outcome %q", s)
		}
	})
}
