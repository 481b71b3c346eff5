package keyfile_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/keyfile"
	"postern/internal/testnet/effort"
)

func passphrase(s string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(s), nil }
}

func noPassphrase() ([]byte, error) { return nil, errors.New("asked for a passphrase") }

// names are the common names of a pair's certificates, the leaf first.
func names(p *keyfile.Pair) []string {
	list := []string{strings.TrimPrefix(p.Certificate.Subject.CommonName, "TEST-ONLY-")}
	for _, c := range p.Chain {
		list = append(list, strings.TrimPrefix(c.Subject.CommonName, "TEST-ONLY-"))
	}
	return list
}

// allNames are the names of several pairs, in their order.
func allNames(pairs []*keyfile.Pair) [][]string {
	var all [][]string
	for _, p := range pairs {
		all = append(all, names(p))
	}
	return all
}

func TestReadOpenSSLFiles(t *testing.T) {
	for name, algorithm := range map[string]string{
		"RSA-2048": "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
		"P-256":    "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve",
	} {
		t.Run(name, func(t *testing.T) {
			o := newOpenSSL(t)
			o.hierarchy(algorithm)
			o.write("chain.pem", string(o.read("root.pem"))+string(o.read("sub.pem")))
			o.run("pkcs12 -export -inkey leaf.key -in leaf.pem -certfile chain.pem -passout pass:secret -out modern.p12")
			o.run("pkcs12 -export -legacy -inkey leaf.key -in leaf.pem -certfile chain.pem -passout pass:secret -out legacy.p12")
			o.run("pkcs12 -export -inkey leaf.key -in leaf.pem -passout pass: -out empty.p12")
			o.run("pkcs12 -export -keypbe NONE -certpbe NONE -inkey leaf.key -in leaf.pem -passout pass:secret -out plain.p12")
			o.run("pkcs12 -in modern.p12 -passin pass:secret -nodes -out bags.pem")
			o.run("pkcs8 -topk8 -in leaf.key -passout pass:secret -out sealed.key")
			o.run("pkcs8 -topk8 -v1 PBE-SHA1-3DES -in leaf.key -passout pass:secret -out sealed-old.key")
			key, leaf, sub, root := string(o.read("leaf.key")), string(o.read("leaf.pem")), string(o.read("sub.pem")), string(o.read("root.pem"))
			all := []string{"leaf", "sub", "root"}
			for _, tt := range []struct {
				name       string
				data       []byte
				passphrase func() ([]byte, error)
				want       []string
			}{
				{"modern PKCS #12", o.read("modern.p12"), passphrase("secret"), all},
				{"legacy PKCS #12", o.read("legacy.p12"), passphrase("secret"), all},
				{"PKCS #12 with empty passphrase", o.read("empty.p12"), nil, []string{"leaf"}},
				{"PKCS #12 without encryption", o.read("plain.p12"), passphrase("secret"), []string{"leaf"}},
				{"PEM, key first", []byte(key + leaf), noPassphrase, []string{"leaf"}},
				{"PEM, chain turned round", []byte(root + sub + leaf + key), noPassphrase, all},
				{"PEM without the middle", []byte(leaf + root + key), noPassphrase, []string{"leaf"}},
				{"PEM, a certificate twice", []byte(leaf + leaf + key + sub + sub), noPassphrase, []string{"leaf", "sub"}},
				{"PEM with CRLF and text", []byte("Bag\r\n" + strings.ReplaceAll(leaf+key, "\n", "\r\n")), noPassphrase, []string{"leaf"}},
				{"PEM out of PKCS #12", o.read("bags.pem"), noPassphrase, all},
				{"PEM with an encrypted key", append(o.read("sealed.key"), leaf...), passphrase("secret"), []string{"leaf"}},
				{"PEM with an encrypted key, legacy", append([]byte(leaf+sub), o.read("sealed-old.key")...), passphrase("secret"), []string{"leaf", "sub"}},
				{"PEM with a key twice", append([]byte(key+leaf), o.read("sealed.key")...), passphrase("secret"), []string{"leaf"}},
			} {
				t.Run(tt.name, func(t *testing.T) {
					pairs, err := keyfile.Read(tt.data, tt.passphrase)
					if err != nil {
						t.Fatal(err)
					}
					if diff := cmp.Diff([][]string{tt.want}, allNames(pairs)); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
				})
			}
		})
	}
}

