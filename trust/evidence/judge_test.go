package evidence

import (
	"crypto/x509"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/mime"
	"postern/trust"
	"postern/trust/reason"
)

// A judged message's certificate under an intermediate that did not come along,
// with lists for both, over HTTP.
func TestAS69_AS71_JudgedByWhatIsFetched(t *testing.T) {
	now := time.Now()
	address, err := mime.ParseAddress("alice@a.example")
	if err != nil {
		t.Fatal(err)
	}
	list := func(by *testnet.Identity, revoked ...*x509.Certificate) []byte {
		c := ca{Identity: by, t: t}
		return c.crl(now.Add(-time.Hour), now.Add(aDay), revoked...)
	}
	for name, c := range map[string]struct {
		leafRevoked, middleRevoked bool
		missing                    string
		want                       reason.Code
		statuses                   []trust.RevocationStatus
	}{
		"good":               {false, false, "", reason.OK, []trust.RevocationStatus{trust.NotRevoked, trust.NotRevoked}},
		"revoked":            {true, false, "", reason.Revoked, nil},
		"its issuer revoked": {false, true, "", reason.Revoked, nil},
		"no list":            {false, false, "/leaf.crl", reason.RevocationDown, []trust.RevocationStatus{trust.RevocationUnknown, trust.NotRevoked}},
		"no issuer":          {false, false, "/middle.p7c", reason.UntrustedAnchor, nil},
	} {
		t.Run(name, func(t *testing.T) {
			pages := map[string]http.HandlerFunc{}
			url := site(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
				h := pages[r.URL.Path]
				if h == nil || r.URL.Path == c.missing {
					http.NotFound(w, r)
					return
				}
				h(w, r)
			}})
			pki := testnet.NewPKI(t, now)
			root := pki.Root("root")
			middle := root.Intermediate("middle", names{crl: []string{url + "/middle.crl"}}.option())
			leaf := middle.Leaf("alice@a.example", names{aia: []string{url + "/middle.p7c"}, crl: []string{url + "/leaf.crl"}}.option())
			revoked := func(yes bool, c *x509.Certificate) []*x509.Certificate {
				if yes {
					return []*x509.Certificate{c}
				}
				return []*x509.Certificate{{SerialNumber: big.NewInt(99)}}
			}
			pages["/middle.p7c"] = octets(certsOnly(t, middle.Cert))
			pages["/middle.crl"] = octets(list(root, revoked(c.middleRevoked, middle.Cert)...))
			pages["/leaf.crl"] = octets(list(middle, revoked(c.leafRevoked, leaf.Cert)...))

			p := trust.Params{
				Certificate: leaf.Cert, Purpose: trust.Sign, Address: address, At: now,
				Anchors:  trust.NewAnchors([]*x509.Certificate{root.Cert}),
				Evidence: overHTTP(t), Revocation: trust.HardFail,
			}
			v := trust.Judge(p)
			for v.Pending != nil {
				<-v.Pending
				v = trust.Judge(p)
			}
			if v.Code != c.want {
				t.Errorf("%s: %s", v.Code, v.Detail)
			}
			var statuses []trust.RevocationStatus
			for _, r := range v.Revocations {
				statuses = append(statuses, r.Status)
			}
			// A revocation is enough: what else is being asked is not waited for.
			if d := cmp.Diff(c.statuses, statuses); d != "" && c.want != reason.Revoked {
				t.Error(d)
			}
			if c.want == reason.OK && (len(v.IssuersFrom) != 1 || !strings.HasSuffix(v.IssuersFrom[0], "/middle.p7c")) {
				t.Errorf("issuers from %v", v.IssuersFrom)
			}
		})
	}
}
