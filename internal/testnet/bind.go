package testnet

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
)

// BIND starts named on loopback and returns its address. zones maps the name of
// a zone to the lines of its file after SOA and NS, which are written for it;
// see ZoneCERT for certificates. A zone with a line that named does not
// understand is answered with SERVFAIL, and a name in none of them with REFUSED.
// One single text with an SOA of its own is a whole zone file.
func BIND(t testing.TB, zones map[string][]string) string {
	t.Helper()
	addr := net.JoinHostPort("127.0.0.1", freePort(t))
	BINDAt(t, addr, zones)
	return addr
}

// BINDAt is as BIND at a loopback address, such as one that DeadPort returned:
// a server that comes back.
func BINDAt(t testing.TB, addr string, zones map[string][]string) {
	t.Helper()
	path := Require(t, "named")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("testnet: reading the address of BIND: %v", err)
	}
	dir := t.TempDir()
	conf := lines(
		"options {",
		`directory "`+dir+`";`,
		"pid-file none;",
		"listen-on port "+port+" { "+host+"; };",
		"listen-on-v6 { none; };",
		"recursion no; minimal-responses yes; dnssec-validation no; notify no;",
		"};",
		"controls { };",
	)
	for origin, records := range zones {
		file := origin + ".zone"
		write(t, dir, file, zoneFile(origin, records))
		conf += fmt.Sprintf("zone %q { type primary; file %q; };\n", origin, file)
	}
	ready := make(chan struct{})
	var once sync.Once
	d := startDaemon(t, path, []string{"-g", "-n", "1", "-c", write(t, dir, "named.conf", conf)}, func(line string) {
		if strings.HasSuffix(line, " running") {
			once.Do(func() { close(ready) })
		}
	})
	d.await(t, ready)
}

func zoneFile(origin string, records []string) string {
	if len(records) == 1 && strings.Contains(records[0], "SOA") {
		return records[0]
	}
	return lines(
		"$ORIGIN "+origin+".",
		"$TTL 60",
		"@ IN SOA ns hostmaster 1 3600 600 86400 60",
		"@ IN NS ns",
		"ns IN A 127.0.0.1",
	) + lines(records...)
}

// ZoneCERT returns the line of a zone file that publishes a certificate at name
// (RFC 4398 §2.2), which is relative to the zone unless it ends in a dot.
func ZoneCERT(name string, cert *x509.Certificate) string {
	return ZoneCERTData(name, cert.Raw)
}

// ZoneCERTData is as ZoneCERT for any content.
func ZoneCERTData(name string, data []byte) string {
	return name + " IN CERT PKIX 0 0 " + base64.StdEncoding.EncodeToString(data)
}

// ZoneIPKIX returns the line of a zone file that says where the certificate of
// name is (RFC 4398 §2.1).
func ZoneIPKIX(name, url string) string {
	return name + " IN CERT IPKIX 0 0 " + base64.StdEncoding.EncodeToString([]byte(url))
}
