package interop

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"postern/internal/gateway"
	"postern/internal/publish/named"
	"postern/internal/testnet"
	"postern/internal/testnet/acmeca"
)

// everyTLS are the listeners that speak TLS, with the protocol that begins it.
var everyTLS = map[string]string{
	"submission": "smtp", "submissions": "", "backbone": "smtp", "imap": "imap", "imaps": "",
	"pop3": "pop3", "pop3s": "", "ldap": "ldap", "https": "",
}

// newTLSSite is a site that listens wherever it can.
func newTLSSite(t *testing.T) *site {
	t.Helper()
	var listen strings.Builder
	for name := range everyTLS {
		switch name {
		case "submission", "backbone", "imaps": // which every site has
		default:
			fmt.Fprintf(&listen, "%s = \"127.0.0.1:0\"\n", name)
		}
	}
	listen.WriteString("http = \"127.0.0.1:0\"\n")
	s := newSite(t, "b.example", setup{
		users: []string{"bob@b.example"}, listeners: len(everyTLS) - 3 + 1, more: map[string]string{"listen": listen.String()},
	})
	s.serve()
	return s
}

// beginTLS has openssl begin TLS with a listener and returns what it prints, and whether
// there was a handshake.
func (s *site) beginTLS(listener string, args ...string) (string, bool) {
	s.t.Helper()
	args = append([]string{"s_client", "-connect", s.address(listener), "-servername", s.hostname()}, args...)
	if starttls := everyTLS[listener]; starttls != "" {
		args = append(args, "-starttls", starttls)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, testnet.Require(s.t, "openssl"), args...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(""), &out, &out
	err := cmd.Run()
	return out.String(), err == nil && !strings.Contains(out.String(), "Cipher is (NONE)")
}

// EP-4: every listener speaks TLS 1.2 and 1.3 and nothing older, and of 1.2 nothing
// without forward secrecy.
func TestEP4_OpenSSLAtEveryListener(t *testing.T) {
	s := newTLSSite(t)
	weak := []string{"-cipher", "ALL:@SECLEVEL=0"} // so that openssl does not refuse by itself
	for listener := range everyTLS {
		t.Run(listener, func(t *testing.T) {
			for _, c := range []struct {
				name string
				good bool
				args []string
			}{
				{"TLS 1.0", false, append([]string{"-tls1"}, weak...)},
				{"TLS 1.1", false, append([]string{"-tls1_1"}, weak...)},
				{"TLS 1.2", true, []string{"-tls1_2"}},
				{"TLS 1.3", true, []string{"-tls1_3"}},
				{"TLS 1.2, the server's key for the session key", false, []string{"-tls1_2", "-cipher", "kRSA:@SECLEVEL=0"}},
				{"TLS 1.2, AES-GCM and ECDHE", true, []string{"-tls1_2", "-cipher", "ECDHE+AESGCM"}},
			} {
				out, good := s.beginTLS(listener, c.args...)
				if good != c.good {
					t.Errorf("%s: a handshake: %v, want %v\n%s", c.name, good, c.good, tail(out))
				}
			}
		})
	}
	s.alive()
}

// Files that change are shown to whoever comes next, without a restart, and the metrics
// count it.
func TestOpenSSLSeesTheNewCertificate(t *testing.T) {
	s := newTLSSite(t)
	before, good := s.beginTLS("imaps", "-CAfile", s.tlsCert(), "-verify_return_error")
	if !good {
		t.Fatal(tail(before))
	}
	held, err := net.Dial("tcp", s.address("imap")) // a session goes on meanwhile
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	cert, key, err := gateway.SelfSigned(s.hostname(), []net.IP{net.IPv4(127, 0, 0, 1)}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(t.TempDir(), "old.pem")
	writeFile(t, old, string(readFile(t, s.tlsCert())))
	writeFile(t, filepath.Join(s.dir, "tls", "key.pem"), string(key))
	_, good = s.beginTLS("imaps", "-CAfile", old, "-verify_return_error")
	if !good {
		t.Error("half of a pair took the old one away")
	}
	writeFile(t, s.tlsCert(), string(cert))
	for listener := range everyTLS {
		out, good := s.beginTLS(listener, "-CAfile", s.tlsCert(), "-verify_return_error")
		if !good {
			t.Errorf("%s does not show the new certificate:\n%s", listener, tail(out))
		}
	}
	metrics := peer(t, "", "curl", "--silent", "http://"+s.address("http")+"/metrics")
	for _, want := range []string{
		`postern_tls_reloads_total{outcome="good"} 1`, "postern_tls_certificate_end_timestamp_seconds ",
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("the metrics have no %s", want)
		}
	}
	s.alive()
}

// A site with no certificate of its own gets one from Pebble by each challenge, shows it
// at every listener, keeps it sealed, and has it after a restart while Pebble is gone.
func TestACMEWithPebble(t *testing.T) {
	for _, c := range []struct{ challenge, listener string }{{"http-01", "acme"}, {"tls-alpn-01", "acme"}, {"tls-alpn-01", "https"}} {
		t.Run(c.challenge+" at "+c.listener, func(t *testing.T) {
			dns, err := named.Records(named.Apex("b.example", "ns.b.example"), named.A("mail.b.example", netip.MustParseAddr("127.0.0.1")))
			if err == nil {
				err = dns.Start("127.0.0.1:0")
			}
			if err != nil {
				t.Fatal(err)
			}
			defer dns.Close()
			asked := testnet.DeadPort(t)
			port, err := strconv.Atoi(portOf(t, asked))
			if err != nil {
				t.Fatal(err)
			}
			ca := acmeca.Start(t, acmeca.Options{DNS: dns.Addr(), HTTPPort: port, TLSPort: port})
			s := newSite(t, "b.example", setup{
				dns: dns.Addr(), users: []string{"bob@b.example"}, listeners: 2,
				more: map[string]string{
					"listen":  fmt.Sprintf("%s = %q\nhttp = \"127.0.0.1:0\"\n", c.listener, asked),
					"network": fmt.Sprintf("ca = %q\n", ca.CAFile),
					"acme":    fmt.Sprintf("directory = %q\nagree_terms = true\nchallenge = %q\n", ca.URL, c.challenge),
				},
			})
			text := string(readFile(t, s.config()))
			writeFile(t, s.config(), regexp.MustCompile(`(?m)^(cert|key) = .*\n`).ReplaceAllString(text, ""))
			s.must("", "config", "check")
			s.serve()
			root := writeFile(t, filepath.Join(t.TempDir(), "root.pem"), string(testnet.PEM(ca.Root)))
			verified := func(listener string) bool {
				_, good := s.beginTLS(listener, "-CAfile", root, "-verify_return_error", "-verify_hostname", s.hostname())
				return good
			}
			testnet.Until(t, func() bool { return verified("imaps") })
			for _, listener := range []string{"submission", "backbone"} {
				if !verified(listener) {
					t.Errorf("%s does not show what was issued", listener)
				}
			}
			trail := s.must("", "audit", "show")
			if !strings.Contains(trail, "issued over ACME for mail.b.example") {
				t.Error("the audit trail says nothing of the certificate")
			}
			ca.Stop()
			s.stop()
			db := string(readFile(t, filepath.Join(s.data(), "postern.db")))
			// How a key on P-256 begins in PKCS #8, and that in base64.
			for _, key := range []string{"\x30\x81\x87\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d", "MIGHAgEAMBMGByqGSM49"} {
				if strings.Contains(db, key) {
					t.Error("a private key lies in the store in clear")
				}
			}
			s.must("", "store", "check")
			s.serve()
			if !verified("imaps") {
				t.Error("after a restart, without the authority, there is no certificate")
			}
			s.alive()
		})
	}
}
