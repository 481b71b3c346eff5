package trust_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/trust"
)

// TestAS68_OpenSSLAgrees holds paths against openssl verify, which was written by
// others. Where we are stricter on purpose, the row says so.
func TestAS68_OpenSSLAgrees(t *testing.T) {
	openssl := testnet.Require(t, "openssl")
	pki := testnet.NewPKI(t, now)
	root, other := pki.Root("root"), pki.Root("other")
	upper := root.Intermediate("upper")
	narrow := func(change func(*x509.Certificate)) testnet.Option {
		return testnet.Template(func(c *x509.Certificate) { c.PermittedDNSDomainsCritical = true; change(c) })
	}
	flat := pki.Root("flat", testnet.PathLen(0))
	for _, c := range []struct {
		name     string
		anchor   *testnet.Identity
		above    []*testnet.Identity // the first issued the leaf
		leaf     []testnet.Option
		stricter bool
	}{
		{name: "root", anchor: root, above: []*testnet.Identity{upper}},
		{name: "intermediate as the anchor", anchor: upper, above: []*testnet.Identity{upper}},
		{name: "another root", anchor: other, above: []*testnet.Identity{upper}},
		{name: "same name, another key", anchor: pki.Root("root"), above: []*testnet.Identity{root}},
		{name: "expired intermediate", anchor: root, above: []*testnet.Identity{root.Intermediate("old", testnet.Valid(-2*time.Hour, -time.Hour))}},
		{name: "future intermediate", anchor: root, above: []*testnet.Identity{root.Intermediate("new", testnet.Valid(time.Hour, 2*time.Hour))}},
		{name: "expired root", anchor: pki.Root("old", testnet.Valid(-2*time.Hour, -time.Hour))},
		{name: "no authority", anchor: root, above: []*testnet.Identity{root.Intermediate("no ca", testnet.Template(func(c *x509.Certificate) { c.IsCA = false }))}},
		{name: "no certSign", anchor: root, above: []*testnet.Identity{root.Intermediate("mute", testnet.Usage(x509.KeyUsageCRLSign))}},
		{name: "weak intermediate", anchor: root, above: []*testnet.Identity{root.Intermediate("weak", testnet.RSA(1024))}},
		{name: "critical extension", anchor: root, above: []*testnet.Identity{root.Intermediate("odd", testnet.Extension([]int{1, 2, 3, 4}, true, []byte{5, 0}))}},
		{name: "domain permitted", anchor: root, above: []*testnet.Identity{root.Intermediate("n1", narrow(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"b.example"} }))}},
		{name: "domain not permitted", anchor: root, above: []*testnet.Identity{root.Intermediate("n2", narrow(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"c.example"} }))}},
		{name: "domain excluded", anchor: root, above: []*testnet.Identity{root.Intermediate("n3", narrow(func(c *x509.Certificate) { c.ExcludedDNSDomains = []string{"example"} }))}},
		{name: "address permitted", anchor: root, leaf: []testnet.Option{testnet.SAN([]string{"alice@b.example"}, nil)},
			above: []*testnet.Identity{root.Intermediate("n4", narrow(func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"b.example"} }))}},
		{name: "address at a child of the host", anchor: root, leaf: []testnet.Option{testnet.SAN([]string{"alice@b.example"}, nil)},
			above: []*testnet.Identity{root.Intermediate("n5", narrow(func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"example"} }))}},
		{name: "address excluded", anchor: root, leaf: []testnet.Option{testnet.SAN([]string{"alice@b.example"}, nil)},
			above: []*testnet.Identity{root.Intermediate("n6", narrow(func(c *x509.Certificate) { c.ExcludedEmailAddresses = []string{"alice@b.example"} }))}},
		{name: "domain under a constraint on addresses", anchor: root, stricter: true,
			above: []*testnet.Identity{root.Intermediate("n7", narrow(func(c *x509.Certificate) { c.PermittedEmailAddresses = []string{"c.example"} }))}},
		{name: "for web servers alone", anchor: root, leaf: []testnet.Option{testnet.Template(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })}},
		{name: "pathLen kept", anchor: flat},
		{name: "pathLen exceeded", anchor: flat, above: []*testnet.Identity{flat.Intermediate("too deep")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			issuer := c.anchor
			if len(c.above) > 0 {
				issuer = c.above[0]
			}
			leaf := issuer.Leaf("b.example", append([]testnet.Option{testnet.EC(elliptic.P256()), testnet.Usage(x509.KeyUsageDigitalSignature)}, c.leaf...)...)
			p := ask(t, leaf, c.anchor)
			p.Purpose, p.Intermediates = trust.Sign, testnet.Certs(c.above...)
			ours := trust.Judge(p)
			theirs, said := opensslVerifies(t, openssl, p, c.anchor)
			if ours.Code.IsOK() != (theirs && !c.stricter) || c.stricter && !theirs {
				t.Errorf("we say %s (%s), OpenSSL says %v: %s", ours.Code, ours.Detail, theirs, said)
			}
		})
	}
}

func opensslVerifies(t *testing.T, openssl string, p trust.Params, anchor *testnet.Identity) (bool, string) {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, certs ...*x509.Certificate) string {
		path := filepath.Join(dir, name)
		err := os.WriteFile(path, testnet.PEM(certs...), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Security level 2 refuses keys below 112 bits of strength, such as RSA 1024.
	args := []string{"verify", "-no-CApath", "-no-CAstore", "-partial_chain", "-x509_strict", "-purpose", "smimesign", "-auth_level", "2",
		"-attime", fmt.Sprint(p.At.Unix()), "-CAfile", write("anchor.pem", anchor.Cert)}
	if len(p.Intermediates) > 0 {
		args = append(args, "-untrusted", write("above.pem", p.Intermediates...))
	}
	out, err := exec.CommandContext(t.Context(), openssl, append(args, write("leaf.pem", p.Certificate))...).CombinedOutput()
	return err == nil, string(out)
}
