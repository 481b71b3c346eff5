package trust_test

import (
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"unicode/utf16"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

// written is a name of an organisation and a common name in one string type, in
// the order that testnet has.
func written(t testing.TB, tag int, organisation, common string) asn1.RawValue {
	t.Helper()
	type attribute struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue
	}
	value := func(s string) asn1.RawValue {
		v := asn1.RawValue{Tag: tag, Bytes: []byte(s)}
		if tag == asn1.TagBMPString {
			v.Bytes = nil
			for _, u := range utf16.Encode([]rune(s)) {
				v.Bytes = append(v.Bytes, byte(u>>8), byte(u))
			}
		}
		return v
	}
	set := func(id asn1.ObjectIdentifier, s string) asn1.RawValue {
		der, err := asn1.Marshal(attribute{id, value(s)})
		if err != nil {
			t.Fatal(err)
		}
		return asn1.RawValue{Tag: asn1.TagSet, IsCompound: true, Bytes: der}
	}
	der, err := asn1.Marshal([]asn1.RawValue{set(asn1.ObjectIdentifier{2, 5, 4, 10}, organisation), set(asn1.ObjectIdentifier{2, 5, 4, 3}, common)})
	if err != nil {
		t.Fatal(err)
	}
	return asn1.RawValue{FullBytes: der}
}

// AS-68: names chain by the comparison of RFC 5280 §7.1, not octet by octet.
func TestAS68_NamesChainHoweverTheyAreWritten(t *testing.T) {
	const organisation = "Postern TEST ONLY"
	for _, c := range []struct {
		name         string
		tag          int
		organisation string
		common       string
		want         reason.Code
	}{
		{"as it is", asn1.TagPrintableString, organisation, "the ca", reason.OK},
		{"UTF8String", asn1.TagUTF8String, organisation, "the ca", reason.OK},
		{"BMPString", asn1.TagBMPString, organisation, "the ca", reason.OK},
		{"other case", asn1.TagPrintableString, "POSTERN test only", "The CA", reason.OK},
		{"white space", asn1.TagUTF8String, " Postern  TEST ONLY ", "the   ca", reason.OK},
		{"no white space", asn1.TagUTF8String, organisation, "theca", reason.UntrustedAnchor},
		{"another name", asn1.TagUTF8String, organisation, "the cb", reason.UntrustedAnchor},
		{"T61String", asn1.TagT61String, organisation, "the ca", reason.UntrustedAnchor},
	} {
		t.Run(c.name, func(t *testing.T) {
			pki := testnet.NewPKI(t, now)
			root := pki.Root("the ca")
			ca := root.Intermediate("the ca")
			rename := func(b *body) { b.Issuer = written(t, c.tag, c.organisation, c.common) }
			leaf := resign(t, root.Leaf("b.example", plain()...), root, ecdsaSHA256, rename)
			v := trust.Judge(ask(t, leaf, root))
			wantCode(t, v, c.want)
			if v.Code.IsOK() && (v.Path[0] != leaf.Cert || v.Anchor != root.Cert) {
				t.Error("the path is not of what was given")
			}

			// Over an intermediate whose own issuer is written so, too, and which
			// came along twice.
			odd := resign(t, ca, root, ecdsaSHA256, rename)
			again, err := x509.ParseCertificate(odd.Cert.Raw)
			if err != nil {
				t.Fatal(err)
			}
			leaf = resign(t, ca.Leaf("b.example", plain()...), ca, ecdsaSHA256, rename)
			p := ask(t, leaf, root)
			p.Intermediates = []*x509.Certificate{again, odd.Cert}
			v = trust.Judge(p)
			wantCode(t, v, c.want)
			if v.Code.IsOK() && (v.Path[0] != leaf.Cert || v.Path[1] != again) {
				t.Error("the path is not of what was given")
			}

			// The key decides: the name alone is worth nothing.
			fake := pki.Root("the ca")
			p.Certificate = resign(t, fake.Leaf("b.example", plain()...), fake, ecdsaSHA256, rename).Cert
			wantCode(t, trust.Judge(p), reason.UntrustedAnchor)
			// Dates and the like hold here as well.
			p = ask(t, resign(t, root.Leaf("b.example", plain()...), root, ecdsaSHA256, rename), root)
			p.At = now.AddDate(0, 11, 0)
			wantCode(t, trust.Judge(p), c.want)
			p.Anchors = anchorsOf(pki.Root("the ca", testnet.Key(root.Key), testnet.Valid(-2, -1)))
			if v := trust.Judge(p); v.Code.IsOK() {
				t.Error("believed by an anchor that is out of date")
			}
		})
	}
}
