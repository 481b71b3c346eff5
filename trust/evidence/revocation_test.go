package evidence

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"

	"postern/trust"
)

const (
	crlURL  = "http://crl.example/a.crl"
	ocspAt  = "http://ocsp.example/with/a/path/that/is/long/enough/for/the/request/to/go/by/post/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	aiaURL  = "http://aia.example/a.cer"
	aDay    = 24 * time.Hour
	aSecond = time.Second
)

func TestAS71_SourcesAreAsked(t *testing.T) {
	type answers struct{ crl, ocsp string }
	for name, c := range map[string]struct {
		answers
		want   trust.RevocationStatus
		method string
		took   time.Duration
	}{
		"both good":             {answers{"good", "good"}, trust.NotRevoked, "ocsp", time.Second},
		"the list alone":        {answers{"good", "dead"}, trust.NotRevoked, "crl", 2 * time.Second},
		"the responder alone":   {answers{"dead", "good"}, trust.NotRevoked, "ocsp", time.Second},
		"revoked by list":       {answers{"revoked", "dead"}, trust.IsRevoked, "crl", 2 * time.Second},
		"revoked by responder":  {answers{"dead", "revoked"}, trust.IsRevoked, "ocsp", time.Second},
		"nobody waits for both": {answers{"hangs", "good"}, trust.NotRevoked, "ocsp", time.Second},
		"nothing answers":       {answers{"hangs", "hangs"}, trust.RevocationUnknown, "", 5 * time.Second},
		"nothing is there":      {answers{"absent", "absent"}, trust.RevocationUnknown, "", 0},
		"the list has ended":    {answers{"old", "absent"}, trust.RevocationUnknown, "", 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := time.Now()
				auth := newCA(t, now)
				leaf := auth.leaf(names{crl: []string{crlURL}, ocsp: []string{ocspAt}})
				w := newWeb()
				w.put(crlURL, map[string]page{
					"good":    {body: auth.crl(now, now.Add(aDay)), after: 2 * aSecond},
					"revoked": {body: auth.crl(now, now.Add(aDay), leaf), after: 2 * aSecond},
					"old":     {body: auth.crl(now.Add(-2*aDay), now.Add(-aDay)), after: 2 * aSecond},
					"dead":    refused, "hangs": hangs, "absent": absent,
				}[c.crl])
				w.put(ocspAt, map[string]page{
					"good":    {body: auth.ocsp(leaf, ocsp.Good, now, now.Add(aDay)), after: aSecond},
					"revoked": {body: auth.ocsp(leaf, ocsp.Revoked, now, now.Add(aDay)), after: aSecond},
					"dead":    refused, "hangs": hangs, "absent": absent,
				}[c.ocsp])
				k := &Keeper{Fetcher: w}
				defer k.Close()
				r, took := settled(t, k, leaf, auth.Cert, now)
				if r.Status != c.want || r.Method != c.method || took != c.took {
					t.Errorf("%s by %q after %v, want %s by %q after %v: %s", r.Status, r.Method, took, c.want, c.method, c.took, r.Detail)
				}
				again := k.Revocation(leaf, auth.Cert, now)
				if again.Pending != nil || again.Status != c.want {
					t.Errorf("the next question: %+v", again)
				}
			})
		})
	}
}
