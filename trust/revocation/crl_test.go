package revocation_test

import (
	"bytes"
	"crypto/x509"
	"testing"
	"time"

	"postern/trust"
	"postern/trust/revocation"
)

func TestAS72_CRLMustBeSignedByTheIssuer(t *testing.T) {
	for _, c := range []struct{ crl, issuer, problem string }{
		{"rsa", "rsa", ""},
		{"sha512", "rsa", ""},
		{"pss", "rsa", ""},
		{"pss512", "rsa", ""},
		{"ec", "ec", ""},
		{"ec384", "ec384", ""},
		{"v1", "rsa", ""},
		{"empty", "rsa", ""},
		{"ec", "rsa", "verifying"},
		{"rsa", "ec", "verifying"},
		{"rsa", "nocrl", "may not sign CRLs"},
		{"rsa", "below", "another issuer"},
	} {
		list := crl(t, c.crl)
		for range 2 { // the second time it knows the key
			checkVerify(t, list, certificate(t, c.issuer), c.problem)
		}
	}
	list := crl(t, "rsa")
	checkVerify(t, list, nil, "no issuer")
	checkVerify(t, list, certificate(t, "rsa"), "")
	// That one key is known says nothing of others.
	checkVerify(t, list, certificate(t, "ec"), "verifying")
	checkVerify(t, list, certificate(t, "nocrl"), "may not sign CRLs")
}

func checkVerify(t *testing.T, list *revocation.CRL, issuer *x509.Certificate, problem string) {
	t.Helper()
	err := list.Verify(issuer)
	if problem == "" {
		if err != nil {
			t.Errorf("%v", err)
		}
		return
	}
	wantError(t, revocation.Answer{}, err, problem)
}

func TestAS72_CheckVerifiesFirst(t *testing.T) {
	a, err := crl(t, "rsa").Check(certificate(t, "fine"), certificate(t, "nocrl"), within)
	wantError(t, a, err, "may not sign CRLs")
	forged := bytes.Clone(file(t, "rsa.crl"))
	forged[len(forged)-1] ^= 1
	list, err := revocation.ParseCRL(forged)
	if err != nil {
		t.Fatal(err)
	}
	a, err = list.Check(certificate(t, "fine"), certificate(t, "rsa"), within)
	wantError(t, a, err, "verifying")
}

// TestAS72_CRLBits flips each bit of a CRL: none of them may go unnoticed.
func TestAS72_CRLBits(t *testing.T) {
	issuer, fine := certificate(t, "ec"), certificate(t, "fine")
	good := file(t, "ec.crl")
	for i := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		list, err := revocation.ParseCRL(bad)
		if err != nil {
			continue
		}
		_, err = list.Check(fine, issuer, within)
		if err == nil {
			t.Fatalf("bit %d of the CRL may be changed", i)
		}
	}
}

func TestAS72_CRLCountsUntilNextUpdate(t *testing.T) {
	issuer, fine, list := certificate(t, "rsa"), certificate(t, "fine"), crl(t, "rsa")
	for _, c := range []struct {
		at      time.Time
		problem string
	}{
		{made, ""},
		{made.Add(-trust.ClockSkew), ""},
		{day(2020, 1, 1), ""},
		{ends, ""},
		{ends.Add(time.Second), "counted until"}, // no skew
		{later, "counted until"},
	} {
		a, err := list.Check(fine, issuer, c.at)
		if c.problem == "" {
			if err != nil || a.Status != trust.NotRevoked {
				t.Errorf("at %v: %+v, %v", c.at, a, err)
			}
			continue
		}
		wantError(t, a, err, c.problem)
	}
	if list.Premature(made.Add(-trust.ClockSkew)) || !list.Premature(made.Add(-trust.ClockSkew-time.Second)) {
		t.Error("premature is by another skew than the clocks' own")
	}
	if !list.Expires().Equal(ends) || !list.ThisUpdate.Equal(made) || !list.NextUpdate.Equal(ends) {
		t.Errorf("dates %v, %v, %v", list.ThisUpdate, list.NextUpdate, list.Expires())
	}
}

// TestAS72_RevocationOutlivesItsCRL: who keeps newer CRLs from us must not make
// revoked certificates good again. A hold is different: it may have ended.
func TestAS72_RevocationOutlivesItsCRL(t *testing.T) {
	issuer, list := certificate(t, "rsa"), crl(t, "rsa")
	for cert, reason := range map[string]string{"one": "", "two": "superseded", "stolen": "keyCompromise"} {
		a, err := list.Check(certificate(t, cert), issuer, later)
		if err != nil || a.Status != trust.IsRevoked || a.Reason != reason || !a.Expires.Equal(ends) {
			t.Errorf("%s: %+v, %v", cert, a, err)
		}
	}
	a, err := list.Check(certificate(t, "hold"), issuer, later)
	wantError(t, a, err, "counted until")
}

func TestAS72_CRLIsOfTheCertificatesIssuer(t *testing.T) {
	list, fine, issuer := crl(t, "rsa"), certificate(t, "fine"), certificate(t, "rsa")
	stranger := *fine
	stranger.RawIssuer = fine.RawSubject
	for _, c := range []struct {
		cert, issuer *x509.Certificate
		problem      string
	}{
		{&stranger, issuer, "another issuer"},
		{nil, issuer, "missing"},
		{fine, nil, "no issuer"},
	} {
		a, err := list.Check(c.cert, c.issuer, within)
		wantError(t, a, err, c.problem)
	}
}

func TestCRLsThatAnswerForNobody(t *testing.T) {
	for name, problem := range map[string]string{
		"attributes": "attribute certificates",
		"reasons":    "some reasons only",
		"indirect":   "indirect",
		"relative":   "relative name",
		"delta":      "delta",
		"critical":   "critical extension",
		"sha1":       "not allowed",
		"pss-salt":   "parameters that are not allowed",
	} {
		_, err := revocation.ParseCRL(file(t, name+".crl"))
		wantError(t, revocation.Answer{}, err, problem)
	}
}

func TestScopeOfCRL(t *testing.T) {
	issuer := certificate(t, "rsa")
	for _, c := range []struct{ crl, cert, problem string }{
		{"users", "fine", ""},
		{"users", "below", "end entities only"},
		{"authorities", "below", ""},
		{"authorities", "fine", "authorities only"},
		{"named", "fine", ""}, // the certificate names it
		{"named", "below", "other distribution points"},
	} {
		a, err := crl(t, c.crl).Check(certificate(t, c.cert), issuer, within)
		if c.problem != "" {
			wantError(t, a, err, c.problem)
			continue
		}
		if err != nil || a.Status != trust.NotRevoked {
			t.Errorf("%s for %s: %+v, %v", c.crl, c.cert, a, err)
		}
	}
}

func TestCRLInPEM(t *testing.T) {
	text := file(t, "rsa.crl.pem")
	list, err := revocation.ParseCRL(text)
	if err != nil || list.Size() != len(file(t, "rsa.crl")) || list.Len() != 6 {
		t.Fatalf("%+v, %v", list, err)
	}
	for name, bad := range map[string][]byte{
		"another kind":   bytes.ReplaceAll(text, []byte("X509 CRL"), []byte("X509 KEY")),
		"two":            append(bytes.Clone(text), text...),
		"something more": append(bytes.Clone(text), "more"...),
		"cut":            text[:len(text)/2],
	} {
		_, err = revocation.ParseCRL(bad)
		if err == nil {
			t.Errorf("%s is read", name)
		}
	}
}
