package revocation_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
	"postern/trust/revocation"
)

func testnetCerts(w *world) []*x509.Certificate { return []*x509.Certificate{w.responder.Cert} }

// checkReply judges the leaf by an OCSP response that the test made.
func (w *world) checkReply(t *testing.T, r reply, status trust.RevocationStatus, problem string) revocation.Answer {
	t.Helper()
	a, err := revocation.CheckOCSP(w.ocsp(r), w.leaf, w.root.Cert, within)
	if problem != "" {
		wantError(t, a, err, problem)
		return a
	}
	if err != nil || a.Status != status {
		t.Errorf("%+v, %v; want %s", a, err, status)
	}
	return a
}

func TestAS74_SingleResponses(t *testing.T) {
	w := newWorld(t)
	before, after := within.Add(-time.Hour), within.Add(time.Hour)
	next := until(ends)
	singleExt := func(e []byte) []byte { return der(0xa1, seq(e)) }
	other := seq(w.about(5), isRevoked(before), generalized(made), next)
	for name, c := range map[string]struct {
		singles [][]byte
		status  trust.RevocationStatus
		problem string
	}{
		"good":                      {[][]byte{w.single(good(), next)}, trust.NotRevoked, ""},
		"another before":            {[][]byte{other, w.single(good(), next)}, trust.NotRevoked, ""},
		"another only":              {[][]byte{other}, "", "says nothing"},
		"none":                      {nil, "", "says nothing"},
		"revoked":                   {[][]byte{w.single(isRevoked(before), next)}, trust.IsRevoked, ""},
		"revoked, of a later date":  {[][]byte{w.single(isRevoked(after), next)}, trust.IsRevoked, ""},
		"good and revoked":          {[][]byte{w.single(good(), next), w.single(isRevoked(before), next)}, trust.IsRevoked, ""},
		"unknown and revoked":       {[][]byte{w.single(unknown(), next), w.single(isRevoked(before), next)}, trust.IsRevoked, ""},
		"good and unknown":          {[][]byte{w.single(good(), next), w.single(unknown(), next)}, "", "does not know"},
		"unknown and good":          {[][]byte{w.single(unknown(), next), w.single(good(), next)}, "", "does not know"},
		"too often":                 {repeated(w.single(good(), next), 17), "", "more than 16 times"},
		"a harmless extension":      {[][]byte{w.single(good(), next, singleExt(ext(false, nil, 1, 2, 3)))}, trust.NotRevoked, ""},
		"a critical extension":      {[][]byte{w.single(good(), next, singleExt(ext(true, nil, 1, 2, 3)))}, "", "critical extension"},
		"no extension":              {[][]byte{w.single(good(), next, der(0xa1, seq()))}, "", "malformed"},
		"both in one":               {[][]byte{seq(w.about(1000), good(), isRevoked(before), generalized(made), next)}, "", "malformed"},
		"good with something in it": {[][]byte{w.single([]byte{0x80, 1, 0}, next)}, "", "malformed"},
		"a status of no kind":       {[][]byte{w.single([]byte{0x83, 0}, next)}, "", "malformed"},
		"revoked without a date":    {[][]byte{w.single(der(0xa1), next)}, "", "malformed"},
		"removed":                   {[][]byte{w.single(isRevoked(before, 8), next)}, "", "removeFromCRL"},
		"nextUpdate before":         {[][]byte{w.single(good(), until(made.Add(-time.Second)))}, "", "malformed"},
		"revoked long ago":          {[][]byte{w.single(isRevoked(before, 4))}, trust.IsRevoked, ""},
		"held long ago":             {[][]byte{w.single(isRevoked(before, 6))}, "", "counted until"},
		"without nextUpdate":        {[][]byte{w.single(good())}, "", "counted until"},
		"fractions of a second":     {[][]byte{seq(w.about(1000), good(), der(0x18, []byte("20261001000000.5Z")), next)}, "", "malformed"},
		"an issuer by SHA-384":      {[][]byte{seq(seq(seq(oid(2, 16, 840, 1, 101, 3, 4, 2, 2)), octets(nil), octets(nil), integer(1000)), good(), generalized(made), next)}, "", "says nothing"},
		"a number with zeros":       {[][]byte{seq(seq(seq(oid(1, 2)), octets(nil), octets(nil), der(2, []byte{0, 1})), good(), generalized(made), next)}, "", "malformed"},
	} {
		t.Run(name, func(t *testing.T) { w.checkReply(t, reply{singles: c.singles}, c.status, c.problem) })
	}
}

