package control

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"math/big"
	"strings"
	"testing"
	"unicode"

	"postern/internal/testnet"
)

// hostileCertificate is one whose every text tries to take over a terminal.
func hostileCertificate(t *testing.T) *x509.Certificate {
	t.Helper()
	const evil = "\x1b[2J\r\nall is well\u202e\u009b1m"
	root := testnet.NewPKI(t, noon()).Root("root")
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: evil, Organization: []string{strings.Repeat("x", 5000)}},
		NotBefore: noon().AddDate(0, 0, -1), NotAfter: noon().AddDate(1, 0, 0),
		IssuingCertificateURL: []string{"http://a.example/\x1b[2J"}, OCSPServer: []string{"http://a.example/\n"},
		CRLDistributionPoints: []string{"http://a.example/\x07"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, root.Cert.PublicKey, root.Key)
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return c
}

func TestHostileNamesDoNotReachTheTerminal(t *testing.T) {
	s := ours(t, "a.example")
	c := hostileCertificate(t)
	added, err := s.AddAnchors(t.Context(), AnchorsToAdd{Direction: "in", Certificates: [][]byte{c.Raw}})
	must(t, err)
	listed, err := s.Anchors(t.Context())
	must(t, err)
	shown, err := s.ShowAnchor(t.Context(), added[0].SHA256)
	must(t, err)
	shown[0].PEM = "" // of several lines, all base64
	for what, told := range map[string]any{"added": added, "listed": listed, "shown": shown} {
		text, err := json.Marshal(told)
		must(t, err)
		var values any
		must(t, json.Unmarshal(text, &values))
		isHarmless(t, what, values)
	}
	equal(t, "URLs", shown[0].IssuerURLs, []string{"http://a.example/?[2J"})
}

// isHarmless fails for a string, anywhere in v, that does not print on one line.
func isHarmless(t *testing.T, what string, v any) {
	t.Helper()
	switch v := v.(type) {
	case string:
		if strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) }) || len(v) > 4*maxDetail {
			t.Errorf("%s: %.300q", what, v)
		}
	case []any:
		for _, one := range v {
			isHarmless(t, what, one)
		}
	case map[string]any:
		for key, one := range v {
			isHarmless(t, what+"."+key, one)
		}
	}
}
