package keyfile_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/keyfile"
	"postern/internal/testnet"
)

// peer runs another program in the folder and returns what it prints.
func (o *openssl) peer(stdin, program string, args ...string) string {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), testnet.Require(o.t, program), args...)
	cmd.Dir, cmd.Stdin = o.folder, strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

// pair makes a certificate with a chain and reads it.
func (o *openssl) pair(algorithm string) *keyfile.Pair {
	o.t.Helper()
	o.hierarchy(algorithm)
	pairs, err := keyfile.Read(bytes.Join([][]byte{o.read("leaf.key"), o.read("leaf.pem"), o.read("sub.pem"), o.read("root.pem")}, nil), noPassphrase)
	if err != nil {
		o.t.Fatal(err)
	}
	return pairs[0]
}

const (
	rsaAlgorithm = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"
	ecAlgorithm  = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:named_curve"
)

// What is exported is read by the programs that operators move keys to, and here.
func TestExportsAreReadByPeers(t *testing.T) {
	const secret = "correct horse 12" // Java takes ASCII alone
	for name, algorithm := range map[string]string{"RSA": rsaAlgorithm, "EC": ecAlgorithm} {
		for _, legacy := range []bool{false, true} {
			t.Run(name+map[bool]string{false: ", modern", true: ", legacy"}[legacy], func(t *testing.T) {
				o := newOpenSSL(t)
				pair := o.pair(algorithm)
				write := keyfile.WriteQuickly
				if name == "EC" { // once with the rounds of a real export
					write = keyfile.WritePKCS12
				}
				file, err := write(pair, []byte(secret), legacy)
				if err != nil {
					t.Fatal(err)
				}
				o.write("out.p12", string(file))
				o.write("password", secret)
				again, err := keyfile.Read(file, passphrase(secret))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([][]string{{"leaf", "sub", "root"}}, allNames(again)); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				out := o.peer("", "openssl", "pkcs12", "-in", "out.p12", "-passin", "file:password", "-nodes", "-info")
				want := map[bool]string{false: "AES-256-CBC", true: "pbeWithSHA1And3-KeyTripleDES-CBC"}[legacy]
				if legacy && !strings.Contains(out, "MAC: sha1, Iteration 2048\n") {
					t.Errorf("openssl reads\n%s", out)
				}
				if !strings.Contains(out, want) || strings.Count(out, "BEGIN CERTIFICATE") != 3 || strings.Count(out, "BEGIN PRIVATE KEY") != 1 {
					t.Errorf("openssl reads\n%s", out)
				}
				out = o.peer("", "keytool", "-list", "-v", "-keystore", "out.p12", "-storetype", "PKCS12", "-storepass:file", "password")
				if !strings.Contains(out, "PrivateKeyEntry") || !strings.Contains(out, "Certificate chain length: 3") {
					t.Errorf("keytool reads\n%s", out)
				}
			})
		}
	}
}

// gpgsm reads the legacy form, and its own export is read here.
func TestGpgsmTakesAndGivesKeys(t *testing.T) {
	o := newOpenSSL(t)
	pair := o.pair(rsaAlgorithm)
	file, err := keyfile.WritePKCS12(pair, []byte("secret"), true)
	if err != nil {
		t.Fatal(err)
	}
	o.write("out.p12", string(file))
	home, err := os.MkdirTemp("", "g") // t.TempDir is too long a path for the agent's socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	gpgsm := func(args ...string) string {
		t.Helper()
		return o.peer("secret\n", "gpgsm", append([]string{"--homedir", home, "--batch", "--disable-dirmngr",
			"--pinentry-mode", "loopback", "--passphrase-fd", "0"}, args...)...)
	}
	if err := os.WriteFile(filepath.Join(home, "gpg-agent.conf"), []byte("allow-loopback-pinentry\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run() }()
	gpgsm("--import", "out.p12")
	listed := gpgsm("--with-colons", "--list-secret-keys")
	fingerprint := ""
	for line := range strings.Lines(listed) {
		fields := strings.Split(line, ":")
		if fields[0] == "fpr" {
			fingerprint = fields[9]
			break
		}
	}
	if fingerprint == "" {
		t.Fatalf("gpgsm has no secret key:\n%s", listed)
	}
	const exports = 20 // gpgsm 2.2 derives a wrong key for some, as legacySalts says
	for range exports {
		gpgsm("--yes", "--output", "back.p12", "--export-secret-key-p12", fingerprint)
		pairs, err := keyfile.Read(o.read("back.p12"), passphrase("secret"))
		if !o.reads("back.p12", "secret") {
			if err == nil {
				t.Error("a file that openssl does not read is read")
			}
			continue
		}
		if err != nil || len(pairs) != 1 || !pairs[0].Certificate.Equal(pair.Certificate) {
			t.Fatalf("gpgsm gives back %q: %v", allNames(pairs), err)
		}
		return
	}
	t.Fatalf("openssl reads none of %d exports", exports)
}

// reads reports whether openssl, too, reads all of a PKCS #12 file.
func (o *openssl) reads(name, secret string) bool {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), "openssl", "pkcs12", "-in", name, "-passin", "stdin", "-nodes", "-legacy")
	cmd.Dir, cmd.Stdin = o.folder, strings.NewReader(secret+"\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Logf("openssl does not read %s: %v\n%s", name, err, out)
	}
	return err == nil
}

