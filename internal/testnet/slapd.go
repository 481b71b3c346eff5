package testnet

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// An Entry is an inetOrgPerson of a directory.
type Entry struct {
	Mail         string
	Certificates []*x509.Certificate // userCertificate;binary
}

// Slapd starts OpenLDAP's slapd on loopback, over the given entries below
// suffix, such as "o=b.example", readable by everybody. It returns its address.
func Slapd(t testing.TB, suffix string, entries []Entry) string {
	t.Helper()
	slapd, slapadd := Require(t, "slapd"), Require(t, "slapadd")
	dir := t.TempDir()
	err := os.Mkdir(filepath.Join(dir, "db"), 0o700)
	if err != nil {
		t.Fatalf("testnet: making the directory's database: %v", err)
	}
	conf := write(t, dir, "slapd.conf", lines(
		"include /etc/ldap/schema/core.schema",
		"include /etc/ldap/schema/cosine.schema",
		"include /etc/ldap/schema/inetorgperson.schema",
		"modulepath /usr/lib/ldap",
		"moduleload back_mdb",
		"pidfile "+filepath.Join(dir, "pid"),
		"database mdb",
		"maxsize 16777216",
		`suffix "`+suffix+`"`,
		"directory "+filepath.Join(dir, "db"),
		"access to * by * read",
	))
	ldif := write(t, dir, "entries.ldif", ldif(suffix, entries))
	out, err := exec.Command(slapadd, "-f", conf, "-l", ldif).CombinedOutput()
	if err != nil {
		t.Fatalf("testnet: filling the directory: %v\n%s", err, out)
	}
	addr := net.JoinHostPort("127.0.0.1", freePort(t))
	d := startDaemon(t, slapd, []string{"-f", conf, "-h", "ldap://" + addr, "-d", "0"}, func(string) {})
	d.awaitPort(t, addr)
	return addr
}

// ldif writes the entries under an organization that is the suffix.
func ldif(suffix string, entries []Entry) string {
	text := lines("dn: "+suffix, "objectClass: organization", "")
	for i, e := range entries {
		cn := fmt.Sprintf("entry %d", i+1)
		text += lines("dn: cn="+cn+","+suffix, "objectClass: inetOrgPerson", "cn: "+cn, "sn: "+cn, "mail: "+e.Mail)
		for _, c := range e.Certificates {
			text += lines("userCertificate;binary:: " + base64.StdEncoding.EncodeToString(c.Raw))
		}
		text += "\n"
	}
	return text
}
