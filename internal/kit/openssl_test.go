package kit

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/testnet"
)

// notForOpenSSL are the vectors to accept that openssl cms does not open, and
// why that is its own affair.
func notForOpenSSL() map[string]string {
	const (
		encoding = "it reads base64 alone, in lines"
		media    = "it takes the media types of S/MIME alone"
		ends     = "it turns every LF into CR LF before it verifies"
		strict   = "it verifies every signature, by the first certificate of the name"
		wrapper  = "it does not look into the wrapper, which has a transfer encoding"
	)
	return map[string]string{
		"form-base64-one-line": encoding, "form-binary": encoding, "form-quoted-printable": encoding,
		"opaque-binary": encoding, "opaque-one-line": encoding, "opaque-quoted-printable": encoding,
		"part-base64-one-line": encoding, "part-binary": encoding, "part-quoted-printable": encoding,
		"form-octet-stream": media, "form-octet-stream-name": media, "part-octet-stream": media,
		"lf-mixed": ends, "lf-signed": ends,
		"sig-two-one-bad": strict, "twin-first": strict,
		"wrap-base64": wrapper, "wrap-quoted-printable": wrapper,
		"part-no-end":                 "it wants the last boundary",
		"twin-garbage":                "it reads all certificates or none",
		"attr-unsorted-signed-sorted": "it verifies attributes in the order they came in",
	}
}

// TestInteropKitAgreesWithOpenSSL holds the set to a judge that is not ours:
// OpenSSL decrypts and verifies what is to be accepted, and finds the same
// message in it. It judges no certificates here.
func TestInteropKitAgreesWithOpenSSL(t *testing.T) {
	program := testnet.Require(t, "openssl")
	exceptions := notForOpenSSL()
	seen := make(map[string]bool)
	for _, v := range readManifest(t).Vectors {
		if v.Verdict != "accepted" || seen[v.File] {
			continue
		}
		seen[v.File] = true
		t.Run(v.ID, func(t *testing.T) {
			t.Parallel()
			err := v.openByOpenSSL(t, program)
			why, excepted := exceptions[v.ID]
			switch {
			case excepted && err == nil:
				t.Errorf("OpenSSL opens it after all, although %s", why)
			case !excepted && err != nil:
				t.Error(err)
			}
		})
	}
	readme := string(read(t, "README.md"))
	for id := range exceptions {
		if !strings.Contains(readme, "`"+id+"`") {
			t.Errorf("the README does not name %s", id)
		}
		if !seen["vectors/"+id+".eml"] {
			t.Errorf("%s is no vector to accept", id)
		}
	}
}

func (v vector) openByOpenSSL(t *testing.T, program string) error {
	t.Helper()
	err := errors.New("there is no key")
	for _, k := range v.Keys {
		var entity, content []byte
		entity, err = runOpenSSL(t, program, read(t, v.File), "-decrypt",
			"-recip", filepath.Join(folder, k.Certificate), "-inkey", filepath.Join(folder, k.Key))
		if err != nil {
			continue
		}
		content, err = runOpenSSL(t, program, entity, "-verify", "-noverify")
		if err != nil {
			continue
		}
		// What it verified is the wrapper with the message, or the unwrapped
		// entity: the digest is that of what follows the first empty line.
		if v.digest(content, false) == v.InnerSHA256 {
			return nil
		}
		err = errors.New("OpenSSL finds another message in it")
	}
	return err
}

func runOpenSSL(t *testing.T, program string, stdin []byte, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"cms"}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		return nil, fmt.Errorf("openssl cms %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.Bytes(), nil
}