func TestReadOldPEMForms(t *testing.T) {
	o := newOpenSSL(t)
	o.run("req -x509 -newkey rsa:2048 -nodes -keyout rsa.key -subj /CN=TEST-ONLY-rsa -out rsa.pem")
	o.run("rsa -in rsa.key -traditional -out rsa1.key")
	o.run("ecparam -name prime256v1 -genkey -out ec.key")
	o.run("req -x509 -new -key ec.key -subj /CN=TEST-ONLY-ec -out ec.pem")
	for _, name := range []string{"rsa", "ec"} {
		key := map[string]string{"rsa": "rsa1.key", "ec": "ec.key"}[name]
		pairs, err := keyfile.Read(append(o.read(key), o.read(name+".pem")...), noPassphrase)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff([][]string{{name}}, allNames(pairs)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	o := newOpenSSL(t)
	o.run("req -x509 -newkey rsa:2048 -nodes -keyout a.key -subj /CN=TEST-ONLY-a -out a.pem")
	o.run("req -x509 -newkey rsa:2048 -nodes -keyout b.key -subj /CN=TEST-ONLY-b -out b.pem")
	o.run("req -x509 -newkey ed25519 -nodes -keyout ed.key -subj /CN=TEST-ONLY-ed -out ed.pem")
	o.run("ecparam -name prime256v1 -genkey -noout -out ec.key")
	o.run("pkcs8 -topk8 -in a.key -passout pass:secret -out sealed.key")
	o.run("pkcs8 -topk8 -in a.key -passout pass:secret -outform DER -out sealed.der")
	o.run("pkcs8 -topk8 -iter 65536 -outform DER -v2prf hmacWithSHA1 -in ec.key -passout pass:secret -out some.key")
	// To derive as many keys as is forbidden takes long.
	for name, rounds := range map[string]int{"rounds.key": 6_000_000, "half.key": 3_000_000} {
		block := &pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: withRounds(t, o.read("some.key"), rounds)}
		o.write(name, string(pem.EncodeToMemory(block)))
	}
	o.run("pkcs8 -topk8 -scrypt -in a.key -passout pass:secret -out scrypt.key")
	o.run("pkcs8 -topk8 -provider legacy -provider default -v1 PBE-MD5-DES -in a.key -passout pass:secret -out des.key")
	o.run("x509 -in a.pem -outform DER -out a.der")
	o.run("crl2pkcs7 -nocrl -certfile a.pem -outform DER -out a.p7b")
	o.run("crl2pkcs7 -nocrl -certfile a.pem -out a.p7b.pem")
	o.run("rsa -in a.key -traditional -aes128 -passout pass:secret -out sealed1.key")
	o.run("pkcs12 -export -inkey a.key -in a.pem -passout pass:secret -out a.p12")
	o.run("pkcs12 -export -legacy -inkey a.key -in a.pem -passout pass:secret -out legacy.p12")
	o.run("pkcs12 -export -nomac -inkey a.key -in a.pem -passout pass:secret -out nomac.p12")
	o.run("pkcs12 -export -nokeys -in a.pem -passout pass:secret -out nokey.p12")
	o.run("pkcs12 -export -nocerts -inkey a.key -passout pass:secret -out nocert.p12")
	o.run("pkcs12 -export -iter 65536 -keypbe NONE -certpbe NONE -inkey a.key -in a.pem -macalg sha1 -passout pass:secret -out some.p12")
	o.write("rounds.p12", string(withRounds(t, o.read("some.p12"), 6_000_000)))
	join := func(files ...string) []byte {
		var b bytes.Buffer
		for _, name := range files {
			b.Write(o.read(name))
		}
		return b.Bytes()
	}
	canceled := errors.New("canceled")
	for _, tt := range []struct {
		name       string
		data       []byte
		passphrase func() ([]byte, error)
		want       error
	}{
		{"nothing", nil, noPassphrase, keyfile.ErrUnreadable},
		{"a text", []byte("hello"), noPassphrase, keyfile.ErrUnreadable},
		{"too large", make([]byte, keyfile.MaxFile+1), noPassphrase, keyfile.ErrTooLarge},
		{"a wrong passphrase", join("a.p12"), passphrase("Secret"), keyfile.ErrPassphrase},
		{"a wrong passphrase, legacy", join("legacy.p12"), passphrase("Secret"), keyfile.ErrPassphrase},
		{"no passphrase", join("a.p12"), nil, keyfile.ErrPassphrase},
		{"a passphrase not in UTF-8", join("a.p12"), passphrase("\xff"), keyfile.ErrPassphrase},
		{"a very long passphrase", join("a.p12"), passphrase(strings.Repeat("x", 2000)), keyfile.ErrPassphrase},
		{"a prompt that was left", join("a.p12"), func() ([]byte, error) { return nil, canceled }, canceled},
		{"a part by another passphrase", keyfile.Mixed("other", o.read("sealed.der"), o.read("a.der")), passphrase("other"), keyfile.ErrUndecryptable},
		{"no integrity check", join("nomac.p12"), passphrase("secret"), keyfile.ErrUnreadable},
		{"PKCS #12 cut off", join("a.p12")[:1000], passphrase("secret"), keyfile.ErrUnreadable},
		{"PKCS #12 with more behind", append(join("a.p12"), 0), passphrase("secret"), keyfile.ErrUnreadable},
		{"PKCS #12 without key", join("nokey.p12"), passphrase("secret"), keyfile.ErrNoKey},
		{"PKCS #12 without certificate", join("nocert.p12"), passphrase("secret"), keyfile.ErrNoCertificate},
		{"PKCS #12 with too many rounds", join("rounds.p12"), noPassphrase, keyfile.ErrUnreadable},
		{"PEM without key", join("a.pem"), noPassphrase, keyfile.ErrNoKey},
		{"PEM without certificate", join("a.key"), noPassphrase, keyfile.ErrNoCertificate},
		{"PEM of others", []byte("-----BEGIN X-----\n-----END X-----\n"), noPassphrase, keyfile.ErrNoKey},
		{"PEM with a key too many", join("a.pem", "a.key", "b.key"), noPassphrase, keyfile.ErrMismatch},
		{"PEM with many keys", append(bytes.Repeat(join("a.key"), 9), join("a.pem")...), noPassphrase, keyfile.ErrManyKeys},
		{"PEM with many encrypted keys", append(bytes.Repeat(join("sealed.key"), 9), join("a.pem")...), noPassphrase, keyfile.ErrManyKeys},
		{"DER certificate", join("a.der"), noPassphrase, keyfile.ErrNoKey},
		{"PKCS #7", join("a.p7b"), noPassphrase, keyfile.ErrNoKey},
		{"PKCS #7 in PEM", join("a.p7b.pem"), noPassphrase, keyfile.ErrNoKey},
		{"PEM with another's key", join("a.pem", "b.key"), noPassphrase, keyfile.ErrMismatch},
		{"an encrypted key, wrong passphrase", join("a.pem", "sealed.key"), passphrase("Secret"), keyfile.ErrPassphrase},
		{"an encrypted key without certificate", join("sealed.key"), noPassphrase, keyfile.ErrNoCertificate},
		{"an encrypted key of another", join("b.pem", "sealed.key"), passphrase("secret"), keyfile.ErrMismatch},
		{"an encrypted key with too many rounds", join("a.pem", "rounds.key"), noPassphrase, keyfile.ErrUnreadable},
		{"encrypted keys with too many rounds together", join("a.pem", "half.key", "half.key"), noPassphrase, keyfile.ErrUnreadable},
		{"an encrypted key by scrypt", join("a.pem", "scrypt.key"), passphrase("secret"), keyfile.ErrEncryptedPEM},
		{"an encrypted key by DES", join("a.pem", "des.key"), passphrase("secret"), keyfile.ErrEncryptedPEM},
		{"a broken encrypted key", append(join("a.pem"), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"...), noPassphrase, keyfile.ErrUnreadable},
		{"PEM with an old encrypted key", join("a.pem", "sealed1.key"), noPassphrase, keyfile.ErrEncryptedPEM},
		{"PEM with Ed25519", join("ed.pem", "ed.key"), noPassphrase, keyfile.ErrKeyKind},
		{"PEM with many certificates", append(bytes.Repeat(join("a.pem"), 33), join("a.key")...), noPassphrase, keyfile.ErrUnreadable},
		{"PEM with many blocks", bytes.Repeat([]byte("-----BEGIN X-----\n-----END X-----\n"), 200), noPassphrase, keyfile.ErrUnreadable},
		{"PEM with a broken certificate", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), noPassphrase, keyfile.ErrUnreadable},
		{"PEM with a broken key", []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), noPassphrase, keyfile.ErrUnreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spent := effort.Since()
			_, err := keyfile.Read(tt.data, tt.passphrase)
			if !errors.Is(err, tt.want) {
				t.Fatalf("Read: %v\nwant: %v", err, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			if took := spent(); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// A key that was encrypted by another passphrase than the file's is told from a file
// that cannot be read, though its padding comes out right once in 256 times.
func TestAPartByAnotherPassphraseIsToldEachTime(t *testing.T) {
	o := newOpenSSL(t)
	o.run("req -x509 -newkey rsa:2048 -nodes -keyout a.key -subj /CN=TEST-ONLY-a -outform DER -out a.der")
	o.run("pkcs8 -topk8 -iter 1 -in a.key -passout pass:secret -outform DER -out sealed.der")
	sealed, certificate := o.read("sealed.der"), o.read("a.der")
	for i := range 3000 {
		other := fmt.Sprint(i)
		_, err := keyfile.Read(keyfile.Mixed(other, sealed, certificate), passphrase(other))
		if !errors.Is(err, keyfile.ErrUndecryptable) {
			t.Fatalf("passphrase %s: %v", other, err)
		}
	}
}

// withRounds makes 65536 rounds, wherever DER asks for them, to others between
// that and 2^23.
func withRounds(t *testing.T, der []byte, rounds int) []byte {
	t.Helper()
	before := []byte{2, 3, 1, 0, 0}
	if !bytes.Contains(der, before) {
		t.Fatal("nothing takes 65536 rounds")
	}
	return bytes.ReplaceAll(der, before, []byte{2, 3, byte(rounds >> 16), byte(rounds >> 8), byte(rounds)})
}

// hugeKey is a PKCS #8 RSA key whose check would take hours.
func hugeKey(t *testing.T) []byte {
	t.Helper()
	der, err := asn1.Marshal(struct {
		Version   int
		Algorithm struct{ OID asn1.ObjectIdentifier }
		Key       []byte
	}{0, struct{ OID asn1.ObjectIdentifier }{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}}, bytes.Repeat([]byte{0x55}, 300_000)})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestHostileFilesTakeLittleTime(t *testing.T) {
	for name, data := range map[string][]byte{
		"huge key":       pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: hugeKey(t)}),
		"openings":       bytes.Repeat([]byte("-----BEGIN X-----\n"), keyfile.MaxFile/18),
		"half openings":  append([]byte("-----BEGIN X"), bytes.Repeat([]byte("-----BEGIN "), keyfile.MaxFile/12)...),
		"headers":        append([]byte("-----BEGIN X-----\n"), bytes.Repeat([]byte("a:b\n"), keyfile.MaxFile/5)...),
		"nested lengths": bytes.Repeat([]byte{0x30, 0x80}, keyfile.MaxFile/2),
		"nested":         bytes.Repeat([]byte{0x30, 0x83, 0x0f, 0xff, 0x00}, keyfile.MaxFile/5),
	} {
		t.Run(name, func(t *testing.T) {
			spent := effort.Since()
			_, err := keyfile.Read(data, noPassphrase)
			if err == nil {
				t.Error("no error")
			}
			if took := spent(); took > 30*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}
