package keyfile_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/testnet"
)

// openssl makes what operators have: keys, certificates and exports, by the
// program that most of them use.
type openssl struct {
	t      *testing.T
	folder string
}

func newOpenSSL(t *testing.T) *openssl {
	t.Helper()
	testnet.Require(t, "openssl")
	return &openssl{t: t, folder: t.TempDir()}
}

// run runs openssl in the folder with the words of the command.
func (o *openssl) run(command string) {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), "openssl", strings.Fields(command)...)
	cmd.Dir = o.folder
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("openssl %s: %v\n%s", command, err, out)
	}
}

func (o *openssl) read(name string) []byte {
	o.t.Helper()
	data, err := os.ReadFile(filepath.Join(o.folder, name))
	if err != nil {
		o.t.Fatal(err)
	}
	return data
}

func (o *openssl) write(name, text string) {
	o.t.Helper()
	err := os.WriteFile(filepath.Join(o.folder, name), []byte(text), 0o600)
	if err != nil {
		o.t.Fatal(err)
	}
}

// hierarchy makes root.pem, sub.pem and leaf.pem, each with its .key, of the
// algorithm that genpkey's words name.
func (o *openssl) hierarchy(algorithm string) {
	o.t.Helper()
	o.write("ca.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
	o.write("leaf.ext", "basicConstraints=critical,CA:FALSE\nsubjectAltName=email:a@near.example\n")
	for _, name := range []string{"root", "sub", "leaf"} {
		o.run("genpkey " + algorithm + " -out " + name + ".key")
		o.run("req -new -key " + name + ".key -subj /CN=TEST-ONLY-" + name + " -out " + name + ".csr")
	}
	o.run("x509 -req -in root.csr -key root.key -days 30 -extfile ca.ext -out root.pem")
	o.run("x509 -req -in sub.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile ca.ext -out sub.pem")
	o.run("x509 -req -in leaf.csr -CA sub.pem -CAkey sub.key -CAcreateserial -days 30 -extfile leaf.ext -out leaf.pem")
}
