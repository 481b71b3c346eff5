package interop

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

// TestInteropBundleDecides believes a far domain as long as a bundle has its
// authority: what a refresh changes holds for the next message, and nothing is
// started anew (TB-13, TB-18, TB-20).
func TestInteropBundleDecides(t *testing.T) {
	t.Parallel()
	c := newCommunity(t)
	first, second := c.put("/first.p7b", c.anchor, c.next), c.put("/second.p7b", c.next)
	s := c.reader(portOf(t, newSink(t).addr))
	s.serve()
	check := func(when, reason string) {
		t.Helper()
		r := s.send(t, "<"+strings.ReplaceAll(when, " ", "-")+"@a.example>")
		if r.Reason != reason || (r.State == store.TrackFailed) != (reason != "ok") {
			t.Errorf("%s: %s because of %q, want %q", when, r.State, r.Reason, reason)
		}
	}
	check("before", "no-anchors")
	s.must("", "bundle", "add", "first", first, "--direction", "out")
	check("added", "ok")
	s.must("", "bundle", "add", "second", second, "--domain", "a.example")
	c.put("/first.p7b", c.next)
	s.must("", "bundle", "refresh", "first")
	check("left the bundle", "untrusted-anchor")
	c.put("/second.p7b", c.next, c.anchor)
	s.must("", "bundle", "refresh")
	check("in the other bundle", "ok")
	c.put("/first.p7b", c.next, c.anchor)
	s.must("", "bundle", "refresh", "first")
	s.must("", "bundle", "remove", "second")
	check("one source of two is gone", "ok")
	s.must("", "bundle", "remove", "first")
	check("removed", "no-anchors")
	s.alive()
}

// TestInteropBundleFailures has a refresh fail in every way that a server can
// make it (TB-14 to TB-17): the last good set stays, the kind is told, and the
// exit code tells some from all.
func TestInteropBundleFailures(t *testing.T) {
	t.Parallel()
	c := newCommunity(t)
	good := c.put("/good.p7b", c.next)
	s := c.reader("")
	s.must("", "bundle", "add", "good", good, "--every", "0")
	s.must("", "bundle", "add", "other", c.put("/other.p7b", c.anchor, c.next), "--every", "0")
	check := func(t *testing.T, code int, kind string) {
		t.Helper()
		results, got := s.refresh(t)
		for _, r := range results {
			want := ""
			if r.Name == "other" || code == 3 {
				want = kind
			}
			if r.Failure != want || r.Fresh != (want == "") {
				t.Errorf("%s: %q (%s), want %q", r.Name, r.Failure, r.Detail, want)
			}
		}
		state := s.bundles(t)["other"]
		if got != code || len(results) != 2 || state.Anchors != 2 || state.Failure != kind || state.FailingSince.IsZero() != (kind == "") {
			t.Errorf("exit code %d, want %d; the state is %+v", got, code, state)
		}
	}
	garbage := []byte("this is no bundle")
	for _, f := range []struct {
		name, kind string
		body       []byte
		mode       testnet.Mode
	}{
		{"nothing there", "not-found", garbage, testnet.Missing},
		{"a page of a hotel", "invalid-format", []byte("<html>log in</html>"), testnet.Good},
		{"an empty bundle", "empty", testnet.CertsOnly(t), testnet.Good},
		{"nothing at all", "empty", nil, testnet.Good},
		{"without an end", "too-large", garbage, testnet.Huge},
	} {
		t.Run(f.name, func(t *testing.T) {
			c.web.Put("/other.p7b", typeBundle, f.body)
			c.web.Set("/other.p7b", f.mode)
			check(t, 1, f.kind)
		})
	}
	c.put("/other.p7b", c.anchor, c.next)
	check(t, 0, "")
	c.web.Die()
	check(t, 3, "unreachable")
	e := s.run("", "lookup", "bob@b.example")
	if e.code != 0 {
		t.Errorf("the last good set does not count: exit code %d\n%s%s", e.code, e.stdout, e.stderr)
	}
	e = s.run("", "bundle", "refresh", "nobody")
	if e.code != 1 && e.code != 2 {
		t.Errorf("refreshing a bundle that is not there: exit code %d\n%s", e.code, e.stderr)
	}
	s.checkStore()
}