// TestAS74_ThePastByALaterResponse judges a moment before the response.
func TestAS74_ThePastByALaterResponse(t *testing.T) {
	w := newWorld(t)
	after := within.Add(time.Hour)
	next := until(ends)
	single := func(status []byte, more ...[]byte) [][]byte {
		return [][]byte{seq(append([][]byte{w.about(1000), status, generalized(after), next}, more...)...)}
	}
	w.checkReply(t, reply{singles: single(isRevoked(after))}, trust.NotRevoked, "")
	w.checkReply(t, reply{singles: single(isRevoked(within))}, trust.IsRevoked, "")
	w.checkReply(t, reply{singles: single(isRevoked(after, 1))}, trust.IsRevoked, "")
	since := func(at time.Time) []byte { return der(0xa1, seq(invalidSince(at))) }
	w.checkReply(t, reply{singles: single(isRevoked(after, 1), since(within))}, trust.IsRevoked, "")
	w.checkReply(t, reply{singles: single(isRevoked(after, 1), since(after))}, trust.NotRevoked, "")
	w.checkReply(t, reply{singles: single(isRevoked(after, 1), der(0xa1, seq(invalidSince(after), invalidSince(after))))}, "", "malformed")
}

func TestAS74_OCSPWithoutNextUpdateCountsAnHour(t *testing.T) {
	w := newWorld(t)
	single := func(at time.Time) [][]byte { return [][]byte{seq(w.about(1000), good(), generalized(at))} }
	a := w.checkReply(t, reply{singles: single(within.Add(-ocspLife))}, trust.NotRevoked, "")
	if !a.Expires.Equal(within) || !a.NextUpdate.IsZero() {
		t.Errorf("%+v", a)
	}
	w.checkReply(t, reply{singles: single(within.Add(-ocspLife - time.Second))}, "", "counted until")
}

// TestAS74_DisownedCertificateIsRevoked: a responder says so of what the issuer
// never made (RFC 6960 §4.4.8).
func TestAS74_DisownedCertificateIsRevoked(t *testing.T) {
	w := newWorld(t)
	r := reply{
		singles:    [][]byte{w.single(isRevoked(time.Unix(0, 0), 6), until(ends))},
		extensions: [][]byte{ext(false, []byte{5, 0}, 1, 3, 6, 1, 5, 5, 7, 48, 1, 9)},
	}
	w.checkReply(t, r, trust.IsRevoked, "")
	r.extensions = [][]byte{ext(true, []byte{5, 0}, 1, 2, 3)}
	w.checkReply(t, r, "", "critical extension")
	r.extensions = [][]byte{}
	w.checkReply(t, r, "", "malformed")
}

func TestAS74_Responders(t *testing.T) {
	w := newWorld(t)
	fine := [][]byte{w.single(good(), until(ends))}
	responder := func(opts ...testnet.Option) *testnet.Identity {
		usage := testnet.Template(func(c *x509.Certificate) {
			c.ExtKeyUsage, c.KeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, x509.KeyUsageDigitalSignature
		})
		return w.root.Leaf("responder.example", append([]testnet.Option{testnet.EC(elliptic.P256()), usage}, opts...)...)
	}
	signed := func(by *testnet.Identity, certs ...*x509.Certificate) reply {
		return reply{singles: fine, by: by, certs: certs}
	}
	renewed := responder()
	w.checkReply(t, signed(w.responder, w.responder.Cert), trust.NotRevoked, "")
	// Two of one name: the one that signed is found.
	w.checkReply(t, signed(renewed, w.responder.Cert, renewed.Cert), trust.NotRevoked, "")
	w.checkReply(t, signed(renewed, w.responder.Cert), "", "signature")
	w.checkReply(t, signed(renewed, w.leaf, w.root.Cert), "", "neither the issuer nor anyone")

	// In date when it signed, and at the moment asked about.
	short := responder(testnet.Valid(made.Sub(within), -time.Hour))
	w.checkReply(t, signed(short, short.Cert), "", "out of date")
	young := responder(testnet.Valid(-time.Hour, time.Hour))
	w.checkReply(t, signed(young, young.Cert), trust.NotRevoked, "")
	late := signed(young, young.Cert)
	late.produced = within.Add(2 * time.Hour)
	w.checkReply(t, late, "", "out of date")

	p224 := responder(testnet.EC(elliptic.P224()))
	w.checkReply(t, signed(p224, p224.Cert), "", "P-224 is not")
	odd := responder(testnet.Extension([]int{1, 2, 3}, true, []byte{5, 0}))
	w.checkReply(t, signed(odd, odd.Cert), "", "critical extension")
	open := responder(testnet.Usage(0))
	w.checkReply(t, signed(open, open.Cert), trust.NotRevoked, "")
	// Someone whom a responder appoints is nobody's responder.
	chained := w.root.Intermediate("below").Leaf("responder.example", testnet.EC(elliptic.P256()), testnet.Template(func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
	}))
	w.checkReply(t, signed(chained, chained.Cert, chained.Issuer.Cert), "", "another issuer")
	// Only so many certificates are looked at.
	many := make([]*x509.Certificate, 0, 9)
	for range 8 {
		many = append(many, w.leaf)
	}
	w.checkReply(t, signed(w.responder, append(many, w.responder.Cert)...), "", "neither the issuer nor anyone")
	w.checkReply(t, signed(w.responder, append(many[:7], w.responder.Cert)...), trust.NotRevoked, "")
}
