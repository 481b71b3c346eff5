package trust_test

import (
	"bytes"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/reason"
)

func TestAS18_DatesOfTheCertificate(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	for _, c := range []struct {
		name     string
		from, to time.Duration
		want     reason.Code
	}{
		{"in date", -time.Hour, time.Hour, reason.OK},
		{"last second", -time.Hour, 0, reason.OK},
		{"ended a second ago", -time.Hour, -time.Second, reason.Expired},
		{"CP-28 begins within the skew", 4 * time.Minute, time.Hour, reason.OK},
		{"CP-28 begins at the end of the skew", 5 * time.Minute, time.Hour, reason.OK},
		{"begins after the skew", 5*time.Minute + time.Second, time.Hour, reason.NotYetValid},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaf := root.Leaf("b.example", testnet.EC(elliptic.P256()), testnet.Valid(c.from, c.to))
			wantCode(t, trust.Judge(ask(t, leaf, root)), c.want)
		})
	}
}

// AS-18: a certificate that lacks a date is none.
func TestAS18_BothDatesArePresent(t *testing.T) {
	leaf := testnet.NewPKI(t, now).SelfSigned("b.example", plain()...)
	var b body
	_, err := asn1.Unmarshal(leaf.Cert.RawTBSCertificate, &b)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(b.Validity.Bytes, []byte{0x17, 13}) // the first UTCTime
	if !found || len(rest) != 28 {
		t.Fatalf("the dates are %x", b.Validity.Bytes)
	}
	first, second := b.Validity.Bytes[:15], b.Validity.Bytes[15:]
	for name, dates := range map[string][]byte{"both": b.Validity.Bytes, "the first": first, "the second": second, "none": nil} {
		changed := b
		changed.Validity = asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: dates}
		der, err := asn1.Marshal(struct {
			Body      body
			Algorithm pkix.AlgorithmIdentifier
			Signature asn1.BitString
		}{changed, b.Algorithm, asn1.BitString{Bytes: []byte{0}, BitLength: 8}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = x509.ParseCertificate(der)
		if (err == nil) != (name == "both") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAS20_KeyUsageByPurpose(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	rsa, ec := testnet.RSA(3072), testnet.EC(elliptic.P256())
	for _, c := range []struct {
		name          string
		usage         x509.KeyUsage
		key           testnet.Option
		sign, encrypt reason.Code
	}{
		{"absent", 0, rsa, reason.OK, reason.OK},
		{"dual use", x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, rsa, reason.OK, reason.OK},
		{"signing", x509.KeyUsageDigitalSignature, rsa, reason.OK, reason.WrongUsage},
		{"encryption", x509.KeyUsageKeyEncipherment, rsa, reason.WrongUsage, reason.OK},
		{"nonRepudiation", x509.KeyUsageContentCommitment, rsa, reason.WrongUsage, reason.WrongUsage},
		{"RSA with keyAgreement", x509.KeyUsageKeyAgreement, rsa, reason.WrongUsage, reason.WrongUsage},
		{"EC with keyAgreement", x509.KeyUsageKeyAgreement, ec, reason.WrongUsage, reason.OK},
		{"EC with digitalSignature", x509.KeyUsageDigitalSignature, ec, reason.OK, reason.WrongUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			leaf := root.Leaf("b.example", c.key, testnet.Usage(c.usage))
			p := ask(t, leaf, root)
			p.Purpose = trust.Sign
			wantCode(t, trust.Judge(p), c.sign)
			p.Purpose = trust.Encrypt
			wantCode(t, trust.Judge(p), c.encrypt)
			if trust.MayUse(leaf.Cert, trust.Sign) != c.sign.IsOK() || trust.MayUse(leaf.Cert, trust.Encrypt) != c.encrypt.IsOK() {
				t.Error("MayUse says otherwise")
			}
		})
	}
}

// A keyUsage without any bit is not the same as none.
func TestAS20_EmptyKeyUsageForbidsAll(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	leaf := root.Leaf("b.example", testnet.Usage(0),
		testnet.Extension([]int{2, 5, 29, 15}, true, []byte{0x03, 0x02, 0x07, 0x00}))
	wantCode(t, trust.Judge(ask(t, leaf, root)), reason.WrongUsage)
}

// RFC 8550 §4.4.4: an extendedKeyUsage that is there must allow mail.
func TestExtendedKeyUsageMustAllowMail(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	mail, web := x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageServerAuth
	extended := func(u ...x509.ExtKeyUsage) testnet.Option {
		return testnet.Template(func(c *x509.Certificate) { c.ExtKeyUsage = u })
	}
	private := testnet.Template(func(c *x509.Certificate) {
		c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{{1, 2, 3, 4}}
	})
	for _, c := range []struct {
		name            string
		authority, leaf testnet.Option
		want            reason.Code
	}{
		{"absent", extended(), extended(), reason.OK},
		{"mail", extended(), extended(mail), reason.OK},
		{"mail among others", extended(), extended(web, mail), reason.OK},
		{"any", extended(), extended(x509.ExtKeyUsageAny), reason.OK},
		{"web servers alone", extended(), extended(web), reason.WrongUsage},
		{"one that nobody knows", extended(), private, reason.WrongUsage},
		{"authority for mail", extended(mail), extended(), reason.OK},
		{"authority for anything", extended(x509.ExtKeyUsageAny), extended(mail), reason.OK},
		{"authority for web servers", extended(web), extended(mail), reason.BadPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			ca := root.Intermediate("ca", c.authority)
			leaf := ca.Leaf("b.example", testnet.EC(elliptic.P256()), c.leaf, testnet.Usage(0))
			p := ask(t, leaf, root)
			p.Intermediates = testnet.Certs(ca)
			wantCode(t, trust.Judge(p), c.want)
			if may := trust.MayUse(leaf.Cert, trust.Sign); may != (c.want != reason.WrongUsage) {
				t.Errorf("MayUse says %v", may)
			}
		})
	}
}

func TestAS22_AuthorityIsNoEndEntity(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	ca := root.Intermediate("b.example", testnet.SAN(nil, []string{"b.example"}), testnet.RSA(2048),
		testnet.Usage(x509.KeyUsageCertSign|x509.KeyUsageKeyEncipherment))
	wantCode(t, trust.Judge(ask(t, ca, root)), reason.WrongUsage)
	// AS-67: unless the operator made this very certificate an anchor.
	wantCode(t, trust.Judge(ask(t, ca, root, ca)), reason.OK)
}

func TestAS34_KeyStrength(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	for _, c := range []struct {
		name string
		key  testnet.Option
		want reason.Code
	}{
		{"RSA 1024", testnet.RSA(1024), reason.WeakKey},
		{"RSA 2048", testnet.RSA(2048), reason.OK},
		{"RSA 3072", testnet.RSA(3072), reason.OK},
		{"RSA 4096", testnet.RSA(4096), reason.OK},
		{"P-224", testnet.EC(elliptic.P224()), reason.WeakKey},
		{"P-256", testnet.EC(elliptic.P256()), reason.OK},
		{"P-384", testnet.EC(elliptic.P384()), reason.OK},
		{"P-521", testnet.EC(elliptic.P521()), reason.OK},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantCode(t, trust.Judge(ask(t, root.Leaf("b.example", c.key), root)), c.want)
		})
	}
}