// TestInteropBundleOfStrangers wants a certificate of the web server that is
// known, and, with a signer, a bundle by that signer (TB-5, TB-9).
func TestInteropBundleOfStrangers(t *testing.T) {
	t.Parallel()
	c := newCommunity(t)
	at := c.put("/bundle.p7b", c.anchor)
	signer, other := newParty(t, c.pki.SelfSigned("signer.example", quick())), newParty(t, c.pki.SelfSigned("other.example", quick()))
	unsigned := writeFile(t, filepath.Join(t.TempDir(), "unsigned"), string(testnet.CertsOnly(t, c.anchor.Cert)))
	sign := func(p party) []byte {
		return []byte(peer(t, "", "openssl", "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", p.cert, "-inkey", p.key, "-in", unsigned))
	}
	c.web.Put("/signed.p7m", "application/pkcs7-mime", sign(signer))
	c.web.Put("/other.p7m", "application/pkcs7-mime", sign(other))
	c.network = ""
	stranger := c.reader("")
	c.network = "ca = " + fmt.Sprintf("%q\n", writeFile(t, filepath.Join(t.TempDir(), "ca.pem"), string(testnet.PEM(c.webRoot.Cert))))
	s := c.reader("")
	for _, b := range []struct {
		name, kind string
		site       *site
		args       []string
	}{
		{"an unknown server", "tls", stranger, []string{at}},
		{"unsigned", "", s, []string{at}},
		{"unsigned, and a signer is wanted", "unsigned", s, []string{at, "--signer", signer.cert}},
		{"signed", "", s, []string{c.web.URL + "/signed.p7m", "--signer", signer.cert}},
		{"signed by another", "wrong-signer", s, []string{c.web.URL + "/other.p7m", "--signer", signer.cert}},
	} {
		t.Run(b.name, func(t *testing.T) {
			e := b.site.run("", append([]string{"--json", "bundle", "add", "bundle"}, b.args...)...)
			var added control.AddedBundle
			err := json.Unmarshal([]byte(e.stdout), &added)
			if err != nil {
				t.Fatalf("exit code %d: %v\n%s%s", e.code, err, e.stdout, e.stderr)
			}
			if added.Refresh.Failure != b.kind || (e.code == 0) != (b.kind == "") {
				t.Errorf("exit code %d, %q (%s), want %q", e.code, added.Refresh.Failure, added.Refresh.Detail, b.kind)
			}
			want := 1
			if b.kind != "" {
				want = 0
			}
			if n := b.site.bundles(t)["bundle"].Anchors; n != want {
				t.Errorf("%d anchors, want %d", n, want)
			}
			b.site.must("", "bundle", "remove", "bundle")
		})
	}
}

// TestInteropGuardOfBundles adds bundles at places that a gateway without
// network.allow_private may not go to.
func TestInteropGuardOfBundles(t *testing.T) {
	t.Parallel()
	c := newCommunity(t)
	at, err := url.Parse(c.put("/lure", c.anchor))
	if err != nil {
		t.Fatal(err)
	}
	c.zones["target.example"] = []string{"inside IN A 127.0.0.1", "alias IN CNAME inside"}
	s := newSite(t, "a.example", setup{dns: testnet.BIND(t, c.zones), guarded: true, more: map[string]string{"network": c.network}})
	all := append(lures(":"+at.Port()), lure{"the server itself", at.Host})
	for i, l := range all {
		t.Run(l.name, func(t *testing.T) {
			name := fmt.Sprintf("lure%d", i)
			e := s.run("", "--json", "bundle", "add", name, "https://"+l.host+"/lure")
			if e.code == 0 {
				t.Errorf("it was fetched:\n%s", e.stdout)
			}
			b, ok := s.bundles(t)[name]
			if ok && (b.Failure != "forbidden" || b.Anchors != 0) {
				t.Errorf("%q (%s), want forbidden; %d anchors", b.Failure, b.Detail, b.Anchors)
			}
		})
	}
	if n := c.web.Asked("/lure"); n != 0 {
		t.Errorf("the web server on loopback was asked %d times", n)
	}
}

// TestInteropBundleRefreshedByBoth refreshes by several commands at a time while
// the server refreshes by itself, since the command that added the bundle died in
// the middle: all are told the truth, and the set is whole.
func TestInteropBundleRefreshedByBoth(t *testing.T) {
	t.Parallel()
	c := newCommunity(t)
	asked, begun := make(chan struct{}, 100), make(chan struct{})
	body := testnet.CertsOnly(t, c.anchor.Cert, c.next.Cert)
	c.web.Answer("/bundle.p7b", typeBundle, func([]byte) ([]byte, error) {
		asked <- struct{}{}
		<-begun
		return body, nil
	})
	s := c.reader("")
	add := exec.Command(binary(t), "--config", s.config(), "bundle", "add", "bundle", c.web.URL+"/bundle.p7b")
	err := add.Start()
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	err = add.Process.Kill()
	_ = add.Wait() // killed
	if err != nil {
		t.Fatal(err)
	}
	if b := s.bundles(t)["bundle"]; b.Anchors != 0 || !b.Succeeded.IsZero() {
		t.Fatalf("after the command died: %+v", b)
	}
	s.serve()
	<-asked // by nobody's command
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			e := s.run("", "bundle", "refresh")
			if e.code != 0 {
				t.Errorf("bundle refresh: exit code %d\n%s%s", e.code, e.stdout, e.stderr)
			}
		})
	}
	close(begun)
	all.Wait()
	if b := s.bundles(t)["bundle"]; b.Anchors != 2 || b.State != "fresh" {
		t.Errorf("the bundle is %+v", b)
	}
	s.alive()
	s.stop()
	s.checkStore()
}
