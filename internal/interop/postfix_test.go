package interop

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

// TestInteropPostfix has Postfix between a gateway of ours and a far user: it
// queues what we relay, relays what he sends, and bounces what it cannot deliver
// by a notice that nobody signed.
func TestInteropPostfix(t *testing.T) {
	t.Parallel()
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	own, far := root.Leaf("a.example"), root.Leaf("b.example")
	bob := newParty(t, far)
	a := newSite(t, "a.example", setup{
		dns: testnet.BIND(t, map[string][]string{
			"a.example": mx(testnet.ZoneCERT("@", own.Cert)),
			"b.example": mx(testnet.ZoneCERT("@", far.Cert)),
		}),
		users: []string{"alice@a.example"}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
	})
	postfix := testnet.Postfix(t, testnet.Mailing{Domain: "b.example", Boxes: []string{"bob"}, Routes: map[string]string{"a.example": a.backbone}})
	a.configure(a.dns, portOf(t, postfix.Addr))
	a.serve()
	rootFile := writeFile(t, filepath.Join(t.TempDir(), "root.pem"), string(testnet.PEM(root.Cert)))
	opened := func(sealed string) string {
		entity := peer(t, sealed, "openssl", "cms", "-decrypt", "-recip", bob.cert, "-inkey", bob.key)
		return unwrapped(t, peer(t, entity, "openssl", "cms", "-verify", "-CAfile", rootFile))
	}

	out := record("alice@a.example", "bob@b.example", "<out@a.example>", 100<<10)
	err := a.submit("alice@a.example", "bob@b.example", out)
	if err != nil {
		t.Fatal(err)
	}
	if got := postfix.Mail(t, "bob", 1); opened(got[0]) != out {
		t.Errorf("what came to the maildir is not what was sent:\n%s", tail(got[0]))
	}

	in := record("bob@b.example", "alice@a.example", "<in@b.example>", 100<<10)
	c, err := dialBackbone(t.Context(), postfix.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.send("bob@b.example", "alice@a.example", strings.NewReader(sealer{far, testnet.Certs(own)}.seal(t, in, "alice@a.example")))
	if err != nil {
		t.Fatal(err)
	}
	if got := a.inbox("alice@a.example", 1); got[0] != in {
		t.Errorf("what came through Postfix is not what was sent:\n%.600q\n%s", got[0], tail(got[0]))
	}
	for _, sealed := range postfix.Mail(t, "bob", 2) {
		if answer := opened(sealed); answer != out {
			checkProcessed(t, answer, "<in@b.example>", "alice@a.example")
		}
	}

	// Postfix takes it, and then sends a failure notice of its own (RFC 3464).
	err = a.submit("alice@a.example", "nobody@b.example", record("alice@a.example", "nobody@b.example", "<lost@a.example>", 100))
	if err != nil {
		t.Fatal(err)
	}
	a.waitLog(`"reason":"not-encrypted"`)
	life := a.waitTrack("<lost@a.example>", time.Minute, func(control.Life) bool { return true })
	if r := life.Recipients[0]; r.State != store.TrackRelayed || r.Told != "" {
		t.Errorf("the notice that nobody signed was believed: %+v", r)
	}
	if got := a.inbox("alice@a.example", 1); len(got) != 1 {
		t.Errorf("there are %d messages in the mailbox, want 1", len(got))
	}
	a.alive()
}

// waitLog waits until a site has logged something.
func (s *site) waitLog(text string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), time.Minute)
	defer cancel()
	if !testnet.Await(ctx, func() bool { return strings.Contains(s.text(), text) }) {
		s.t.Fatalf("the log has no %s:\n%s", text, tail(s.text()))
	}
}
