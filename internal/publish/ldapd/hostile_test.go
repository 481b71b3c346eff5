package ldapd

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	ber "github.com/go-asn1-ber/asn1-ber"

	"postern/internal/testnet"
)

// nested is a message of n elements within one another, each of which claims to
// be of indefinite length.
func nested(n int) []byte { return bytes.Repeat([]byte{0x30, 0x80}, n) }

// deep is a sound message of n elements within one another.
func deep(n int) []byte {
	p := octetString("")
	for range n - 1 {
		outer := ber.NewSequence("")
		outer.AppendChild(p)
		p = outer
	}
	return p.Bytes()
}

// search makes a search of all contexts with a filter.
func searchOctets(filter *ber.Packet) []byte {
	no := ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, "")
	return packet(7, opSearch, octetString(""), enumerated(2), enumerated(0), integer(0), integer(0), no,
		filter, ber.NewSequence(""))
}

func orOf(n int) []byte {
	or := ber.Encode(ber.ClassContext, ber.TypeConstructed, 1, nil, "")
	for range n {
		or.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, "a", ""))
	}
	return searchOctets(or)
}

func notsOf(n int) []byte {
	p := ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, "mail", "")
	for range n {
		not := ber.Encode(ber.ClassContext, ber.TypeConstructed, 2, nil, "")
		not.AppendChild(p)
		p = not
	}
	return searchOctets(p)
}

// TestHostileMessages: each of them ends its connection with a Notice of
// Disconnection, and nobody else's.
func TestHostileMessages(t *testing.T) {
	valid := bytes.Clone(bindOctets)
	lying := bytes.Clone(bindOctets)
	lying[3]++ // the messageID is longer than it is
	for _, c := range []struct {
		name   string
		octets []byte
	}{
		{"nested a million times", nested(1e6)},
		{"nested within one message", deep(200)},
		{"not an LDAPMessage", []byte("GET / HTTP/1.1\r\n\r\n")},
		{"a TLS client hello", []byte{0x16, 0x03, 0x01, 0x02, 0x00, 0x01}},
		{"indefinite length", append([]byte{0x30, 0x80}, valid[2:]...)},
		{"indefinite length inside", []byte{0x30, 0x07, 0x02, 0x01, 0x01, 0x60, 0x80, 0x00, 0x00}},
		{"longer than may be", []byte{0x30, 0x83, 0x01, 0x00, 0x01}},
		{"4 GiB", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff}},
		{"length of nine octets", append([]byte{0x30, 0x89}, make([]byte, 9)...)},
		{"length of 127 octets", append([]byte{0x30, 0xff}, make([]byte, 127)...)},
		{"a length that lies inside", lying},
		{"a length beyond the message inside", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x60, 0x7f}},
		{"cut short inside", []byte{0x30, 0x04, 0x02, 0x01, 0x01, 0x60}},
		{"a length cut short inside", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x60, 0x82}},
		{"a high tag", []byte{0x30, 0x07, 0x02, 0x01, 0x01, 0x7f, 0x81, 0x01, 0x00}},
		{"a REAL", []byte{0x30, 0x07, 0x02, 0x01, 0x01, 0x09, 0x02, 0x03, 0x31}},
		{"an end-of-contents", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x00, 0x00}},
		{"an OCTET STRING in parts", []byte{0x30, 0x05, 0x02, 0x01, 0x01, 0x24, 0x00}},
		{"a thousand ORs", orOf(maxElements)},
		{"ten thousand ORs", orOf(10_000)},
		{"forty NOTs", notsOf(40)},
		{"an empty message", []byte{0x30, 0x00}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, s *Server, l *testnet.Pipes) {
				bystander := reach(l)
				f := reach(l)
				f.Write(c.octets) // which may break off
				got := replies(t, f.end())
				if len(got) != 1 || got[0] != [2]int64{0, int64(protocolError)} {
					t.Errorf("answers %v", got)
				}
				if n := s.Stats().Malformed; n != 1 {
					t.Errorf("%d connections counted", n)
				}
				bystander.Write(bindOctets)
				synctest.Wait()
				bystander.Close()
				if got := replies(t, bystander.end()); len(got) != 1 || got[0] != [2]int64{1, 0} {
					t.Errorf("answers to another client %v", got)
				}
			})
		})
	}
}

func TestUnusualMessagesThatAreTaken(t *testing.T) {
	long := append([]byte{0x30, 0x84, 0, 0, 0, byte(len(bindOctets) - 2)}, bindOctets[2:]...)
	for _, c := range []struct {
		name   string
		octets []byte
		want   int64 // the last result
	}{
		{"lengths of four octets", long, int64(success)},
		{"one octet at a time", nil, int64(success)},
		{"a hundred ORs", orOf(100), int64(adminLimitExceeded)},
		{"twenty NOTs", notsOf(20), int64(adminLimitExceeded)},
		{"64 KiB of name", packet(1, opBind, integer(3), octetString(strings.Repeat("x", maxMessage-20)), simple("")), int64(unwillingToPerform)},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, _ *Server, l *testnet.Pipes) {
				f := reach(l)
				if c.octets == nil {
					for i := range bindOctets {
						f.Write(bindOctets[i : i+1])
					}
				}
				f.Write(c.octets)
				synctest.Wait()
				f.Close()
				got := replies(t, f.end())
				if len(got) != 1 || got[0][1] != c.want {
					t.Errorf("answers %v, want code %d", got, c.want)
				}
			})
		})
	}
}
