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
	root := testnet.NewPKI(t, time.Now()).Root("Web Root")
	id := root.Leaf("localhost", testnet.ForTLS(), testnet.Template(func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".ca.pem"), testnet.PEM(root.Cert), 0o600))
	s := httptest.NewUnstartedServer(http.FileServer(http.Dir(ts.MkAbs(args[0]))))
	s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{{Certificate: [][]byte{id.Cert.Raw}, PrivateKey: id.Key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that clients end
	s.StartTLS()
	ts.Defer(s.Close)
	ts.Value(webKey{}).(*web).stop = s.Close
	ts.Setenv("WEB", s.URL)
}

// A web is the server of one script.
type web struct{ stop func() }

type webKey struct{}
