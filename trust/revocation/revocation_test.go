package revocation_test

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"time"

	"postern/trust"
	"postern/trust/revocation"
)

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 0, 0, 0, 0, time.UTC) }

// For how long documents without nextUpdate count.
const (
	crlLife  = 24 * time.Hour
	ocspLife = time.Hour
)

// The moments of the documents under testdata.
var (
	made    = day(2026, 10, 1) // thisUpdate of the CRLs
	within  = day(2026, 11, 1)
	ends    = day(2026, 12, 1) // their nextUpdate
	later   = day(2027, 1, 1)  // when the OCSP responses count
	revoked = day(2020, 1, 1)
	july    = day(2026, 7, 1)
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(file(t, name+".pem"))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func crl(t testing.TB, name string) *revocation.CRL {
	t.Helper()
	c, err := revocation.ParseCRL(file(t, name+".crl"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantError checks that an error has the words, and that nothing was answered.
func wantError(t *testing.T, a revocation.Answer, err error, words string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, want one with %q", err, words)
	}
	if a != (revocation.Answer{}) {
		t.Errorf("an answer beside an error: %+v", a)
	}
}

// verdicts are what the documents say of the certificates at moments.
var verdicts = []struct {
	cert   string
	at     time.Time // zero is the moment of the document
	status trust.RevocationStatus
	when   time.Time
	reason string
}{
	{"one", time.Time{}, trust.IsRevoked, revoked, ""},
	{"two", time.Time{}, trust.IsRevoked, revoked, "superseded"},
	{"july", time.Time{}, trust.IsRevoked, july, "cessationOfOperation"},
	{"hold", time.Time{}, trust.IsRevoked, revoked, "certificateHold"},
	{"stolen", time.Time{}, trust.IsRevoked, july, "keyCompromise"},
	{"lost", time.Time{}, trust.IsRevoked, july, "cACompromise"},
	{"fine", time.Time{}, trust.NotRevoked, time.Time{}, ""},

	// The past, by what is known today.
	{"two", day(2020, 1, 1), trust.IsRevoked, revoked, "superseded"},
	{"two", day(2019, 12, 31), trust.NotRevoked, time.Time{}, ""},
	{"july", day(2026, 7, 1), trust.IsRevoked, july, "cessationOfOperation"},
	{"july", day(2026, 6, 30), trust.NotRevoked, time.Time{}, ""},
	{"hold", day(2019, 12, 31), trust.NotRevoked, time.Time{}, ""},
	{"lost", day(2019, 1, 1), trust.IsRevoked, july, "cACompromise: counts for earlier times too"},
	{"fine", day(2019, 1, 1), trust.NotRevoked, time.Time{}, ""},
}

func TestAS71_CRLSaysWhoIsRevokedAndSinceWhen(t *testing.T) {
	issuer, list := certificate(t, "rsa"), crl(t, "rsa")
	for _, v := range verdicts {
		at := v.at
		if at.IsZero() {
			at = within
		}
		checkCRL(t, list, issuer, v.cert, at, revocation.Answer{Status: v.status, RevokedAt: v.when, Reason: v.reason})
	}
	// A thief had the key since March, says the issuer.
	stolen := revocation.Answer{Status: trust.IsRevoked, RevokedAt: july, Reason: "keyCompromise: counts for earlier times too"}
	checkCRL(t, list, issuer, "stolen", day(2026, 3, 1), stolen)
	checkCRL(t, list, issuer, "stolen", day(2026, 2, 28), revocation.Answer{Status: trust.NotRevoked})
}

func checkCRL(t *testing.T, list *revocation.CRL, issuer *x509.Certificate, cert string, at time.Time, want revocation.Answer) {
	t.Helper()
	want.ThisUpdate, want.NextUpdate, want.Expires = made, ends, ends
	got, err := list.Check(certificate(t, cert), issuer, at)
	if err != nil || got != want {
		t.Errorf("%s at %v: %+v, %v; want %+v", cert, at, got, err, want)
	}
}

func TestAS74_OCSPSaysWhoIsRevokedAndSinceWhen(t *testing.T) {
	issuer := certificate(t, "rsa")
	for _, v := range verdicts {
		at := v.at
		if at.IsZero() {
			at = later
		}
		got, err := revocation.CheckOCSP(file(t, v.cert+".ocsp"), certificate(t, v.cert), issuer, at)
		if err != nil || got.Status != v.status || !got.RevokedAt.Equal(v.when) || got.Reason != v.reason {
			t.Errorf("%s at %v: %+v, %v; want %s since %v because of %q", v.cert, at, got, err, v.status, v.when, v.reason)
		}
		if got.ThisUpdate.IsZero() || !got.NextUpdate.After(got.ThisUpdate) || got.Expires != got.NextUpdate {
			t.Errorf("%s: dates %+v", v.cert, got)
		}
	}
}
