package interop

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
)

// edgeCert is a certificate for loopback.
func edgeCert(root *testnet.Identity) *testnet.Identity {
	return root.Leaf("ehr.example", testnet.ForTLS(), testnet.Template(func(c *x509.Certificate) {
		c.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}))
}

// TestInteropEP1_EP14_Edge has Postfix as the edge of accounts (EP-1, EP-14; SITE's cases with a
// HISP that sends to an edge by SMTP): over STARTTLS with an authority of its own it takes
// what comes, and with another certificate, or without STARTTLS, it gets nothing. What it
// puts off waits, what it refuses is told to the sender, and what takes it long holds up
// nobody else.
func TestInteropEP1_EP14_Edge(t *testing.T) {
	t.Parallel()
	pki := testnet.NewPKI(t, time.Now())
	root, theirs := pki.Root("interop root"), pki.Root("the hospital's own root")
	own := root.Leaf("b.example")
	users := []string{"alice@b.example", "bob@b.example", "gone@b.example", "later@b.example", "dave@b.example", "erin@b.example", "pia@b.example"}
	s := newSite(t, "b.example", setup{users: users, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root}})
	cert := edgeCert(theirs)
	postfix := testnet.Postfix(t, testnet.Mailing{
		Domain: "b.example", Boxes: []string{"alice", "bob", "pia"}, TLS: cert, Slow: 2,
		Answers: map[string]string{"gone@b.example": "550 5.1.1 nobody of that name", "later@b.example": "450 4.2.0 not now"},
	})
	bare := testnet.Postfix(t, testnet.Mailing{Domain: "b.example", Boxes: []string{"erin"}})
	ca := writeFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(testnet.PEM(theirs.Cert)))
	wrong := writeFile(t, filepath.Join(t.TempDir(), "wrong.pem"), string(testnet.PEM(root.Cert)))
	s.serve()
	for _, user := range []string{"bob@b.example", "gone@b.example", "later@b.example"} {
		s.must("", "edge", "set", user, postfix.Addr, "--ca", ca)
	}
	s.must("", "edge", "set", "pia@b.example", postfix.Addr, "--pin", store.FingerprintOf(cert.Cert.Raw).String())
	s.must("", "edge", "set", "dave@b.example", postfix.Addr, "--ca", wrong)
	s.must("", "edge", "set", "erin@b.example", bare.Addr, "--ca", ca)

	// What a check finds is what a delivery will meet.
	if said := s.must("", "edge", "check", "bob@b.example"); !strings.Contains(said, "TLS 1.3") || !strings.Contains(said, "takes mail at "+postfix.Addr) {
		t.Errorf("edge check says %s", said)
	}
	for user, why := range map[string]string{"dave@b.example": "certificate", "erin@b.example": "TLS that is required"} {
		e := s.run("", "edge", "check", user)
		if e.code != 1 || !strings.Contains(e.stderr, why) {
			t.Errorf("edge check %s: exit code %d\n%s%s", user, e.code, e.stdout, e.stderr)
		}
	}
	// Another submission server stands for an edge with AUTH PLAIN.
	secret, other := s.write("edge-password", password+"\n"), s.write("edge-wrong", "another password\n")
	s.must("", "edge", "set", "alice@b.example", s.address("submission"), "--pin", fingerprintOf(t, s.tlsCert()), "--user", "bob@b.example", "--password-file", secret)
	if said := s.must("", "edge", "check", "alice@b.example"); !strings.Contains(said, "by AUTH PLAIN") {
		t.Errorf("edge check says %s", said)
	}
	s.must("", "edge", "set", "alice@b.example", s.address("submission"), "--pin", fingerprintOf(t, s.tlsCert()), "--user", "bob@b.example", "--password-file", other)
	if e := s.run("", "edge", "check", "alice@b.example"); e.code != 1 || strings.Contains(e.stderr, "another password") {
		t.Errorf("with a wrong password: exit code %d\n%s%s", e.code, e.stdout, e.stderr)
	}
	s.must("", "edge", "remove", "alice@b.example")

	text := func(to, id string) string {
		return strings.Replace(record("alice@b.example", to, id, 40<<10), "Subject:", "Disposition-Notification-Options: X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,true\nSubject:", 1)
	}
	for _, user := range users[1:] {
		name, _, _ := strings.Cut(user, "@")
		err := s.submit("alice@b.example", user, text(user, "<"+name+"@ehr.example>"))
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("SMTP 8, SMTP 14: mail is sent to the edge, by STARTTLS", func(t *testing.T) {
		for _, box := range []string{"bob", "pia"} {
			got := postfix.Mail(t, box, 1)
			_, body, _ := strings.Cut(text(box+"@b.example", "<"+box+"@ehr.example>"), "\r\n\r\n")
			if !strings.HasSuffix(got[0], strings.ReplaceAll(body, "\r\n", "\n")) || !strings.Contains(got[0], "TLSv1.3") {
				t.Errorf("what came to the edge is not what was sent:\n%s", tail(got[0]))
			}
		}
	})
	s.waitEdge("<bob@ehr.example>", "bob@b.example", store.TrackDelivered, "")
	s.waitEdge("<gone@ehr.example>", "gone@b.example", store.TrackFailed, "peer-refused")
	s.waitEdge("<later@ehr.example>", "later@b.example", store.TrackQueued, "peer-deferred")
	s.waitEdge("<dave@ehr.example>", "dave@b.example", store.TrackQueued, "peer-unreachable")
	s.waitEdge("<erin@ehr.example>", "erin@b.example", store.TrackQueued, "peer-unreachable")
	if said := s.must("", "queue", "list", "--all"); strings.Count(said, "  push  ") != 3 {
		t.Errorf("queue list says\n%s", said)
	}
	if text := postfix.Log() + bare.Log(); strings.Contains(text, "dave@b.example") || strings.Contains(text, "erin@b.example") {
		t.Error("an edge that was not verified heard whom the message is for")
	}

	// The sender hears of final delivery from those edges that took it, and of the
	// refusal; those that wait have their mailboxes again without an edge.
	s.waitDispositions("alice@b.example", map[string]int{"processed": 6, "dispatched": 2, "failed": 1})
	for _, user := range []string{"later@b.example", "dave@b.example", "erin@b.example"} {
		s.must("", "edge", "remove", user)
		s.must("", "queue", "retry", "--to", user)
		if got := s.inbox(user, 1); len(got) != 1 {
			t.Errorf("%d messages for %s", len(got), user)
		}
	}
	s.waitDispositions("alice@b.example", map[string]int{"processed": 6, "dispatched": 5, "failed": 1})
	s.alive()
}

