package bundle

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/internal/testnet/effort"
)

// policies reads a bundle of three anchors with metadata, and returns what each
// asks for.
func policies(t *testing.T, metadata string) ([][]string, *Metadata, error) {
	t.Helper()
	pki := testnet.NewPKI(t, now)
	certs := testnet.Certs(pki.Root("one"), pki.Root("two"), pki.Root("three"))
	replace := strings.NewReplacer("SUM2", thumbprint(certs[1]), "SERIAL1", certs[0].SerialNumber.String(), "SERIAL3", certs[2].SerialNumber.String())
	der, err := WriteUnsigned(certs, []byte(replace.Replace(metadata)))
	if err != nil {
		return nil, nil, err
	}
	b, err := Parse(der, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, a := range b.Anchors {
		all = append(all, a.Policies)
	}
	return all, b.Metadata, nil
}

func TestTB8_PoliciesOfAnchors(t *testing.T) {
	const required = `<RequiredOids><Oid><Value>1.2.3</Value><FriendlyName>LoA 3</FriendlyName></Oid><Oid><Value>2.999.1</Value></Oid></RequiredOids>`
	anchor := func(name string) string {
		return `<TrustBundle><Anchors><Anchor>` + name + required + `</Anchor></Anchors></TrustBundle>`
	}
	serial := func(issuer, number string) string {
		return `<X509IssuerSerial><X509IssuerName>` + issuer + `</X509IssuerName><X509SerialNumber>` + number + `</X509SerialNumber></X509IssuerSerial>`
	}
	both := []string{"1.2.3", "2.999.1"}
	first, second, third, all := [][]string{both, nil, nil}, [][]string{nil, both, nil}, [][]string{nil, nil, both}, [][]string{both, both, both}
	for name, c := range map[string]struct {
		metadata string
		want     [][]string
	}{
		"for all":                             {`<AnchorMetadata>` + required + `<BundleSource>x</BundleSource></AnchorMetadata>`, all},
		"for all, declared":                   {`<?xml version="1.0" encoding="utf-16"?><AnchorMetadata xmlns="urn:x">` + required + `</AnchorMetadata>`, all},
		"for all of a bundle":                 {`<TrustBundle>` + required + `</TrustBundle>`, all},
		"for all of a bundle, as others":      {`<TrustBundle><AnchorMetadata>` + required + `</AnchorMetadata></TrustBundle>`, all},
		"by thumbprint":                       {anchor(`<Thumbprint>SUM2</Thumbprint>`), second},
		"by a thumbprint of nobody":           {anchor(`<Thumbprint>` + strings.Repeat("0", 64) + `</Thumbprint>`), [][]string{nil, nil, nil}},
		"by serial number":                    {anchor(serial("CN=three,O=Postern TEST ONLY", "SERIAL3")), third},
		"by serial number, as Java has it":    {anchor(serial("O=Postern TEST ONLY, CN=three", "SERIAL3")), third},
		"by serial number, as .NET has it":    {anchor(serial("CN=three, O=POSTERN TEST  ONLY", " SERIAL3 ")), third},
		"by serial number, as OpenSSL has it": {anchor(serial("/O=Postern TEST ONLY/CN=three", "SERIAL3")), third},
		"by a name nobody can compare":        {anchor(serial("2.5.4.3=#0c05", "SERIAL1")), first},
		"by a serial number of nobody":        {anchor(serial("CN=one,O=Postern TEST ONLY", "77")), [][]string{nil, nil, nil}},
		"in AnchorMetadata":                   {anchor(`<AnchorMetadata>` + required + `</AnchorMetadata><Thumbprint>SUM2</Thumbprint>`), second},
		"one plainly":                         {`<AnchorMetadata><RequiredOids><Oid>1.2.3</Oid><Oid> 2.999.1 </Oid></RequiredOids></AnchorMetadata>`, all},
		"lists add up": {`<TrustBundle><RequiredOids><Oid>1.2.3</Oid></RequiredOids><Anchors><Anchor><Thumbprint>SUM2</Thumbprint>` + required +
			`</Anchor><Anchor><Thumbprint>SUM2</Thumbprint><RequiredOids><Oid>1.2.4</Oid></RequiredOids></Anchor></Anchors></TrustBundle>`,
			[][]string{{"1.2.3"}, {"1.2.3", "2.999.1", "1.2.4"}, {"1.2.3"}}},
		"none":              {`<TrustBundle><Profile>x</Profile></TrustBundle>`, [][]string{nil, nil, nil}},
		"an empty list":     {`<AnchorMetadata><RequiredOids/></AnchorMetadata>`, [][]string{nil, nil, nil}},
		"what is not known": {`<TrustBundle><Anchors><Anchor><Colour>red</Colour></Anchor></Anchors></TrustBundle>`, [][]string{nil, nil, nil}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _, err := policies(t, c.metadata)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Anchors of the same serial number are told apart by their issuers, and
// restricted together where the issuer is nobody's.
func TestTB8_SerialNumberOfSeveral(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	one := testnet.Template(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(1) })
	certs := testnet.Certs(pki.Root("a", one), pki.Root("b", one), pki.Root("c"))
	for issuer, want := range map[string][]bool{"CN=b,O=Postern TEST ONLY": {false, true, false}, "CN=d": {true, true, false}} {
		m := `<TrustBundle><Anchors><Anchor><X509IssuerSerial><X509IssuerName>` + issuer + `</X509IssuerName><X509SerialNumber>1</X509SerialNumber></X509IssuerSerial>` +
			`<RequiredOids><Oid>1.2.3</Oid></RequiredOids></Anchor></Anchors></TrustBundle>`
		b, err := Parse(write(t, certs, m), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range b.Anchors {
			if (len(a.Policies) > 0) != want[i] {
				t.Errorf("%s: anchor %d asks for %v", issuer, i, a.Policies)
			}
		}
	}
}

func TestTB7_MetadataIsOptionalText(t *testing.T) {
	for name, c := range map[string]struct{ metadata, profile, text string }{
		"space":                {" \n", "", ""},
		"text":                 {"the good ones", "", "the good ones"},
		"XML without an end":   {"<xml>\r\n<testStructure>test</testStructure>", "", "<xml>\r\n<testStructure>test</testStructure>"},
		"mark before":          {byteOrderMark + "<TrustBundle><Profile> p </Profile></TrustBundle>", "p", "<TrustBundle><Profile> p </Profile></TrustBundle>"},
		"ISO 8859-1":           {"<?xml version='1.0' encoding='ISO-8859-1'?><TrustBundle><Profile>caf\xe9</Profile></TrustBundle>", "café", "<?xml version='1.0' encoding='ISO-8859-1'?><TrustBundle><Profile>café</Profile></TrustBundle>"},
		"entities of a DTD":    {`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><TrustBundle><Profile>&e;</Profile></TrustBundle>`, "", `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><TrustBundle><Profile>&e;</Profile></TrustBundle>`},
		"a serial that is odd": {"<TrustBundle><Anchors><Anchor><X509IssuerSerial><X509SerialNumber>0x12</X509SerialNumber></X509IssuerSerial></Anchor></Anchors></TrustBundle>", "", "<TrustBundle><Anchors><Anchor><X509IssuerSerial><X509SerialNumber>0x12</X509SerialNumber></X509IssuerSerial></Anchor></Anchors></TrustBundle>"},
	} {
		_, m, err := policies(t, c.metadata)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.text == "" {
			if m != nil {
				t.Errorf("%s: %+v", name, m)
			}
			continue
		}
		if m == nil || m.Profile != c.profile || m.Text != c.text {
			t.Errorf("%s: %+v", name, m)
		}
	}
	_, m, err := policies(t, `<TrustBundle><Profile>P</Profile><DistributionPoint>http://a/</DistributionPoint><DistributionPoint>http://b/</DistributionPoint>`+
		`<ValidFrom>2013-02-12T00:00:00</ValidFrom><ValidTo>2014-02-12T00:00:00</ValidTo></TrustBundle>`)
	if err != nil || m.Profile != "P" || !cmp.Equal(m.Sources, []string{"http://a/", "http://b/"}) || m.ValidFrom != "2013-02-12T00:00:00" || m.ValidTo != "2014-02-12T00:00:00" {
		t.Errorf("%+v, %v", m, err)
	}
}

// What may restrict and is not understood refuses the bundle.
func TestTB8_NoRestrictionIsLost(t *testing.T) {
	list := func(inside string) string {
		return "<AnchorMetadata><RequiredOids>" + inside + "</RequiredOids></AnchorMetadata>"
	}
	anchor := func(inside string) string {
		return "<TrustBundle><Anchors><Anchor>" + inside + "<RequiredOids><Oid>1.2.3</Oid></RequiredOids></Anchor></Anchors></TrustBundle>"
	}
	many := ""
	for i := range maxPolicies + 1 {
		many += fmt.Sprintf("<Oid>1.2.%d</Oid>", i)
	}
	for name, metadata := range map[string]string{
		"XML without an end":        "<AnchorMetadata><RequiredOids><Oid>1.2.3</Oid></RequiredOids>",
		"no XML":                    "requiredOIDs: 1.2.3",
		"at an unknown place":       "<Other><RequiredOids><Oid>1.2.3</Oid></RequiredOids></Other>",
		"beside the anchors":        "<TrustBundle><Signer><RequiredOids><Oid>1.2.3</Oid></RequiredOids></Signer></TrustBundle>",
		"within policies":           list("<RequiredOids><Oid>1.2.3</Oid></RequiredOids>"),
		"another element":           "<AnchorMetadata><RequiredOid>1.2.3</RequiredOid></AnchorMetadata>",
		"an attribute":              `<TrustBundle RequiredOids="1.2.3"/>`,
		"no policy":                 list("<Oid/>"),
		"an empty policy":           list("<Oid><Value> </Value></Oid>"),
		"a name alone":              list("<Oid><FriendlyName>1.2.3</FriendlyName></Oid>"),
		"a policy in an attribute":  list(`<Oid Value="1.2.3"/>`),
		"something else":            list("<Policy>1.2.3</Policy>"),
		"text":                      list("1.2.3"),
		"text before":               list("1.2.3 <Oid>1.2.4</Oid>"),
		"text within":               list("<Oid>1.2.3<Value>1.2.4</Value></Oid>"),
		"no number":                 list("<Oid>anyPolicy</Oid>"),
		"an impossible number":      list("<Oid>3.1</Oid>"),
		"one arc":                   list("<Oid>1</Oid>"),
		"a leading zero":            list("<Oid>1.2.03</Oid>"),
		"a long one":                list("<Oid>1.2." + strings.Repeat("1", 300) + "</Oid>"),
		"many":                      list(many),
		"of nobody":                 anchor(""),
		"of an issuer":              anchor("<X509IssuerSerial><X509IssuerName>CN=one</X509IssuerName></X509IssuerSerial>"),
		"of an odd serial number":   anchor("<X509IssuerSerial><X509SerialNumber>0x12</X509SerialNumber></X509IssuerSerial>"),
		"of a SHA-1":                anchor("<Thumbprint>" + strings.Repeat("0", 40) + "</Thumbprint>"),
		"of two":                    anchor("<Thumbprint>SUM2</Thumbprint><Thumbprint>SUM2</Thumbprint>"),
		"of an anchor in an anchor": "<TrustBundle><Anchors><Anchor><Anchor><RequiredOids/></Anchor></Anchor></Anchors></TrustBundle>",
		"deep":                      strings.Repeat("<a>", 20) + "<RequiredOids/>" + strings.Repeat("</a>", 20),
		"UTF-16":                    "\xff\xfe<\x00T\x00/\x00>\x00",
		"long":                      strings.Repeat(" ", MaxMetadata) + "x",
		"an entity of its own":      `<!DOCTYPE x [<!ENTITY e "1.2.3">]>` + list("<Oid>&e;</Oid>"),
	} {
		got, _, err := policies(t, metadata)
		if !errors.Is(err, ErrMetadata) || KindOf(err) != KindInvalidFormat {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// Rules and anchors that all have the same serial number cost no more than others.
func TestRulesAreAppliedInLinearTime(t *testing.T) {
	base := testnet.NewPKI(t, now).Root("one").Cert
	var m Metadata
	for i := range 7000 {
		m.rules = append(m.rules, rule{serial: base.SerialNumber, issuer: fmt.Sprintf("CN=%d", i), policies: []string{fmt.Sprintf("1.2.%d", i%maxPolicies)}})
	}
	all := make([]Anchor, MaxCertificates)
	for i := range all {
		all[i].Certificate = base
	}
	spent := effort.Since()
	err := m.apply(all)
	if took := spent(); err != nil || took > 5*time.Second || len(all[MaxCertificates-1].Policies) != maxPolicies {
		t.Errorf("%v, took %v", err, took)
	}
}

func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{
		"", "text", `<TrustBundle><Profile>p</Profile><Anchors><Anchor><X509IssuerSerial><X509IssuerName>CN=one</X509IssuerName><X509SerialNumber>1</X509SerialNumber></X509IssuerSerial><RequiredOids><Oid><Value>1.2.3</Value></Oid></RequiredOids></Anchor></Anchors></TrustBundle>`,
		`<AnchorMetadata><RequiredOids><Oid>1.2.3</Oid></RequiredOids><BundleSource>s</BundleSource></AnchorMetadata>`, "<RequiredOids", "<a>\xe9</a>",
	} {
		f.Add([]byte(seed))
	}
	base := testnet.NewPKI(f, now).Root("one").Cert
	f.Fuzz(func(t *testing.T, content []byte) {
		m, err := parseMetadata(content)
		if err != nil {
			if m != nil {
				t.Fatal("both metadata and an error")
			}
			return
		}
		all := []Anchor{{Certificate: base}}
		err = m.apply(all)
		if err != nil {
			return
		}
		for _, p := range all[0].Policies {
			if !isOID(p) {
				t.Fatalf("the policy %q", p)
			}
		}
	})
}
