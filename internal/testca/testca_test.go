package testca_test

import (
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/keyfile"
	"postern/internal/testca"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// authority is made once for all tests, since its key takes long to make.
var authority = sync.OnceValues(func() (*keyfile.Pair, error) { return testca.New(now) })

func newAuthority(t *testing.T) *keyfile.Pair {
	t.Helper()
	ca, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func TestAuthority(t *testing.T) {
	ca := newAuthority(t)
	c := ca.Certificate
	if !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("CA %v, path length %d, usage %b", c.IsCA, c.MaxPathLen, c.KeyUsage)
	}
	if !strings.Contains(c.Subject.String(), "TEST ONLY") {
		t.Errorf("subject is %s", c.Subject)
	}
	if want := fmt.Sprintf("TEST ONLY Postern CA %x", c.SubjectKeyId[:4]); c.Subject.CommonName != want {
		t.Errorf("common name is %q, want %q", c.Subject.CommonName, want)
	}
	if want := now.AddDate(5, 0, 0); !c.NotAfter.Equal(want) {
		t.Errorf("valid until %v, want %v", c.NotAfter, want)
	}
}

func TestIssue(t *testing.T) {
	ca := newAuthority(t)
	for _, tt := range []struct {
		owner       string
		commonName  string
		mails, dnss []string
	}{
		{"ann@near.example", "TEST ONLY ann@near.example", []string{"ann@near.example"}, nil},
		{"Near.example", "TEST ONLY near.example", nil, []string{"near.example"}},
		{strings.Repeat("a", 60) + "@near.example", "TEST ONLY", []string{strings.Repeat("a", 60) + "@near.example"}, nil},
	} {
		pair, err := testca.Issue(ca, testca.Order{Owner: tt.owner}, now)
		if err != nil {
			t.Errorf("%s: %v", tt.owner, err)
			continue
		}
		c := pair.Certificate
		if diff := cmp.Diff([]any{tt.commonName, tt.mails, tt.dnss}, []any{c.Subject.CommonName, c.EmailAddresses, c.DNSNames}); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.owner, diff)
		}
		if c.KeyUsage != x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment || c.IsCA || !c.BasicConstraintsValid {
			t.Errorf("%s: usage %b, CA %v", tt.owner, c.KeyUsage, c.IsCA)
		}
		if key, ok := pair.Key.(*rsa.PrivateKey); !ok || key.N.BitLen() != 2048 || !key.PublicKey.Equal(c.PublicKey) {
			t.Errorf("%s: the key does not fit", tt.owner)
		}
		if !testca.Made(c) || !testca.Made(ca.Certificate) {
			t.Errorf("%s: it does not tell where it comes from", tt.owner)
		}
		if !strings.Contains(c.Issuer.String(), "TEST ONLY") || !strings.Contains(c.Subject.String(), "TEST ONLY") {
			t.Errorf("%s: issuer %s, subject %s", tt.owner, c.Issuer, c.Subject)
		}
		roots := x509.NewCertPool()
		roots.AddCert(ca.Certificate)
		_, err = c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}})
		if err != nil {
			t.Errorf("%s: %v", tt.owner, err)
		}
		if want := now.AddDate(1, 0, 0); !c.NotAfter.Equal(want) {
			t.Errorf("%s: valid until %v, want %v", tt.owner, c.NotAfter, want)
		}
	}
}

func TestIssueStaysWithinTheAuthority(t *testing.T) {
	ca := newAuthority(t)
	pair, err := testca.Issue(ca, testca.Order{Owner: "near.example"}, now.AddDate(4, 6, 0))
	if err != nil {
		t.Fatal(err)
	}
	if !pair.Certificate.NotAfter.Equal(ca.Certificate.NotAfter) {
		t.Errorf("valid until %v, the authority until %v", pair.Certificate.NotAfter, ca.Certificate.NotAfter)
	}
}

func TestIssueRefuses(t *testing.T) {
	ca := newAuthority(t)
	leaf, err := testca.Issue(ca, testca.Order{Owner: "near.example"}, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		authority *keyfile.Pair
		owner     string
		now       time.Time
		want      string
	}{
		{"bare name", ca, "near", now, "not a Direct address"},
		{"no owner", ca, "", now, "not a Direct address"},
		{"bad address", ca, "a b@near.example", now, "not a Direct address"},
		{"authority expired", ca, "near.example", now.AddDate(6, 0, 0), "make a new one"},
		{"authority not yet valid", ca, "near.example", now.AddDate(-1, 0, 0), "make a new one"},
		{"leaf as authority", leaf, "near.example", now, "not a test authority"},
	} {
		_, err := testca.Issue(tt.authority, testca.Order{Owner: tt.owner}, tt.now)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// AS-20, AS-21: single-use certificates, and keys of each kind, with the keyUsage
// that is theirs.
func TestAS20_IssuedCertificatesAreForTheirUse(t *testing.T) {
	ca := newAuthority(t)
	sign, encipher, agree := x509.KeyUsageDigitalSignature, x509.KeyUsageKeyEncipherment, x509.KeyUsageKeyAgreement
	for _, tt := range []struct {
		kind keyfile.Kind
		use  keyfile.Use
		want x509.KeyUsage
	}{
		{keyfile.RSA2048, keyfile.Sign, sign}, {keyfile.RSA2048, keyfile.Encrypt, encipher},
		{keyfile.RSA3072, keyfile.Both, sign | encipher},
		{keyfile.P256, keyfile.Sign, sign}, {keyfile.P256, keyfile.Encrypt, agree}, {keyfile.P384, keyfile.Both, sign | agree},
	} {
		pair, err := testca.Issue(ca, testca.Order{Owner: "near.example", Kind: tt.kind, Use: tt.use}, now)
		if err != nil {
			t.Fatal(err)
		}
		if pair.Certificate.KeyUsage != tt.want || !keyfile.Matches(pair.Certificate, pair.Key.Public()) {
			t.Errorf("%s, %s: usage %b, want %b", tt.kind, tt.use, pair.Certificate.KeyUsage, tt.want)
		}
	}
}

func TestMadeElsewhere(t *testing.T) {
	c := &x509.Certificate{}
	c.Subject.CommonName = "TEST ONLY"
	if testca.Made(c) {
		t.Error("a name is taken for the test authority's")
	}
}
