package bundle_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/testnet"
)

// TB-2: what is written is read back here and by OpenSSL.
func TestTB2_Write(t *testing.T) {
	testnet.Require(t, "openssl")
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("root")
	certs := testnet.Certs(root.Leaf("b.example"), root)
	der, err := bundle.Write(certs)
	if err != nil {
		t.Fatal(err)
	}
	read, bad, err := bundle.Read(der)
	if err != nil || len(bad) > 0 || len(read) != 2 || !read[0].Equal(certs[0]) || !read[1].Equal(certs[1]) {
		t.Errorf("read back: %d certificates, %d bad, %v", len(read), len(bad), err)
	}
	cmd := exec.Command("openssl", "pkcs7", "-inform", "DER", "-print_certs", "-noout")
	cmd.Stdin = bytes.NewReader(der)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(out), "subject=") != 2 {
		t.Errorf("OpenSSL: %v\n%s", err, out)
	}
	_, err = bundle.Write(nil)
	if err == nil {
		t.Error("a collection of nothing was written")
	}
}
