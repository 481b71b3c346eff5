package main

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"postern/internal/testnet"
)

// web DIR serves the files of a folder over HTTPS on loopback. Its URL is then
// $WEB, and the authority of its certificate is in DIR.ca.pem. "web stop" ends it.
func scriptWeb(ts *testscript.TestScript, neg bool, args []string) {
	t, ok := ts.Value(testKey{}).(testing.TB)
	if !ok || neg || len(args) != 1 {
		ts.Fatalf("usage: web dir | web stop")
	}
	if args[0] == "stop" {
		ts.Value(webKey{}).(*web).stop()
		return
	}
	s := secureServer(ts, t, args[0], files(ts.MkAbs(args[0])))
	ts.Value(webKey{}).(*web).stop = s.Close
	ts.Setenv("WEB", s.URL)
}

// secureServer serves HTTPS on loopback until the script ends. The authority of its
// certificate is in NAME.ca.pem.
func secureServer(ts *testscript.TestScript, t testing.TB, name string, h http.Handler) *httptest.Server {
	root := testnet.NewPKI(t, time.Now()).Root("Web Root")
	id := root.Leaf("localhost", testnet.ForTLS(), testnet.Template(func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}))
	ts.Check(os.WriteFile(ts.MkAbs(name+".ca.pem"), testnet.PEM(root.Cert), 0o600))
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{id.Cert.Raw}, PrivateKey: id.Key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that clients end
	s.StartTLS()
	ts.Defer(s.Close)
	return s
}

// files serves the files of a folder as a plain web server does, which tells their
// versions by Last-Modified alone, though a script changes them twice in a second.
type files string

func (dir files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	http.ServeFile(w, r, filepath.Join(string(dir), filepath.Base(r.URL.Path)))
}

// publishes DIR has a site publish by itself, over DNS and LDAP on loopback, and
// ask itself when it looks something up, beside $DNS if that is there.
func scriptPublishes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: publishes dir")
	}
	config := filepath.Join(args[0], "postern.toml")
	names, directory := freePort(ts), freePort(ts)
	servers := []string{names}
	if others := ts.Getenv("DNS"); others != "" {
		servers = append(servers, others)
	}
	for _, line := range []string{`listen.dns = "` + names + `"`, `listen.ldap = "` + directory + `"`, `servers = ["` + strings.Join(servers, `", "`) + `"]`} {
		setKey(ts, config, line)
	}
	scriptOwnPort(ts, neg, []string{args[0], names})
}

// ownport DIR ADDRESS has a site take the port of an address for that of domains'
// own name servers.
func scriptOwnPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: ownport dir address")
	}
	_, port, err := net.SplitHostPort(args[1])
	ts.Check(err)
	setKey(ts, filepath.Join(args[0], "postern.toml"), "dns.port = "+port)
}

// A web is the server of one script.
type web struct{ stop func() }

type webKey struct{}
