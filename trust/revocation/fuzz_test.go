package revocation

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"postern/trust"
	"postern/trust/reason"
)

func seeds(f *testing.F, pattern string) {
	f.Helper()
	names, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(names) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
}

func testCertificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile("testdata/" + name + ".pem")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// FuzzCRL reads whatever it is given and compares what it reads with what
// crypto/x509 reads of it. Nothing that the fuzzer makes up can be signed, so
// nothing may answer but the seeds.
func FuzzCRL(f *testing.F) {
	seeds(f, "*.crl")
	seeds(f, "*.crl.pem")
	issuer, fine := testCertificate(f, "rsa"), testCertificate(f, "fine")
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := ParseCRL(b)
		if err != nil {
			return
		}
		a, err := c.Check(fine, issuer, at)
		if err == nil && a.Status != trust.NotRevoked {
			t.Fatalf("%+v", a)
		}
		der, err := unarmored(b)
		if err != nil {
			t.Fatal(err)
		}
		oracle, err := x509.ParseRevocationList(der)
		if err == nil {
			compareCRL(t, c, oracle)
		}
	})
}

func compareCRL(t *testing.T, c *CRL, oracle *x509.RevocationList) {
	t.Helper()
	if string(c.signed.octets) != string(oracle.RawTBSRevocationList) || string(c.signed.signature) != string(oracle.Signature) ||
		c.signed.algorithm != oracle.SignatureAlgorithm || string(c.issuer) != string(oracle.RawIssuer) {
		t.Fatal("another signature or issuer")
	}
	if !c.ThisUpdate.Equal(oracle.ThisUpdate) || !c.NextUpdate.Equal(oracle.NextUpdate) {
		t.Fatalf("%v to %v, want %v to %v", c.ThisUpdate, c.NextUpdate, oracle.ThisUpdate, oracle.NextUpdate)
	}
	if c.Len() != len(oracle.RevokedCertificateEntries) {
		t.Fatalf("%d entries, want %d", c.Len(), len(oracle.RevokedCertificateEntries))
	}
	for _, e := range oracle.RevokedCertificateEntries[:min(100, c.Len())] {
		if e.SerialNumber.Sign() >= 0 {
			compareEntry(t, c, e)
		}
	}
}

// compareEntry looks for an entry among those of its serial number.
func compareEntry(t *testing.T, c *CRL, want x509.RevocationListEntry) {
	t.Helper()
	found, err := c.entries.find(serialOf(&x509.Certificate{SerialNumber: want.SerialNumber}))
	if err != nil {
		return // stricter: dates with zones, reasons twice or of many octets
	}
	for _, r := range found {
		if r.at.Equal(want.RevocationTime) && max(r.reason, 0) == want.ReasonCode {
			return
		}
	}
	t.Fatalf("entry %+v is not among %+v", want, found)
}

// FuzzOCSP reads whatever it is given, with the signature and without, and
// compares what it reads with what x/crypto/ocsp reads of it.
func FuzzOCSP(f *testing.F) {
	seeds(f, "*.ocsp")
	issuer, fine := testCertificate(f, "rsa"), testCertificate(f, "fine")
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := CheckOCSP(b, fine, issuer, at)
		if err == nil && a.Status != trust.NotRevoked {
			t.Fatalf("%+v", a)
		}
		r, err := readResponse(b)
		if err != nil {
			return
		}
		ours, err := r.about(fine, issuer)
		if err != nil || len(ours) != 1 {
			return
		}
		_, _ = combine(ours, fine, at)
		oracle, err := ocsp.ParseResponseForCert(b, fine, nil)
		if err == nil && oracle.SignatureAlgorithm == r.signed.algorithm {
			compareSingle(t, ours[0], oracle)
		}
	})
}

func compareSingle(t *testing.T, s single, oracle *ocsp.Response) {
	t.Helper()
	want := map[int]uint8{ocsp.Good: uint8(statusGood), ocsp.Revoked: uint8(statusRevoked), ocsp.Unknown: uint8(statusUnknown)}[oracle.Status]
	if uint8(s.status) != want || !s.this.Equal(oracle.ThisUpdate) || !s.next.Equal(oracle.NextUpdate) {
		t.Fatalf("%+v, want %+v", s, oracle)
	}
	if s.status == statusRevoked && (!s.revoked.at.Equal(oracle.RevokedAt) || max(s.revoked.reason, 0) != oracle.RevocationReason) {
		t.Fatalf("%+v, want %+v", s.revoked, oracle)
	}
}

// FuzzSources reads whatever stands in a certificate's distribution points.
func FuzzSources(f *testing.F) {
	cert := testCertificate(f, "fine")
	value, _ := extensionOf(cert, oidDistributionPoints)
	f.Add([]byte(value), "http://ocsp.example/")
	f.Fuzz(func(t *testing.T, value []byte, responder string) {
		c := *cert
		c.Extensions = append(c.Extensions[:0:0], c.Extensions...)
		for i := range c.Extensions {
			if c.Extensions[i].Id.Equal(oidDistributionPoints) {
				c.Extensions[i].Value = value
			}
		}
		c.OCSPServer = []string{responder}
		crls, responders, passed := Sources(&c)
		if len(responders) != 1 || responders[0] != responder || len(passed) > maxPassed {
			t.Fatalf("%q, passed over %q", responders, passed)
		}
		for _, u := range crls {
			if !bytes.Contains(value, []byte(u)) {
				t.Fatalf("%q does not stand there", u)
			}
		}
		for _, p := range passed {
			if p != reason.Line(p, len(p)) {
				t.Fatalf("%q is not harmless", p)
			}
		}
	})
}
