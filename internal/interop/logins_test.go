package interop

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
)

// newLoginSite is a site with a listener for each protocol, plain ones too, where
// nurse@b.example has a password, and what there is beside it.
func newLoginSite(t *testing.T) *site {
	t.Helper()
	s := newSite(t, "b.example", setup{
		users: []string{"nurse@b.example", "doctor@b.example"}, listeners: 3,
		more: map[string]string{
			"listen":   "submissions = \"127.0.0.1:0\"\nimap = \"127.0.0.1:0\"\npop3s = \"127.0.0.1:0\"\n",
			"accounts": "channel_binding = true\n",
		},
	})
	s.serve()
	return s
}

// access makes an access for nurse@b.example.
func (s *site) access(args ...string) (a control.NewAccess) {
	s.t.Helper()
	out := s.must("", append([]string{"--json", "access", "add", "nurse@b.example", "--name", "test"}, args...)...)
	err := json.Unmarshal([]byte(out), &a)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// succeeds reports whether a program that logs in got in, and what it said.
func succeeds(t testing.TB, stdin string, args ...string) (bool, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, testnet.Require(t, args[0]), args[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "HOME="+t.TempDir())
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &out
	err := cmd.Run()
	return err == nil && !strings.Contains(out.String(), "Cannot find mechanism"), out.String()
}

// TestInteropEP5_ClientsLogIn has clients of others log in by each mechanism, with the
// password and with an app password; with a wrong one nobody gets in. EP-5, EP-6.
func TestInteropEP5_ClientsLogIn(t *testing.T) {
	s := newLoginSite(t)
	app := s.access("--password").Secret
	clientCert, clientKey := clientCertificate(t)
	s.access("--certificate", clientCert)
	// A client's certificate is asked for from here on, and nobody needs one.
	for name, login := range map[string]func(t *testing.T, mechanism, secret string) []string{
		"msmtp": func(t *testing.T, mechanism, secret string) []string {
			return s.msmtpLogin(t, mechanism, secret, "", "")
		},
		"mpop": s.mpopLogin,
		"gsasl SMTP": func(_ *testing.T, mechanism, secret string) []string {
			return s.gsaslLogin("--smtp", "submission", mechanism, secret)
		},
		"gsasl IMAP": func(_ *testing.T, mechanism, secret string) []string {
			return s.gsaslLogin("--imap", "imap", mechanism, secret)
		},
	} {
		mechanisms := []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"}
		switch {
		case strings.HasPrefix(name, "gsasl"):
			mechanisms = append(mechanisms, "SCRAM-SHA-256-PLUS")
		case name == "mpop":
			mechanisms = []string{"PLAIN", "SCRAM-SHA-256"}
		}
		for _, mechanism := range mechanisms {
			t.Run(name+" "+mechanism, func(t *testing.T) {
				for _, secret := range []string{password, app} {
					begun := time.Now()
					ok, out := succeeds(t, record("nurse@b.example", "doctor@b.example", "<1@b.example>", 10), login(t, mechanism, secret)...)
					if !ok {
						t.Errorf("not let in with %q:\n%s", secret, out)
					}
					t.Logf("%s by %s: %v", name, mechanism, time.Since(begun).Round(time.Millisecond))
				}
				ok, out := succeeds(t, "", login(t, mechanism, "wrong horse battery")...)
				if ok {
					t.Errorf("let in with a wrong password:\n%s", out)
				}
			})
		}
	}
	t.Run("msmtp EXTERNAL", func(t *testing.T) {
		message := record("nurse@b.example", "doctor@b.example", "<2@b.example>", 10)
		ok, out := succeeds(t, message, s.msmtpLogin(t, "EXTERNAL", "", clientCert, clientKey)...)
		if !ok {
			t.Errorf("not let in:\n%s", out)
		}
		otherCert, otherKey := clientCertificate(t)
		ok, out = succeeds(t, message, s.msmtpLogin(t, "EXTERNAL", "", otherCert, otherKey)...)
		if ok {
			t.Errorf("let in with another certificate:\n%s", out)
		}
	})
	t.Run("msmtp, certificate required", func(t *testing.T) {
		s.must("", "access", "require", "nurse@b.example", "certificate")
		message := record("nurse@b.example", "doctor@b.example", "<3@b.example>", 10)
		ok, out := succeeds(t, message, s.msmtpLogin(t, "SCRAM-SHA-256", password, clientCert, clientKey)...)
		if !ok {
			t.Errorf("not let in with both:\n%s", out)
		}
		ok, out = succeeds(t, message, s.msmtpLogin(t, "SCRAM-SHA-256", password, "", "")...)
		if ok {
			t.Errorf("let in with a password alone:\n%s", out)
		}
	})
	s.stop()
	s.checkStore()
}

func (s *site) msmtpLogin(t *testing.T, mechanism, secret, cert, key string) []string {
	lines := fmt.Sprintf("account default\nhost 127.0.0.1\nport %s\ntls on\ntls_trust_file %s\ntls_host_override %s\nfrom nurse@b.example\nauth %s\nuser nurse@b.example\n",
		portOf(t, s.address("submission")), s.tlsCert(), s.hostname(), strings.ToLower(mechanism))
	if secret != "" {
		lines += fmt.Sprintf("password %q\n", secret)
	}
	if cert != "" {
		lines += fmt.Sprintf("tls_cert_file %s\ntls_key_file %s\n", cert, key)
	}
	rc := writeFile(t, filepath.Join(t.TempDir(), "msmtprc"), lines)
	return []string{"msmtp", "-C", rc, "doctor@b.example"}
}

func (s *site) mpopLogin(t *testing.T, mechanism, secret string) []string {
	dir := t.TempDir()
	rc := writeFile(t, filepath.Join(dir, "mpoprc"), fmt.Sprintf("account default\nhost 127.0.0.1\nport %s\ntls on\ntls_starttls off\ntls_trust_file %s\n"+
		"tls_host_override %s\nauth %s\nuser nurse@b.example\npassword %q\nkeep on\nuidls_file %s/uidls\ndelivery mbox %[7]s/mbox\n",
		portOf(t, s.address("pop3s")), s.tlsCert(), s.hostname(), strings.ToLower(mechanism), secret, dir, dir))
	return []string{"mpop", "--quiet", "--file=" + rc}
}

func (s *site) gsaslLogin(protocol, listener, mechanism, secret string) []string {
	// It goes to TLS by itself where it sees that it is offered.
	args := []string{"gsasl", protocol, "--connect", s.address(listener), "--mechanism", mechanism,
		"--authentication-id", "nurse@b.example", "--password", secret, "--x509-ca-file", ""}
	if mechanism == "SCRAM-SHA-256" { // where it can bind to the channel it wants to
		args = append(args, "--no-cb")
	}
	return args
}

// clientCertificate makes a certificate that nobody vouches for, and its key.
func clientCertificate(t testing.TB) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "workstation"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		return writeFile(t, filepath.Join(dir, name), string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})))
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", pkcs8)
}
