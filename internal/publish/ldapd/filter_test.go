package ldapd

import (
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"postern/internal/publish"
	"postern/mime"
)

// compile writes a filter as a client does and reads it.
func compile(t testing.TB, text string) *filter {
	t.Helper()
	p, err := ldap.CompileFilter(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	decoded, err := ber.DecodePacketErr(p.Bytes())
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	f, err := parseFilter(decoded)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return f
}

// person is an entry for alice@b.example.
func person() *publish.Entry {
	return &publish.Entry{Attributes: []publish.Attribute{
		attribute("objectClass", "top", "person", "organizationalPerson", "inetOrgPerson"),
		attribute("cn", "Alice@b.example"), attribute("mail", "Alice@b.example"),
		attribute("userCertificate;binary", "DER"),
	}}
}

// TestRFC4511_FilterHasThreeValues holds §4.5.1.7.
func TestRFC4511_FilterHasThreeValues(t *testing.T) {
	for text, want := range map[string]truth{
		"(mail=alice@b.example)":              isTrue,
		"(mail=ALICE@B.EXAMPLE)":              isTrue,
		"(mail=  alice@b.example)":            isTrue,
		"(mail=bob@b.example)":                isFalse,
		"(mail;lang-en=alice@b.example)":      undefined,
		"(0.9.2342.19200300.100.1.3=alice@*)": isTrue,
		"(mail~=alice@b.example)":             isTrue,
		"(mail>=a)":                           undefined,
		"(mail<=z)":                           undefined,
		"(mail:=alice@b.example)":             undefined,
		"(sn=x)":                              isFalse,
		"(sn=*)":                              isFalse,
		"(dc=*)":                              isFalse,
		"(shoeSize=43)":                       undefined,
		"(shoeSize=*)":                        undefined,
		"(!(shoeSize=43))":                    undefined,
		"(!(mail=bob@b.example))":             isTrue,
		"(objectClass=INETORGPERSON)":         isTrue,
		"(objectClass=inet*)":                 undefined,
		"(objectClass=device)":                isFalse,
		"(userCertificate=*)":                 isTrue,
		"(userCertificate;binary=*)":          isTrue,
		"(userCertificate=DER)":               undefined,
		"(userSMIMECertificate=*)":            undefined,

		"(mail=alice*)":                  isTrue,
		"(mail=*example)":                isTrue,
		"(mail=*@b.*)":                   isTrue,
		"(mail=a*ice*b*ple)":             isTrue,
		"(mail=a*ple*ple)":               isFalse, // no overlap
		"(mail=alice@b.example*example)": isFalse,
		"(mail=*b*a*)":                   isTrue,
		"(mail=*x*a*b*)":                 isFalse,

		"(&)":                                  isTrue,
		"(|)":                                  isFalse,
		"(&(mail=*)(shoeSize=43))":             undefined,
		"(&(mail=bob@b.example)(shoeSize=43))": isFalse,
		"(|(mail=*)(shoeSize=43))":             isTrue,
		"(|(mail=bob@b.example)(shoeSize=43))": undefined,
		"(&(|(cn=bob)(mail=alice*))(!(|)))":    isTrue,
	} {
		if got := compile(t, text).match(person()); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}

// TestFilterPinsMails: what is pinned is all that the filter can be true of.
func TestFilterPinsMails(t *testing.T) {
	for text, want := range map[string]string{
		"(mail=A@b.example)":                                          "a@b.example",
		"(rfc822Mailbox~=a@b.example)":                                "a@b.example",
		"(|(mail=a)(mail=b))":                                         "a b",
		"(|(mail=a)(|(mail=b)(mail=c)))":                              "a b c",
		"(&(mail=a)(objectClass=*))":                                  "a",
		"(&(objectClass=*)(|(mail=a)(mail=b))(mail=c))":               "c",
		"(|(&(mail=a)(cn=x))(&(mail=b)(cn=y)))":                       "a b",
		"(&(mail=a)(!(mail=b)))":                                      "a",
		"(&(mail=a)(|(userCertificate;binary=*)(userCertificate=*)))": "a",
		"(|)":                        "",
		"(&)":                        "none",
		"(cn=a)":                     "none",
		"(mail=*)":                   "none",
		"(mail=a*)":                  "none",
		"(mail>=a)":                  "none",
		"(mail:=a)":                  "none",
		"(!(mail=a))":                "none",
		"(!(!(mail=a)))":             "none",
		"(|(mail=a)(cn=a))":          "none",
		"(|(mail=a)(&(cn=a)(sn=b)))": "none",
		"(|(mail=a)(!(mail=a)))":     "none",
		"(&(|(mail=a)(cn=b))(sn=c))": "none",
		"(mail;lang-en=a)":           "none",
	} {
		mails, pinned := compile(t, text).mails()
		got := strings.Join(mails, " ")
		if !pinned {
			got = "none"
		}
		if got != want {
			t.Errorf("%s pins %q, want %q", text, got, want)
		}
	}
}

func TestFiltersThatMakeNoSense(t *testing.T) {
	context := func(kind ber.Type, tag ber.Tag, children ...*ber.Packet) *ber.Packet {
		p := ber.Encode(ber.ClassContext, kind, tag, nil, "")
		for _, c := range children {
			p.AppendChild(c)
		}
		return p
	}
	piece := func(tag ber.Tag) *ber.Packet { return ber.NewString(ber.ClassContext, ber.TypePrimitive, tag, "a", "") }
	list := func(children ...*ber.Packet) *ber.Packet {
		p := ber.NewSequence("")
		for _, c := range children {
			p.AppendChild(c)
		}
		return p
	}
	const primitive, constructed = ber.TypePrimitive, ber.TypeConstructed
	for name, p := range map[string]*ber.Packet{
		"no filter":                octetString("mail"),
		"an unknown kind":          context(constructed, 10),
		"and as a string":          context(primitive, 0),
		"not of nothing":           context(constructed, 2),
		"not of two":               context(constructed, 2, piece(7), piece(7)),
		"and of a string":          context(constructed, 0, octetString("mail")),
		"equality of one":          context(constructed, 3, octetString("mail")),
		"equality of numbers":      context(constructed, 3, integer(1), integer(2)),
		"presence of a list":       context(constructed, 7, octetString("mail")),
		"no substrings":            context(constructed, 4, octetString("mail"), list()),
		"substrings of a list":     context(constructed, 4, octetString("mail"), list(list())),
		"initial after any":        context(constructed, 4, octetString("mail"), list(piece(1), piece(0))),
		"any after final":          context(constructed, 4, octetString("mail"), list(piece(2), piece(1))),
		"two finals":               context(constructed, 4, octetString("mail"), list(piece(2), piece(2))),
		"an unknown substring":     context(constructed, 4, octetString("mail"), list(piece(3))),
		"substrings not in a list": context(constructed, 4, octetString("mail"), octetString("a")),
	} {
		decoded, err := ber.DecodePacketErr(p.Bytes())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f, err := parseFilter(decoded); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// FuzzFilter: a filter never panics, and whatever it finds among all entries the
// mail values it pins find as well.
func FuzzFilter(f *testing.F) {
	set := &publish.Set{Domains: []mime.Domain{"b.example"}}
	entries := set.Entries()
	for _, mail := range []string{"alice@b.example", "b.example"} {
		e := person()
		e.Attributes[2] = attribute("mail", mail)
		entries = append(entries, *e)
	}
	for _, text := range []string{
		"(mail=alice@b.example)", "(&(mail=b.example)(|(userCertificate;binary=*)(userCertificate=*)))",
		"(|(mail=a*b*c)(!(cn~=x))(sn>=y)(dc:caseExactMatch:=z))", "(&)", "(|)",
	} {
		p, err := ldap.CompileFilter(text)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(p.Bytes())
	}
	f.Fuzz(func(t *testing.T, octets []byte) {
		if len(octets) > maxMessage || checkShape(octets) != nil {
			return
		}
		p, err := ber.DecodePacketErr(octets)
		if err != nil {
			return
		}
		q, err := parseFilter(p)
		if err != nil {
			return
		}
		mails, pinned := q.mails()
		for i := range entries {
			if q.match(&entries[i]) != isTrue || !pinned {
				continue
			}
			found := false
			for _, m := range mails {
				for _, v := range valuesOf(&entries[i], attrMail) {
					found = found || fold(string(v)) == m
				}
			}
			if !found {
				t.Errorf("%s matches, and %q does not name it", entries[i].DN, mails)
			}
		}
	})
}
