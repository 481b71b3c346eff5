package interop

import (
	"crypto/x509"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/keyfile"
	"postern/internal/testnet"
)

// A gnupg is a home of GnuPG, whose gpgsm has the key of one party and trusts its
// issuer.
type gnupg struct{ home string }

func newGnuPG(t *testing.T, of party) gnupg {
	t.Helper()
	g := gnupg{t.TempDir()}
	t.Cleanup(func() { _ = exec.Command("gpgconf", "--homedir", g.home, "--kill", "all").Run() })
	issuer := writeFile(t, filepath.Join(g.home, "issuer.pem"), string(testnet.PEM(of.Issuer.Cert)))
	fingerprint := peer(t, "", "openssl", "x509", "-in", issuer, "-noout", "-fingerprint", "-sha1")
	_, fingerprint, _ = strings.Cut(strings.TrimSpace(fingerprint), "=")
	writeFile(t, filepath.Join(g.home, "trustlist.txt"), fingerprint+" S relax\n")
	writeFile(t, filepath.Join(g.home, "gpg-agent.conf"), "allow-loopback-pinentry\n")
	g.run(t, "", "--import", issuer)
	// What openssl exports has salts from which gpgsm 2.2 derives another key once in
	// 50 times; ours has none.
	pair := &keyfile.Pair{Certificate: of.Cert, Key: of.Key, Chain: []*x509.Certificate{of.Issuer.Cert}}
	file, err := keyfile.WritePKCS12(pair, []byte(password), true)
	if err != nil {
		t.Fatal(err)
	}
	g.run(t, string(file), "--import")
	return g
}

// run runs gpgsm on a file with this input, if there is any, and returns what it prints.
func (g gnupg) run(t *testing.T, input string, args ...string) string {
	t.Helper()
	args = append([]string{"--homedir", g.home, "--batch", "--disable-crl-checks", "--disable-policy-checks",
		"--pinentry-mode", "loopback", "--passphrase-fd", "0", "--include-certs", "-1"}, args...)
	if input != "" {
		args = append(args, writeFile(t, filepath.Join(t.TempDir(), "input"), input))
	}
	return peer(t, password+"\n", "gpgsm", args...)
}
