package main

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/testnet"
)

// community writes into the folder pki what two authorities issued, for all that
// can be right or wrong with a certificate: NAME.pem is a certificate with its
// key. They publish over HTTP on loopback; who is named "down" or "lost" points
// to a port where nobody listens.
func scriptCommunity(ts *testscript.TestScript, neg bool, args []string) {
	t, ok := ts.Value(testKey{}).(testing.TB)
	if !ok || neg || len(args) != 0 {
		ts.Fatalf("usage: community")
	}
	ts.Check(os.Mkdir(ts.MkAbs("pki"), 0o700))
	for name, id := range community(t) {
		data := slices.Concat(testnet.PEM(id.Cert), id.KeyPEM())
		ts.Check(os.WriteFile(ts.MkAbs(filepath.Join("pki", name+".pem")), data, 0o600))
	}
}

func community(t testing.TB) map[string]*testnet.Identity {
	pki, web, dead := testnet.NewPKI(t, time.Now()), testnet.NewWeb(t), "http://"+testnet.DeadPort(t)
	root := pki.Root("Community Root")
	list := testnet.PublishedAt(web.URL+"/root.crl", "", "")
	below := root.Intermediate("Community Intermediate", list)
	lost := root.Intermediate("Lost Intermediate", list)
	ids := map[string]*testnet.Identity{
		"root": root, "stranger-root": pki.Root("Stranger Root"),
		"ours":     root.Leaf("b.example", list),
		"good":     root.Leaf("a.example", list),
		"ocsp":     root.Leaf("a.example", testnet.PublishedAt("", web.URL+"/ocsp", "")),
		"revoked":  root.Leaf("a.example", list),
		"down":     root.Leaf("a.example", testnet.PublishedAt(dead+"/root.crl", "", "")),
		"unstated": root.Leaf("a.example"),
		"fetched":  below.Leaf("a.example", testnet.PublishedAt(web.URL+"/below.crl", "", web.URL+"/below.cer")),
		"lost":     lost.Leaf("a.example", testnet.PublishedAt("", "", dead+"/lost.cer")),
		"expired":  root.Leaf("a.example", list, testnet.Valid(-48*time.Hour, -24*time.Hour)),
		"usage":    root.Leaf("a.example", list, testnet.Usage(x509.KeyUsageKeyEncipherment)),
		"weak":     root.Leaf("a.example", list, testnet.RSA(1024)),
		"other":    root.Leaf("c.example", list),
		"two":      root.Leaf("a.example", list, testnet.Template(func(c *x509.Certificate) { c.DNSNames = append(c.DNSNames, "c.example") })),
	}
	ids["stranger"] = ids["stranger-root"].Leaf("a.example", list)
	register, under := testnet.NewRegister(t, root), testnet.NewRegister(t, below)
	register.Issued(ids["ocsp"].Cert)
	register.Revoke(ids["revoked"].Cert, time.Now().Add(-time.Hour), "keyCompromise")
	web.Put("/root.crl", testnet.TypeCRL, register.CRL())
	web.Put("/below.crl", testnet.TypeCRL, under.CRL())
	web.Put("/below.cer", testnet.TypeCert, below.Cert.Raw)
	web.Answer("/ocsp", testnet.TypeOCSP, register.OCSP)
	return ids
}

// seals FILE SIGNER has OpenSSL sign the message FILE by pki/SIGNER.pem and
// encrypt it to pki/ours.pem. $SIGN and $ENCRYPT are more arguments for either
// step. The result is the file sealed.
func scriptSeals(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: seals file signer")
	}
	signer := filepath.Join("pki", args[1]+".pem")
	sign := []string{"cms", "-sign", "-in", args[0], "-signer", signer, "-md", "sha256", "-out", "signed"}
	ts.Check(ts.Exec("openssl", append(sign, strings.Fields(ts.Getenv("SIGN"))...)...))
	encrypt := []string{"cms", "-encrypt", "-in", "signed", "-aes256", "-out", "sealed"}
	encrypt = append(append(encrypt, strings.Fields(ts.Getenv("ENCRYPT"))...), filepath.Join("pki", "ours.pem"))
	ts.Check(ts.Exec("openssl", encrypt...))
}
