package kit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet/spawn"
)

// TestKitThroughTheBinary opens with postern open what needs no network, with
// the keys of all vectors in one store for each profile.
func TestKitThroughTheBinary(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "postern")
	err := spawn.Build(t.Context(), binary)
	if err != nil {
		t.Fatal(err)
	}
	vectors := slices.DeleteFunc(readManifest(t).Vectors, func(v vector) bool { return !v.forBinary() })
	if len(vectors) < wanted {
		t.Fatalf("%d vectors are fit for the binary", len(vectors))
	}
	keys := keysOf(vectors)
	for _, p := range []string{"1.2", "1.3"} {
		t.Run(p, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, binary, p, keys)
			for i, v := range vectors {
				if v.turn(i) == p {
					s.compare(v)
				}
			}
		})
	}
}

// turn is the profile that the i-th vector is opened under: of those whose
// verdict does not depend on it, every other one under each.
func (v vector) turn(i int) string {
	all := v.profiles()
	return all[i%len(all)]
}

const (
	recipientDomain = "b.example"
	usualAnchor     = "pki/root.pem"
	usualKey        = "pki/bob.key"
)

// forBinary reports whether a vector can be asked about on the command line, of
// a store that has all keys and the usual anchor. What must not be decrypted is
// left out where the store has another key that does.
func (v vector) forBinary() bool {
	if v.Envelope == nil || !slices.Equal(v.Envelope.RcptTo, v.Recipients) || len(v.Keys) == 0 {
		return false
	}
	ours := func(r string) bool { return strings.HasSuffix(strings.ToLower(r), "@"+recipientDomain) }
	usual := v.Policy.Revocation == "soft" && v.Policy.Signers == "community" && !v.Policy.AcceptUnwrapped
	lone := len(v.Keys) == 1 && v.Keys[0].Key == usualKey
	return usual && len(v.Network) == 0 && slices.Equal(v.Anchors, []string{usualAnchor}) &&
		!slices.ContainsFunc(v.Recipients, func(r string) bool { return !ours(r) }) &&
		(v.Reason != "undecryptable" || lone)
}

func keysOf(vectors []vector) []keyPair {
	var all []keyPair
	for _, v := range vectors {
		for _, k := range v.Keys {
			if !slices.Contains(all, k) {
				all = append(all, k)
			}
		}
	}
	return all
}

// A site is a store that only postern open looks into.
type site struct {
	t      *testing.T
	binary string
	config string
}

func newSite(t *testing.T, binary, profile string, keys []keyPair) *site {
	t.Helper()
	dir := t.TempDir()
	s := &site{t: t, binary: binary, config: filepath.Join(dir, "postern.toml")}
	s.must("init", "--domain", recipientDomain, "--hostname", "mail."+recipientDomain, "--dir", dir)
	text := fmt.Sprintf("hostname = %q\ndir = \"data\"\n[trust]\nprofile = %q\nrevocation = \"soft\"\n", "mail."+recipientDomain, profile)
	err := os.WriteFile(s.config, []byte(text), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		both := append(read(t, k.Certificate), read(t, k.Key)...)
		file := filepath.Join(dir, fmt.Sprintf("key%d.pem", i))
		err := os.WriteFile(file, both, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		s.must("cert", "import", file)
	}
	s.must("anchor", "add", filepath.Join(folder, usualAnchor))
	return s
}

func (s *site) must(args ...string) {
	s.t.Helper()
	out, err := s.command(args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("postern %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func (s *site) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(s.t.Context(), s.binary, args...)
	cmd.Env = append(os.Environ(), "POSTERN_CONFIG="+s.config)
	return cmd
}

// compare has the binary open a vector.
func (s *site) compare(v vector) {
	s.t.Helper()
	args := []string{"open", "--json", "--at", v.Time.Format(time.RFC3339), "--mail-from", v.Envelope.MailFrom}
	for _, r := range v.Recipients {
		args = append(args, "--to", r)
	}
	cmd := s.command(args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(read(s.t, v.File)), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%s: %v", v.ID, err)
	}
	var got struct{ Verdict, Reason, Detail string }
	err = json.Unmarshal(stderr.Bytes(), &got)
	if err != nil {
		s.t.Errorf("%s: %v in %s", v.ID, err, stderr.String())
		return
	}
	if got.Verdict != v.Verdict || got.Reason != v.Reason {
		s.t.Errorf("%s: %s, %s (%s), want %s, %s", v.ID, got.Verdict, got.Reason, got.Detail, v.Verdict, v.Reason)
	}
	code := 0 // of the command line: accepted
	if v.Verdict != "accepted" {
		code = 1
	}
	if cmd.ProcessState.ExitCode() != code {
		s.t.Errorf("%s: exit code %d, want %d", v.ID, cmd.ProcessState.ExitCode(), code)
	}
	s.message(v, stdout.Bytes())
}

// message compares what was written to standard output.
func (s *site) message(v vector, text []byte) {
	s.t.Helper()
	if v.Verdict != "accepted" {
		if len(text) > 0 {
			s.t.Errorf("%s: %d octets of a message that was refused", v.ID, len(text))
		}
		return
	}
	if v.digest(text, true) != v.InnerSHA256 && v.digest(text, false) != v.InnerSHA256 {
		s.t.Errorf("%s: another message came out:\n%.300s", v.ID, text)
	}
}
