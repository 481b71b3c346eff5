package interop

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
)

// peer runs another program, which has to work, and returns its standard
// output.
func peer(t testing.TB, stdin, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, testnet.Require(t, program), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "TZ=UTC")
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", program, strings.Join(args, " "), err, tail(stdout.String()), stderr.String())
	}
	return stdout.String()
}

// A party is an identity with its files, as peers want them.
type party struct {
	*testnet.Identity
	cert, key string // PEM files
}

func newParty(t testing.TB, id *testnet.Identity) party {
	t.Helper()
	dir := t.TempDir()
	return party{
		Identity: id,
		cert:     writeFile(t, filepath.Join(dir, "cert.pem"), string(testnet.PEM(id.Cert))),
		key:      writeFile(t, filepath.Join(dir, "key.pem"), string(id.KeyPEM())),
	}
}

// record is a complete message with a body of about size octets.
func record(from, to, id string, size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: Summary of care\r\n", from, to)
	fmt.Fprintf(&b, "Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: %s\r\n", id)
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n")
	for line := 0; size > 0; line++ {
		n, _ := fmt.Fprintf(&b, "%08d .the quick brown fox jumps over the lazy dog, again and again\r\n", line)
		size -= n
	}
	return b.String()
}

// lf is a text with LF line ends, as files on Unix have.
func lf(s string) string { return strings.ReplaceAll(s, "\r\n", "\n") }

// crlf is a text with CRLF line ends, as mail has.
func crlf(s string) string { return strings.ReplaceAll(lf(s), "\n", "\r\n") }

// opens reports whether openssl decrypts with the given arguments.
func opens(t testing.TB, args ...string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testnet.Require(t, "openssl"), append([]string{"cms", "-decrypt", "-debug_decrypt"}, args...)...)
	return cmd.Run() == nil
}

// fingerprint is the SHA-256 of a certificate as commands write it.
func fingerprint(id *testnet.Identity) string {
	return fmt.Sprintf("%x", sha256.Sum256(id.Cert.Raw))
}

// messageID is that of a message's header.
func messageID(message string) string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	_, rest, _ := strings.Cut(head, "\r\nMessage-ID: ")
	id, _, _ := strings.Cut(rest, "\r\n")
	return id
}
