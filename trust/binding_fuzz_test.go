package trust_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postern/internal/testnet"
	"postern/trust"
)

var sanID = asn1.ObjectIdentifier{2, 5, 29, 17}

// carrier returns what makes a certificate, whose signature is none, with a
// given subjectAltName.
func carrier(t testing.TB) func(san []byte) []byte {
	t.Helper()
	leaf := testnet.NewPKI(t, now).SelfSigned("b.example", plain()...)
	var b body
	_, err := asn1.Unmarshal(leaf.Cert.RawTBSCertificate, &b)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(b.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(sanID) })
	if i < 0 {
		t.Fatal("the leaf has no subjectAltName")
	}
	return func(san []byte) []byte {
		b := b
		b.Extensions = slices.Clone(b.Extensions)
		b.Extensions[i].Value = san
		der, err := asn1.Marshal(struct {
			Body      body
			Algorithm pkix.AlgorithmIdentifier
			Signature asn1.BitString
		}{b, b.Algorithm, asn1.BitString{Bytes: []byte{0}, BitLength: 8}})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
}

func sequence(t testing.TB, values []asn1.RawValue) []byte {
	t.Helper()
	var all []byte
	for _, v := range values {
		all = append(all, must(t, v)...)
	}
	return must(t, asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: all})
}

// FuzzBinds holds bindings by a subjectAltName against what encoding/asn1 finds
// in it.
func FuzzBinds(f *testing.F) {
	certificate := carrier(f)
	for _, san := range [][]asn1.RawValue{
		nil,
		{context(1, "alice@b.example")},
		{context(2, "B.example")},
		{context(1, `"alice"@b.example`), context(2, "b.example")},
		{context(2, "*.b.example"), context(2, "b.example."), context(6, "http://b.example/"), context(7, "\x7f\x00\x00\x01")},
		{context(1, "alice@b.example\x00"), context(8, "\x2a\x03")},
	} {
		f.Add(sequence(f, san))
	}
	addr := address(f, "alice@b.example")
	f.Fuzz(func(t *testing.T, san []byte) {
		cert, err := x509.ParseCertificate(certificate(san))
		if err != nil {
			return
		}
		mails, domains := namesOf(t, san)
		for _, profile := range []trust.Profile{trust.V12, trust.V13} {
			by, ok := trust.Binds(cert, addr, profile)
			if ok != (by != "") || by == trust.BySubject {
				t.Fatalf("v%s: %q, %v", profile, by, ok)
			}
			if ok && !(by == trust.ByAddress && slices.ContainsFunc(mails, isAlice)) &&
				!(by == trust.ByDomain && slices.ContainsFunc(domains, isDomain)) {
				t.Fatalf("v%s: bound by %s to %q, %q", profile, by, mails, domains)
			}
			if !ok && profile == trust.V12 && len(mails)+len(domains) <= 1000 && (slices.ContainsFunc(mails, isAlice) || slices.ContainsFunc(domains, isDomain)) {
				t.Fatalf("v%s: not bound to %q, %q", profile, mails, domains)
			}
			if ok && profile == trust.V13 && distinct(append(mails, domains...)) != 1 {
				t.Fatalf("bound to one of %q, %q", mails, domains)
			}
		}
	})
}

func namesOf(t *testing.T, san []byte) (mails, domains []string) {
	var all []asn1.RawValue
	_, err := asn1.Unmarshal(san, &all)
	if err != nil {
		t.Skip("x509 reads more than encoding/asn1")
	}
	for _, v := range all {
		switch {
		case v.Class != asn1.ClassContextSpecific || v.IsCompound: // names of these two kinds are primitive
		case v.Tag == 1:
			mails = append(mails, string(v.Bytes))
		case v.Tag == 2:
			domains = append(domains, string(v.Bytes))
		}
	}
	return mails, domains
}

func isDomain(s string) bool { return strings.EqualFold(s, "b.example") }

// A quoted-string of RFC 5322 §3.2.4, and a quoted-pair in it.
var (
	quoted = regexp.MustCompile(`^"([^"\\]|\\.)*"$`)
	escape = regexp.MustCompile(`\\(.)`)
)

func isAlice(s string) bool {
	local, domain, _ := strings.Cut(s, "@")
	if strings.HasPrefix(local, `"`) {
		if !quoted.MatchString(local) {
			return false
		}
		local = escape.ReplaceAllString(local[1:len(local)-1], "$1")
	}
	return strings.EqualFold(local, "alice") && isDomain(domain)
}

func distinct(names []string) int {
	seen := map[string]bool{}
	for _, n := range names {
		seen[strings.ToLower(n)] = true
	}
	return len(seen)
}
