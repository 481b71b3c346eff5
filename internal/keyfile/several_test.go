package keyfile_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/keyfile"
	"postern/internal/testnet"
)

// twoPairs makes sign.pem and encrypt.pem with their keys, each for one use.
func (o *openssl) twoPairs() {
	o.t.Helper()
	for name, usage := range map[string]string{"sign": "digitalSignature", "encrypt": "keyEncipherment"} {
		o.run("req -x509 -newkey rsa:2048 -nodes -keyout " + name + ".key -subj /CN=TEST-ONLY-" + name +
			" -addext keyUsage=critical," + usage + " -out " + name + ".pem")
		o.run("pkcs12 -export -name " + name + " -inkey " + name + ".key -in " + name + ".pem -passout pass:secret -out " + name + ".p12")
	}
}

// keytool merges both files into one, as Java writes it.
func (o *openssl) keytool(out string, flags ...string) {
	o.t.Helper()
	keytool := testnet.Require(o.t, "keytool")
	for _, name := range []string{"sign", "encrypt"} {
		cmd := exec.CommandContext(o.t.Context(), keytool, append(slices.Clone(flags), "-importkeystore", "-noprompt",
			"-srckeystore", name+".p12", "-srcstoretype", "PKCS12", "-srcstorepass", "secret",
			"-destkeystore", out, "-deststoretype", "PKCS12", "-deststorepass", "secret")...)
		cmd.Dir = o.folder
		said, err := cmd.CombinedOutput()
		if err != nil {
			o.t.Fatalf("keytool: %v\n%s", err, said)
		}
	}
}

// AS-21: a signing and an encryption certificate come in one file, and both are
// read.
func TestAS21_SingleUsePairsInOneFile(t *testing.T) {
	o := newOpenSSL(t)
	o.twoPairs()
	o.keytool("java.p12")
	o.keytool("old-java.p12", "-J-Dkeystore.pkcs12.legacy")
	all := slices.Concat(o.read("sign.key"), o.read("sign.pem"), o.read("encrypt.pem"), o.read("encrypt.key"))
	for name, data := range map[string][]byte{
		"PEM":                     all,
		"PKCS #12 of Java":        o.read("java.p12"),
		"PKCS #12 of Java, older": o.read("old-java.p12"),
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			pairs, err := keyfile.Read(data, func() ([]byte, error) { asked++; return []byte("secret"), nil })
			if err != nil {
				t.Fatal(err)
			}
			got := allNames(pairs)
			slices.SortFunc(got, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
			if diff := cmp.Diff([][]string{{"encrypt"}, {"sign"}}, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if asked > 1 {
				t.Errorf("the passphrase was asked for %d times", asked)
			}
		})
	}
	_, err := keyfile.Read(o.read("java.p12"), passphrase("Secret"))
	if err == nil || !strings.Contains(err.Error(), "the passphrase is wrong") {
		t.Errorf("with a wrong passphrase: %v", err)
	}
}

// What a file holds beside its one key in more safes than two is read as well.
func TestReadsASafeForEachKey(t *testing.T) {
	o := newOpenSSL(t)
	o.twoPairs()
	pairs, err := keyfile.Read(keyfile.Merged("secret", o.read("sign.p12"), o.read("encrypt.p12")), passphrase("secret"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"sign"}, {"encrypt"}}, allNames(pairs)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// All that one file asks for counts together, however it is spread.
func TestTheWorkOfSeveralKeysIsBounded(t *testing.T) {
	o := newOpenSSL(t)
	o.run("req -x509 -newkey rsa:2048 -nodes -keyout a.key -subj /CN=TEST-ONLY-a -out a.pem")
	o.run("pkcs12 -export -iter 900000 -nomaciter -inkey a.key -in a.pem -passout pass:secret -out a.p12")
	file := o.read("a.p12")
	_, err := keyfile.Read(keyfile.Merged("secret", file, file), passphrase("secret")) // 3.6 million, and again
	if err == nil || !strings.Contains(err.Error(), "its key derivation") {
		t.Errorf("got %v", err)
	}
}

// The newest certificate of a key is taken: a file that a renewal was added to.
func TestTheNewestCertificateOfAKeyIsTaken(t *testing.T) {
	key, err := keyfile.P256.Generate()
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
	certificate := func(name string, start time.Time) []byte {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: start, NotAfter: start.AddDate(1, 0, 0)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	old, renewed := certificate("old", start), certificate("new", start.AddDate(0, 11, 0))
	for _, parts := range [][][]byte{{private, old, renewed}, {renewed, old, private}} {
		pairs, err := keyfile.Read(slices.Concat(parts...), noPassphrase)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([][]string{{"new"}}, allNames(pairs)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
