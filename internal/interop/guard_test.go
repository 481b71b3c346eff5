package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// TestInteropGuard has a gateway without network.allow_private led to loopback
// and private addresses by what strangers publish: by SRV, by IPKIX, by the
// name servers of their domains, by AIA, CRL and OCSP. It goes nowhere.
func TestInteropGuard(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	web := testnet.NewWeb(t)
	web.Put("/lure", testnet.TypeCert, root.Cert.Raw)
	slapd := testnet.Slapd(t, "o=inside", []testnet.Entry{{Mail: "bob@ldap.example", Certificates: testnet.Certs(root.Leaf("bob@ldap.example", quick()))}})
	zones := map[string][]string{
		"ldap.example":   {srv(t, slapd)},
		"target.example": {"inside IN A 127.0.0.1", "alias IN CNAME inside"},
	}
	all := []asking{{name: "LDAP", address: "bob@ldap.example", verdict: "no-certificate", code: 1, told: []string{"ldap-address forbidden"}}}
	for i, l := range lures(web.URL[strings.LastIndexByte(web.URL, ':'):]) {
		url := "http://" + l.host + "/lure"
		for kind, certificate := range map[string]testnet.Option{
			"CRL": testnet.PublishedAt(url, "", ""), "OCSP": testnet.PublishedAt("", url, ""),
		} {
			domain := fmt.Sprintf("%s%d.example", strings.ToLower(kind), i)
			zones[domain] = []string{testnet.ZoneCERT("@", root.Leaf(domain, quick(), certificate).Cert)}
			all = append(all, asking{name: kind + " at " + l.name, address: "bob@" + domain, verdict: "revocation-unavailable", certificates: 1, code: 3})
		}
		between := root.Intermediate("between " + l.name)
		issued := fmt.Sprintf("aia%d.example", i)
		zones[issued] = []string{testnet.ZoneCERT("@", between.Leaf(issued, quick(), testnet.PublishedAt("", "", url)).Cert)}
		pointed := fmt.Sprintf("ipkix%d.example", i)
		zones[pointed] = []string{testnet.ZoneIPKIX("@", url)}
		all = append(all,
			asking{name: "AIA at " + l.name, address: "bob@" + issued, verdict: "untrusted-anchor", certificates: 1, code: 1},
			asking{name: "IPKIX at " + l.name, address: "bob@" + pointed, verdict: "no-certificate", code: 1, told: []string{"dns-domain forbidden"}})
	}
	s := newSite(t, "a.example", setup{
		dns: testnet.BIND(t, zones), anchors: []*testnet.Identity{root}, guarded: true,
		more: map[string]string{"trust": "revocation = \"hard\"\n"},
	})
	s.serve()
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) { s.checkAsking(t, c) })
	}
	if n := web.Asked("/lure"); n != 0 {
		t.Errorf("the web server on loopback was asked %d times", n)
	}
	s.alive()
}

// TestInteropGuardOfNameServers has a domain name loopback as its name server,
// and resolvers that refuse CERT: it is not asked there.
func TestInteropGuardOfNameServers(t *testing.T) {
	t.Parallel()
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	bind := testnet.BIND(t, map[string][]string{"b.example": {testnet.ZoneCERT("@", root.Leaf("b.example", quick()).Cert)}})
	resolver := testnet.NewForwarder(t, bind)
	resolver.Answer(testnet.TypeCERT, testnet.Refused)
	direct := testnet.NewForwarder(t, bind)
	s := newSite(t, "a.example", setup{
		dns: resolver.Addr, anchors: []*testnet.Identity{root}, guarded: true,
		more: map[string]string{"dns": "port = " + portOf(t, direct.Addr) + "\n"},
	})
	s.checkAsking(t, asking{address: "bob@b.example", verdict: "discovery-timeout", code: 3})
	if n := direct.Asked(); n != 0 {
		t.Errorf("the name server on loopback was asked %d times", n)
	}
}

// TestInteropGuardOfRedirects has servers that may be asked send us on to the
// metadata address, which nobody may ask: not even with network.allow_private.
func TestInteropGuardOfRedirects(t *testing.T) {
	t.Parallel()
	c := newCommunity(t)
	web := testnet.NewWeb(t)
	const metadata = "169.254.169.254/latest/meta-data/"
	web.Redirect("/away", "http://"+metadata)
	c.web.Redirect("/away", "https://"+metadata)
	c.web.Redirect("/down", web.URL+"/plain")
	web.Put("/plain", typeBundle, testnet.CertsOnly(t, c.anchor.Cert))
	listed := c.anchor.Leaf("crl.example", quick(), testnet.PublishedAt(web.URL+"/away", "", ""))
	issued := c.anchor.Intermediate("between").Leaf("aia.example", quick(), testnet.PublishedAt("", "", web.URL+"/away"))
	c.zones["crl.example"] = []string{testnet.ZoneCERT("@", listed.Cert)}
	c.zones["aia.example"] = []string{testnet.ZoneCERT("@", issued.Cert)}
	c.zones["ipkix.example"] = []string{testnet.ZoneIPKIX("@", web.URL+"/away")}
	c.zones["direct.example"] = []string{testnet.ZoneIPKIX("@", "http://"+metadata)}
	s := newSite(t, "a.example", setup{
		dns: testnet.BIND(t, c.zones), anchors: []*testnet.Identity{c.anchor},
		more: map[string]string{"network": c.network, "trust": "revocation = \"hard\"\n"},
	})
	for _, a := range []asking{
		{name: "CRL", address: "bob@crl.example", verdict: "revocation-unavailable", certificates: 1, code: 3},
		{name: "AIA", address: "bob@aia.example", verdict: "untrusted-anchor", certificates: 1, code: 1},
		{name: "IPKIX", address: "bob@ipkix.example", verdict: "no-certificate", code: 1, told: []string{"dns-domain forbidden"}},
		{name: "IPKIX without a redirect", address: "bob@direct.example", verdict: "no-certificate", code: 1, told: []string{"dns-domain forbidden"}},
	} {
		t.Run(a.name, func(t *testing.T) { s.checkAsking(t, a) })
	}
	for name, kind := range map[string]string{"away": "forbidden", "down": "redirect"} {
		t.Run("bundle "+name, func(t *testing.T) {
			e := s.run("", "bundle", "add", name, c.web.URL+"/"+name)
			if b := s.bundles(t)[name]; e.code == 0 || b.Failure != kind || b.Anchors != 0 {
				t.Errorf("exit code %d, %q (%s), want %s; %d anchors", e.code, b.Failure, b.Detail, kind, b.Anchors)
			}
		})
	}
	if web.Asked("/away") == 0 || web.Asked("/plain") != 0 {
		t.Errorf("the first server was asked %d times, and without TLS %d times", web.Asked("/away"), web.Asked("/plain"))
	}
}
