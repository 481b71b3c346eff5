package bundle

import (
	"bytes"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/testnet"
)

func signer(id *testnet.Identity, chain ...*testnet.Identity) cms.Signer {
	return cms.Signer{Certificate: id.Cert, Chain: testnet.Certs(chain...), Key: id.Key}
}

// sign makes a signed bundle of any content, with more certificates in it than
// the signer's if there are any.
func sign(t testing.TB, content []byte, by ...cms.Signer) []byte {
	t.Helper()
	der, err := cms.SignOpaque(content, by, now)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func write(t testing.TB, certs []*x509.Certificate, metadata string) []byte {
	t.Helper()
	der, err := WriteUnsigned(certs, []byte(metadata))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func same(got []Anchor, want []*x509.Certificate) bool {
	return slices.EqualFunc(got, want, func(a Anchor, c *x509.Certificate) bool { return a.Certificate.Equal(c) })
}

func TestTB3_SignedForms(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id := pki.Root("community").Leaf("bundles.example")
	certs := testnet.Certs(pki.Root("one"), pki.Root("two"))
	der, err := WriteSigned(certs, nil, signer(id), now)
	if err != nil {
		t.Fatal(err)
	}
	bom := func(b []byte) []byte { return append([]byte(byteOrderMark), b...) }
	for name, data := range map[string][]byte{
		"DER":                        der,
		"DER, mark and space before": bom(append([]byte("\r\n"), der...)),
		"DER, space around":          append(append([]byte(" \n"), der...), " \r\n\t"...),
		"PEM PKCS7":                  block("PKCS7", der),
		"PEM CMS, mark and space":    append(bom(append([]byte("\r\n "), block("CMS", der)...)), "\n\n"...),
		"base64":                     bare(der),
		"base64, mark":               bom(append(bare(der), " \n"...)),
		"PEM inside":                 sign(t, block("PKCS7", pkcs7(t, certs)), signer(id)),
		"PEM inside, space around":   sign(t, append([]byte(" \r\n"), append(block("PKCS7", pkcs7(t, certs)), "\r\n "...)...), signer(id)),
		"base64 inside":              sign(t, bare(pkcs7(t, certs)), signer(id)),
	} {
		t.Run(name, func(t *testing.T) {
			for _, pin := range []*x509.Certificate{nil, id.Cert} {
				b, err := Parse(data, Options{Signer: pin, Now: now})
				if err != nil {
					t.Fatal(err)
				}
				if !same(b.Anchors, certs) || !b.Signed || !b.Signer.Equal(id.Cert) || !b.SigningTime.Equal(now) || b.Algorithm == "" || len(b.Bad) > 0 || b.SHA256 == [32]byte{} {
					t.Errorf("%+v", b)
				}
			}
		})
	}
}

// TB-4: an authority that stands beside the signature is no anchor.
func TestTB4_SignersCertificatesNeverBecomeAnchors(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	evil, id := pki.Root("evil authority"), pki.Root("community").Leaf("bundles.example")
	certs := testnet.Certs(pki.Root("one"), pki.Root("two"))
	data := sign(t, pkcs7(t, certs), signer(id, evil, id.Issuer))
	c, err := cms.ReadCollection(data, 0)
	if err != nil || !slices.ContainsFunc(c.Certificates, evil.Cert.Equal) {
		t.Fatalf("the extra authority is not there: %v", err)
	}
	for _, pin := range []*x509.Certificate{nil, id.Cert, id.Issuer.Cert} {
		b, err := Parse(data, Options{Signer: pin, Now: now})
		if err != nil || !same(b.Anchors, certs) {
			t.Errorf("%+v, %v", b, err)
		}
	}
	_, _, err = Read(data)
	if !errors.Is(err, ErrSigned) {
		t.Errorf("as a file of anchors: %v", err)
	}
}

func TestTB4_WhatIsSignedMustBeAnUnsignedBundle(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id := pki.Root("community").Leaf("bundles.example")
	certs := testnet.Certs(pki.Root("one"))
	p7, once := pkcs7(t, certs), sign(t, pkcs7(t, certs), signer(id))
	detached, err := cms.SignDetached(func(h crypto.Hash) []byte { d := h.New(); d.Write(p7); return d.Sum(nil) }, []cms.Signer{signer(id)}, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"signed twice":             {sign(t, once, signer(id)), ErrFormat},
		"signed twice, PEM inside": {sign(t, block("PKCS7", once), signer(id)), ErrFormat},
		"content elsewhere":        {detached, ErrFormat},
		"text":                     {sign(t, []byte("Dear community,"), signer(id)), ErrFormat},
		"mail that quotes one":     {sign(t, append([]byte("Content-Type: text/plain\r\n\r\nLook:\r\n"), block("PKCS7", p7)...), signer(id)), ErrFormat},
		"text after one":           {sign(t, append(block("PKCS7", p7), "Look at this."...), signer(id)), ErrFormat},
		"text and base64":          {sign(t, append([]byte("Look: "), bare(p7)...), signer(id)), ErrFormat},
		"two in PEM":               {sign(t, append(block("PKCS7", p7), block("PKCS7", p7)...), signer(id)), ErrFormat},
		"a broken one before":      {sign(t, append([]byte("-----BEGIN PKCS7-----\n"), block("PKCS7", p7)...), signer(id)), ErrFormat},
		"space":                    {sign(t, []byte(" "), signer(id)), ErrEmpty},
		"a certificate":            {sign(t, certs[0].Raw, signer(id)), ErrFormat},
		"certificates in PEM":      {sign(t, testnet.PEM(certs...), signer(id)), ErrFormat},
		"cut off":                  {sign(t, p7[:len(p7)-1], signer(id)), ErrFormat},
		"no anchor":                {sign(t, noCertificates(t), signer(id)), ErrEmpty},
		"beside a certificate":     {append(testnet.PEM(pki.Root("evil").Cert), block("CMS", once)...), ErrFormat},
		"before a certificate":     {append(block("CMS", once), testnet.PEM(pki.Root("evil").Cert)...), ErrFormat},
		"before a bundle":          {append(block("CMS", once), block("PKCS7", p7)...), ErrFormat},
		"twice":                    {append(block("CMS", once), block("PKCS7", once)...), ErrFormat},
		"followed by octets":       {append(slices.Clone(once), "x"...), ErrFormat},
	} {
		for _, pin := range []*x509.Certificate{nil, id.Cert} {
			b, err := Parse(c.data, Options{Signer: pin, Now: now})
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %+v, %v", name, b, err)
			}
		}
	}
}

// noCertificates is a PKCS #7 of nothing.
func noCertificates(t testing.TB) []byte { return testnet.CertsOnly(t) }

func TestTB5_SignerPin(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("community")
	direct, other := root.Leaf("bundles.example"), pki.Root("other").Leaf("bundles.example")
	intermediate := root.Intermediate("below")
	certs := testnet.Certs(pki.Root("one"))
	p7 := pkcs7(t, certs)
	later := now.AddDate(2, 0, 0) // when the leaves have expired, and no authority
	afterwards := now.AddDate(20, 0, 0)
	late := root.Leaf("late.example", testnet.Template(func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = later.AddDate(0, 0, -1), afterwards.AddDate(1, 0, 0)
	}))
	encrypts := root.Leaf("bundles.example", testnet.Usage(x509.KeyUsageKeyEncipherment))
	usages := func(all ...x509.ExtKeyUsage) *testnet.Identity {
		return root.Leaf("bundles.example", testnet.Template(func(c *x509.Certificate) { c.ExtKeyUsage = all }))
	}
	web, mailAndWeb := usages(x509.ExtKeyUsageServerAuth), usages(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageEmailProtection)
	weak := root.Leaf("bundles.example", testnet.RSA(1024))
	twin := pki.Root("community") // of the same name, with another key
	damaged := sign(t, p7, signer(direct))
	damaged = bytes.Replace(damaged, certs[0].Raw[40:60], append([]byte("x"), certs[0].Raw[41:60]...), 1)
	for _, c := range []struct {
		name string
		data []byte
		pin  *testnet.Identity
		at   time.Time
		want error
	}{
		{"by it", sign(t, p7, signer(direct)), direct, now, nil},
		{"by one that it issued", sign(t, p7, signer(direct)), root, now, nil},
		{"one of two", sign(t, p7, signer(other), signer(direct)), direct, now, nil},
		{"unsigned", p7, direct, now, ErrUnsigned},
		{"unsigned PEM list", testnet.PEM(certs...), direct, now, ErrUnsigned},
		{"by somebody else", sign(t, p7, signer(other)), direct, now, ErrWrongSigner},
		{"by one that somebody else issued", sign(t, p7, signer(other)), root, now, ErrWrongSigner},
		{"pinned one is issued by the signer's issuer", sign(t, p7, signer(direct)), other, now, ErrWrongSigner},
		{"by the issuer of the pinned", sign(t, p7, signer(root)), direct, now, ErrWrongSigner},
		{"two steps away", sign(t, p7, signer(intermediate.Leaf("bundles.example"), intermediate)), root, now, ErrWrongSigner},
		{"issued by a namesake", sign(t, p7, signer(direct)), twin, now, ErrWrongSigner},
		{"issued by one that is no authority", sign(t, p7, signer(direct.Leaf("bundles.example"))), direct, now, ErrWrongSigner},
		{"issued, not for signing", sign(t, p7, signer(encrypts)), root, now, ErrWrongSigner},
		{"issued, for the web", sign(t, p7, signer(web)), root, now, ErrWrongSigner},
		{"issued, for OCSP", sign(t, p7, signer(usages(x509.ExtKeyUsageOCSPSigning))), root, now, ErrWrongSigner},
		{"issued, for mail too", sign(t, p7, signer(mailAndWeb)), root, now, nil},
		{"issued, for anything", sign(t, p7, signer(usages(x509.ExtKeyUsageAny))), root, now, nil},
		{"issued, for nothing named", sign(t, p7, signer(usages())), root, now, nil},
		{"by it, for the web", sign(t, p7, signer(web)), web, now, nil},
		{"damaged", damaged, direct, now, ErrBadSignature},
		{"signer expired", sign(t, p7, signer(direct)), direct, later, ErrSignerExpired},
		{"issued signer expired", sign(t, p7, signer(direct)), root, later, ErrSignerExpired},
		{"signer not yet valid", sign(t, p7, signer(late)), late, now, ErrSignerExpired},
		{"issuer expired", sign(t, p7, signer(late)), root, afterwards, ErrSignerExpired},
		{"the pin with a key of 1024 bits", resigned(t, p7, weak), weak, now, ErrBadSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := Parse(c.data, Options{Signer: c.pin.Cert, Now: c.at})
			if c.want == nil {
				if err != nil || c.pin != root && !b.Signer.Equal(c.pin.Cert) || !same(b.Anchors, certs) {
					t.Errorf("%+v, %v", b, err)
				}
				return
			}
			if b != nil || !errors.Is(err, c.want) || KindOf(err) == "" {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
}

// The signer need not send the certificate that is pinned.
func TestTB5_PinnedCertificateIsNotInTheBundle(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	id := pki.Root("community").Leaf("bundles.example")
	data := openSign(t, pkcs7(t, anchors(t, 2)), id, "-outform", "DER", "-nocerts")
	b, err := Parse(data, Options{Signer: id.Cert})
	if err != nil || len(b.Anchors) != 2 || !b.Signer.Equal(id.Cert) {
		t.Errorf("%+v, %v", b, err)
	}
	_, err = Parse(data, Options{})
	if !errors.Is(err, ErrBadSignature) {
		t.Errorf("by nobody knows whom: %v", err)
	}
}

// Without a pin, a signature proves nothing, but a damaged one means damage.
func TestTB5_WithoutAPin(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	id, other := pki.Root("community").Leaf("bundles.example"), pki.SelfSigned("other.example")
	certs := testnet.Certs(pki.Root("one"))
	good := sign(t, pkcs7(t, certs), signer(other), signer(id))
	b, err := Parse(good, Options{Now: now.AddDate(50, 0, 0)})
	if err != nil || !same(b.Anchors, certs) || b.Signer == nil {
		t.Errorf("%+v, %v", b, err)
	}
	for i := range good {
		changed := slices.Clone(good)
		changed[i] ^= 0x55
		b, err := Parse(changed, Options{})
		if err == nil && !same(b.Anchors, certs) {
			t.Fatalf("octet %d of %d changed: %+v", i, len(good), b.Anchors)
		}
	}
}

// resigned signs by a key too weak for our own writer.
func resigned(t testing.TB, content []byte, id *testnet.Identity) []byte {
	t.Helper()
	return openSign(t, content, id, "-outform", "DER")
}

func openSign(t testing.TB, content []byte, id *testnet.Identity, arguments ...string) []byte {
	t.Helper()
	openssl := testnet.Require(t, "openssl")
	dir := t.TempDir()
	put := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, data, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	out := filepath.Join(dir, "out")
	args := append([]string{"cms", "-sign", "-binary", "-nodetach", "-in", put("in", content),
		"-signer", put("cert", testnet.PEM(id.Cert)), "-inkey", put("key", id.KeyPEM()), "-out", out}, arguments...)
	text, err := exec.Command(openssl, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTB3_BundlesSignedByOpenSSL(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	withID := testnet.Template(func(c *x509.Certificate) { c.SubjectKeyId = []byte{1, 2, 3, 4} })
	for kind, id := range map[string]*testnet.Identity{
		"RSA": pki.Root("community").Leaf("bundles.example", withID),
		"EC":  pki.Root("community").Leaf("bundles.example", testnet.EC(elliptic.P384()), withID),
	} {
		certs := anchors(t, 3)
		for _, arguments := range [][]string{
			{"-outform", "DER"}, {"-outform", "PEM"}, {"-outform", "DER", "-stream"}, {"-outform", "PEM", "-stream"},
			{"-outform", "DER", "-keyid", "-md", "sha512"},
		} {
			b, err := Parse(openSign(t, pkcs7(t, certs), id, arguments...), Options{Signer: id.Cert})
			if err != nil || !same(b.Anchors, certs) || !b.Signer.Equal(id.Cert) {
				t.Errorf("%s %v: %+v, %v", kind, arguments, b, err)
			}
		}
	}
}

// A certificate that cannot be read is told by its place, and hides none (TB-2).
func TestTB2_BadCertificatesAreToldByTheirPlace(t *testing.T) {
	certs := anchors(t, 2)
	garbage := &x509.Certificate{Raw: []byte{0x30, 1, 0}}
	der, err := cms.EncodeCollection([]*x509.Certificate{certs[0], garbage, certs[1], certs[0]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"PKCS #7": der,
		"PEM":     slices.Concat(testnet.PEM(certs[0]), block("CERTIFICATE", garbage.Raw), testnet.PEM(certs[1], certs[0])),
	} {
		b, err := Parse(data, Options{})
		if err != nil || !same(b.Anchors, certs) || len(b.Bad) != 1 || b.Bad[0].Index != 2 || b.Bad[0].Err == nil {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

// CP-1: BouncyCastle's indefinite lengths, as it is and inside of what OpenSSL
// streams.
func TestCP1_IndefiniteLengths(t *testing.T) {
	ber, err := os.ReadFile("../testdata/cms/certs-bc.p7b")
	if err != nil {
		t.Fatal(err)
	}
	pki := testnet.NewPKI(t, time.Now())
	id := pki.Root("community").Leaf("bundles.example")
	for name, data := range map[string][]byte{
		"unsigned": ber, "base64": bare(ber), "signed": openSign(t, ber, id, "-outform", "DER", "-stream"), "signed, PEM inside": openSign(t, block("PKCS7", ber), id, "-outform", "PEM", "-stream"),
	} {
		b, err := Parse(data, Options{})
		if err != nil || len(b.Anchors) != 2 || len(b.Bad) != 0 || b.Signed != strings.HasPrefix(name, "signed") {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
}

// BouncyCastle.java in testdata made them.
func TestTB3_BundlesOfBouncyCastle(t *testing.T) {
	for _, file := range []string{"bc-metadata.p7b", "bc-signed.p7m"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		b, err := Parse(data, Options{})
		if err != nil || len(b.Anchors) != 2 || b.Metadata == nil || b.Metadata.Profile != "Café" {
			t.Fatalf("%s: %+v, %v", file, b, err)
		}
		if b.Signed != (file == "bc-signed.p7m") || b.Signed && !b.Signer.Equal(b.Anchors[0].Certificate) {
			t.Errorf("%s: signed by %v", file, b.Signer)
		}
	}
}
