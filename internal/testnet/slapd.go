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

// A Context is what a directory holds below one suffix: a naming context.
type Context struct {
	Suffix  string // such as "o=b.example"
	Entries []Entry
	LDIF    string // more of it, with an empty line after each entry
	// Whole is the whole LDIF, the suffix's own entry included, instead of all else.
	Whole string
}

// Slapd starts OpenLDAP's slapd on loopback, over the given entries below
// suffix, such as "o=b.example", readable by everybody. It returns its address.
func Slapd(t testing.TB, suffix string, entries []Entry) string {
	t.Helper()
	return SlapdOf(t, nil, Context{Suffix: suffix, Entries: entries})
}

// SlapdOf is as Slapd over any number of contexts. The options are lines of
// slapd.conf for the whole server, such as "disallow bind_anon".
func SlapdOf(t testing.TB, options []string, contexts ...Context) string {
	t.Helper()
	slapd := Require(t, "slapd")
	dir := t.TempDir()
	text := lines(
		"include /etc/ldap/schema/core.schema",
		"include /etc/ldap/schema/cosine.schema",
		"include /etc/ldap/schema/inetorgperson.schema",
		"modulepath /usr/lib/ldap",
		"moduleload back_mdb",
		"pidfile "+filepath.Join(dir, "pid"),
	) + lines(options...)
	for i, c := range contexts {
		text += c.database(t, filepath.Join(dir, fmt.Sprintf("db%d", i)))
	}
	conf := write(t, dir, "slapd.conf", text)
	for i, c := range contexts {
		c.fill(t, conf, write(t, dir, fmt.Sprintf("%d.ldif", i), c.ldif()))
	}
	addr := net.JoinHostPort("127.0.0.1", freePort(t))
	d := startDaemon(t, slapd, []string{"-f", conf, "-h", "ldap://" + addr, "-d", "0"}, func(string) {})
	d.awaitPort(t, addr)
	return addr
}

// database makes the folder of a context and returns its lines of slapd.conf.
func (c Context) database(t testing.TB, dir string) string {
	t.Helper()
	err := os.Mkdir(dir, 0o700)
	if err != nil {
		t.Fatalf("testnet: making the directory's database: %v", err)
	}
	return lines("database mdb", "maxsize 16777216", `suffix "`+c.Suffix+`"`, "directory "+dir, "access to * by * read")
}

func (c Context) fill(t testing.TB, conf, ldif string) {
	t.Helper()
	out, err := exec.Command(Require(t, "slapadd"), "-f", conf, "-b", c.Suffix, "-l", ldif).CombinedOutput()
	if err != nil {
		t.Fatalf("testnet: filling the directory: %v\n%s", err, out)
	}
}

// ldif writes the entries under an organization that is the suffix.
func (c Context) ldif() string {
	if c.Whole != "" {
		return c.Whole
	}
	suffix := c.Suffix
	text := lines("dn: "+suffix, "objectClass: organization", "")
	for i, e := range c.Entries {
		cn := fmt.Sprintf("entry %d", i+1)
		text += lines("dn: cn="+cn+","+suffix, "objectClass: inetOrgPerson", "cn: "+cn, "sn: "+cn, "mail: "+e.Mail)
		for _, c := range e.Certificates {
			text += lines("userCertificate;binary:: " + base64.StdEncoding.EncodeToString(c.Raw))
		}
		text += "\n"
	}
	return text + c.LDIF
}