// waitEdge waits until the inbound track of a message says so of a recipient.
func (s *site) waitEdge(id, user string, state store.TrackState, reason string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	client, err := control.Dial(ctx, s.data())
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	var found control.Lives
	fits := func(l control.Life) bool {
		return !l.Outbound && l.Recipients[0].Address.String() == user && l.Recipients[0].State == state && (reason == "" || l.Recipients[0].Reason == reason)
	}
	if !testnet.Await(ctx, func() bool {
		found, err = client.Track(s.t.Context(), id)
		return err == nil && slices.ContainsFunc(found.Lives, fits)
	}) {
		s.t.Fatalf("%s never became %s %s: %+v, %v\n%s", user, state, reason, found, err, tail(s.text()))
	}
}

// waitDispositions waits for so many notifications in a mailbox, and compares of which
// kinds they are.
func (s *site) waitDispositions(user string, want map[string]int) {
	s.t.Helper()
	n := 0
	for _, more := range want {
		n += more
	}
	got := make(map[string]int)
	for _, m := range s.inbox(user, n) {
		report, err := mdn.Parse(strings.NewReader(m), mime.Limits{})
		if err != nil {
			s.t.Fatalf("%v\n%s", err, tail(m))
		}
		got[string(report.Disposition)]++
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("notifications (-want +got)\n%s", diff)
	}
}

// fingerprintOf is the SHA-256 of the first certificate of a file.
func fingerprintOf(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s has no certificate", path)
	}
	return store.FingerprintOf(block.Bytes).String()
}