func TestAS34_WeakKeysAboveTheCertificate(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	weakRoot := pki.Root("weak root", testnet.RSA(1024))
	leaf := weakRoot.Leaf("b.example", testnet.EC(elliptic.P256()))
	wantCode(t, trust.Judge(ask(t, leaf, weakRoot)), reason.WeakKey)

	root := pki.Root("root")
	weak := root.Intermediate("weak", testnet.RSA(1024))
	p := ask(t, weak.Leaf("b.example", testnet.EC(elliptic.P256())), root)
	p.Intermediates = testnet.Certs(weak)
	wantCode(t, trust.Judge(p), reason.WeakKey)
}

func TestMissingParamsAreRefused(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	good := ask(t, root.Leaf("b.example"), root)
	for _, c := range []struct {
		name   string
		change func(*trust.Params)
		want   reason.Code
	}{
		{"nothing", func(*trust.Params) {}, reason.OK},
		{"certificate", func(p *trust.Params) { p.Certificate = nil }, reason.NoCertificate},
		{"purpose", func(p *trust.Params) { p.Purpose = 0 }, reason.Internal},
		{"time", func(p *trust.Params) { p.At = time.Time{} }, reason.Internal},
		{"anchors", func(p *trust.Params) { p.Anchors = nil }, reason.NoAnchors},
		{"anchors made of nothing", func(p *trust.Params) { p.Anchors = new(trust.Anchors) }, reason.NoAnchors},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := good
			c.change(&p)
			wantCode(t, trust.Judge(p), c.want)
		})
	}
}

func TestDetailIsOneHarmlessLine(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root := pki.Root("root")
	leaf := root.Leaf("b.example", testnet.RSA(1024), testnet.Template(func(c *x509.Certificate) {
		c.Subject.CommonName = "x\r\nlevel=ERROR \x1b[31m" + strings.Repeat("y", 5000)
	}))
	v := trust.Judge(ask(t, leaf, root))
	if len(v.Detail) > 500 || strings.ContainsAny(v.Detail, "\r\n\x1b") {
		t.Errorf("detail %q", v.Detail)
	}
}

// The first check that fails names the reason.
func TestReasonsComeInOrder(t *testing.T) {
	pki := testnet.NewPKI(t, now)
	root, stranger := pki.Root("root"), pki.Root("stranger")
	weak, usage := testnet.RSA(1024), testnet.Usage(x509.KeyUsageDigitalSignature)
	old := testnet.Valid(-2*time.Hour, -time.Hour)
	for _, c := range []struct {
		want reason.Code
		name string
		opts []testnet.Option
	}{
		{reason.WrongAddress, "c.example", []testnet.Option{weak, usage, old}},
		{reason.Expired, "b.example", []testnet.Option{weak, usage, old}},
		{reason.WrongUsage, "b.example", []testnet.Option{weak, usage}},
		{reason.WeakKey, "b.example", []testnet.Option{weak}},
		{reason.UntrustedAnchor, "b.example", nil},
	} {
		t.Run(c.want.String(), func(t *testing.T) {
			wantCode(t, trust.Judge(ask(t, stranger.Leaf(c.name, c.opts...), root)), c.want)
		})
	}
}