func TestWritePKCS12RefusesPassphrases(t *testing.T) {
	for _, bad := range []string{"", strings.Repeat("x", 2000), "\xff", "a smile \U0001F600"} {
		_, err := keyfile.WritePKCS12(&keyfile.Pair{}, []byte(bad), false)
		if err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// A request says whom the certificate is for and what for, and openssl verifies
// and signs it.
func TestRequestsAreSignedByOpenSSL(t *testing.T) {
	for _, tt := range []struct {
		owner string
		kind  keyfile.Kind
		use   keyfile.Use
		want  []string // of openssl's text
	}{
		{"b.example", "", "", []string{"DNS:b.example", "Digital Signature, Key Encipherment\n", "Public-Key: (2048 bit)"}},
		{"Nurse@b.example", keyfile.RSA3072, keyfile.Sign, []string{"email:Nurse@b.example", "Digital Signature\n", "Public-Key: (3072 bit)"}},
		{"b.example", keyfile.RSA2048, keyfile.Encrypt, []string{"DNS:b.example", "Key Encipherment\n"}},
		{"b.example", keyfile.P256, keyfile.Both, []string{"Digital Signature, Key Agreement\n", "NIST CURVE: P-256"}},
		{"b.example", keyfile.P384, keyfile.Encrypt, []string{" Key Agreement\n", "NIST CURVE: P-384"}},
		{strings.Repeat("a", 60) + ".b.example", keyfile.P256, keyfile.Sign, []string{"DNS:" + strings.Repeat("a", 60) + ".b.example"}},
	} {
		t.Run(tt.owner+string(tt.kind)+string(tt.use), func(t *testing.T) {
			o := newOpenSSL(t)
			key, err := tt.kind.Generate()
			if err != nil {
				t.Fatal(err)
			}
			der, err := keyfile.NewRequest(key, tt.owner, tt.use)
			if err != nil {
				t.Fatal(err)
			}
			o.write("r.csr", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})))
			out := o.peer("", "openssl", "req", "-in", "r.csr", "-verify", "-noout", "-text")
			for _, want := range append(tt.want, "verify OK", "E-mail Protection", "Key Usage: critical") {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
			o.run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -subj /CN=TEST-ONLY-ca -out ca.pem")
			o.run("x509 -req -in r.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -copy_extensions copyall -out r.pem")
			block, _ := pem.Decode(o.read("r.pem"))
			if block == nil || !strings.Contains(o.peer("", "openssl", "x509", "-in", "r.pem", "-noout", "-text"), tt.want[0]) {
				t.Error("openssl signed something else")
			}
		})
	}
}

func TestRequestsForNobodyAreRefused(t *testing.T) {
	key, err := keyfile.P256.Generate()
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{"", "nonsense", "@b.example", "a@b", "b.example\n"} {
		_, err := keyfile.NewRequest(key, owner, keyfile.Both)
		if err == nil {
			t.Errorf("a request for %q was made", owner)
		}
	}
}

func TestKindsAndUsesHaveNames(t *testing.T) {
	for _, bad := range []string{"rsa-1024", "RSA-2048", "p521", "ed25519"} {
		_, err := keyfile.ParseKind(bad)
		if err == nil {
			t.Errorf("%q is a kind of key", bad)
		}
	}
	_, err := keyfile.ParseUse("sign+encrypt")
	if err == nil {
		t.Error("sign+encrypt is a use")
	}
	_, err = keyfile.Kind("rsa-1024").Generate()
	if err == nil {
		t.Error("a key of 1024 bits was made")
	}
}
