package revocation_test

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"postern/trust"
	"postern/trust/revocation"
)

func TestAS74_WhoMaySignOCSPResponses(t *testing.T) {
	issuer, fine := certificate(t, "rsa"), certificate(t, "fine")
	for _, c := range []struct{ response, problem string }{
		{"sha256", ""},
		{"keyid", ""},
		{"nocerts", ""},
		{"several", ""},
		{"pss", ""},
		{"delegate", ""},
		{"delegate-keyid", ""},
		{"sha1", "not allowed"},
		{"delegate-nocerts", "neither the issuer nor anyone"},
		{"delegate-mailer", "not for signing OCSP responses"},
		{"delegate-encipher", "not for signing (keyUsage)"},
		{"delegate-weak", "1024 bits"},
		{"delegate-sha1", "SHA1"},
		{"delegate-foreign", "another issuer"},
		{"delegate-ended", "out of date"},
		{"delegate-authority", "an authority's"},
	} {
		t.Run(c.response, func(t *testing.T) {
			a, err := revocation.CheckOCSP(file(t, c.response+".ocsp"), fine, issuer, later)
			if c.problem != "" {
				wantError(t, a, err, c.problem)
				return
			}
			if err != nil || a.Status != trust.NotRevoked {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

func TestAS74_TheAnswerIsAboutTheCertificate(t *testing.T) {
	issuer := certificate(t, "rsa")
	several := file(t, "several.ocsp")
	for cert, want := range map[string]trust.RevocationStatus{"one": trust.IsRevoked, "two": trust.IsRevoked, "fine": trust.NotRevoked} {
		a, err := revocation.CheckOCSP(several, certificate(t, cert), issuer, later)
		if err != nil || a.Status != want {
			t.Errorf("%s: %+v, %v", cert, a, err)
		}
	}
	a, err := revocation.CheckOCSP(several, certificate(t, "july"), issuer, later)
	wantError(t, a, err, "says nothing")
	a, err = revocation.CheckOCSP(file(t, "unknown.ocsp"), certificate(t, "below"), issuer, later)
	wantError(t, a, err, "does not know")
	// The same name and number under another key are another certificate.
	a, err = revocation.CheckOCSP(file(t, "fine.ocsp"), certificate(t, "fine"), certificate(t, "ec"), later)
	wantError(t, a, err, "says nothing")
	a, err = revocation.CheckOCSP(file(t, "fine.ocsp"), nil, issuer, later)
	wantError(t, a, err, "missing")
	a, err = revocation.CheckOCSP(file(t, "fine.ocsp"), certificate(t, "fine"), certificate(t, "below"), later)
	wantError(t, a, err, "another issuer")
}

func TestAS74_ResponderWithoutAnAnswer(t *testing.T) {
	issuer, fine := certificate(t, "rsa"), certificate(t, "fine")
	for problem, response := range map[string][]byte{
		"malformedRequest": ocsp.MalformedRequestErrorResponse,
		"internalError":    ocsp.InternalErrorErrorResponse,
		"tryLater":         ocsp.TryLaterErrorResponse,
		"sigRequired":      ocsp.SigRequredErrorResponse,
		"unauthorized":     ocsp.UnauthorizedErrorResponse,
		"status 9":         {0x30, 3, 10, 1, 9},
		"malformed":        {0x30, 3, 10, 1, 0},
		"octets":           make([]byte, revocation.MaxOCSP+1),
	} {
		a, err := revocation.CheckOCSP(response, fine, issuer, later)
		wantError(t, a, err, problem)
	}
}

// TestAS74_OCSPBits flips each bit of a response: none of them may go unnoticed
// but in what is not signed and not used.
func TestAS74_OCSPBits(t *testing.T) {
	issuer, fine := certificate(t, "rsa"), certificate(t, "fine")
	good := file(t, "nocerts.ocsp")
	for i := range 8 * len(good) {
		bad := bytes.Clone(good)
		bad[i/8] ^= 1 << (i % 8)
		_, err := revocation.CheckOCSP(bad, fine, issuer, later)
		if err == nil {
			t.Errorf("bit %d of octet %d may be changed", i%8, i/8)
		}
	}
}

func TestAS74_OCSPRequest(t *testing.T) {
	issuer, fine := certificate(t, "rsa"), certificate(t, "fine")
	der, err := revocation.NewOCSPRequest(fine, issuer)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ocsp.ParseRequest(der)
	if err != nil || r.SerialNumber.Cmp(fine.SerialNumber) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = revocation.NewOCSPRequest(fine, certificate(t, "below"))
	wantError(t, revocation.Answer{}, err, "another issuer")
	_, err = revocation.NewOCSPRequest(fine, nil)
	wantError(t, revocation.Answer{}, err, "missing")
}

func TestAS74_OCSPCountsUntilNextUpdate(t *testing.T) {
	issuer, fine := certificate(t, "rsa"), certificate(t, "fine")
	response := file(t, "fine.ocsp")
	a, err := revocation.CheckOCSP(response, fine, issuer, later)
	if err != nil {
		t.Fatal(err)
	}
	if a.Premature(a.ThisUpdate.Add(-trust.ClockSkew)) || !a.Premature(a.ThisUpdate.Add(-trust.ClockSkew-time.Second)) {
		t.Error("premature is by another skew than the clocks' own")
	}
	stale, err := revocation.CheckOCSP(response, fine, issuer, a.NextUpdate.Add(time.Second))
	wantError(t, stale, err, "counted until")
}
