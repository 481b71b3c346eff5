package ldapd

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"postern/internal/publish"
)

// FuzzMessage feeds a session with what a client might send. Answers are
// LDAPMessages, at most as large as they may be, and no entry is sent whose mail
// the client did not write.
func FuzzMessage(f *testing.F) {
	equal, err := ldap.CompileFilter("(&(mail=b.example)(|(userCertificate;binary=*)(userCertificate=*)))")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bindOctets)
	f.Add(append(bytes.Clone(bindOctets), searchOctets(equal)...))
	f.Add(packet(3, opExtended, ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oidWhoAmI, "")))
	f.Add(packet(4, opCompare))
	f.Add(nested(100))
	f.Add(deep(32))
	f.Add(notsOf(10))
	site := newSite(f)
	server := New(site.source, Options{Rate: 1 << 30})
	f.Fuzz(func(t *testing.T, octets []byte) {
		if len(octets) > 2*maxMessage {
			return
		}
		s, r := &session{server: server}, bytes.NewReader(octets)
		for {
			frame, err := readFrame(r)
			if err != nil {
				return
			}
			reply := s.answer(context.Background(), frame)
			checkAnswer(t, octets, reply.octets)
			if reply.then == hangUp {
				return
			}
		}
	})
}

func checkAnswer(t *testing.T, request, answer []byte) {
	if len(answer) > maxAnswer+4096 {
		t.Fatalf("an answer of %d octets", len(answer))
	}
	asked := []byte(fold(string(request)))
	r := bytes.NewReader(answer)
	for {
		p, err := ber.ReadPacket(r)
		if err == io.EOF {
			return
		}
		if err != nil || len(p.Children) != 2 {
			t.Fatalf("an answer that makes no sense: %v", err)
		}
		body := p.Children[1]
		if body.Tag != tagSearchEntry {
			continue
		}
		for _, a := range body.Children[1].Children {
			if a.Children[0].Value != attrMail || len(a.Children[1].Children) == 0 {
				continue
			}
			mail := a.Children[1].Children[0].Value.(string)
			if !named(asked, mail) {
				t.Fatalf("%s was sent and not asked for", mail)
			}
		}
	}
}

// named reports whether a request has all letters of a mail value in order, as
// it does however the value is spelled or escaped by octets that are letters.
func named(request []byte, mail string) bool {
	for _, c := range []byte(fold(mail)) {
		at := bytes.IndexByte(request, c)
		hex := bytes.Index(request, []byte{'\\', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15]})
		switch {
		case hex >= 0 && (at < 0 || hex < at):
			request = request[hex+3:]
		case at >= 0:
			request = request[at+1:]
		default:
			return false
		}
	}
	return true
}

// FuzzDN: parsing never panics, and a value that was escaped is found again.
func FuzzDN(f *testing.F) {
	f.Add(publish.EntryDN(quotedAddress, "b.example"))
	f.Add(`MAIL = a\40b , dc=\#x`)
	f.Add("mail=a+cn=b,dc=#0401")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) < 0 {
			key, err := parseDN(publish.EntryDN(s, "b.example"))
			want := dnKey("mail=" + fold(s) + rdnSeparator + "dc=b" + rdnSeparator + "dc=example" + rdnSeparator)
			if err != nil || key != want {
				t.Errorf("the entry of %q is %q, %v", s, key, err)
			}
		}
		key, err := parseDN(s)
		if err != nil {
			return
		}
		if !key.under("") || !key.under(key) || key.depth() > len(s) {
			t.Errorf("%q is %q", s, key)
		}
	})
}
