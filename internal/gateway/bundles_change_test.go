package gateway

import (
	"context"
	"crypto/elliptic"
	"encoding/pem"
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/testnet"
	"postern/store"
	"postern/trust/reason"
)

// A gate is a page that says when it is asked, and answers when it may.
type gate struct {
	asked, open chan struct{}
	once        sync.Once
}

func (c *community) gate(path string, page http.HandlerFunc) *gate {
	g := &gate{asked: make(chan struct{}, 10), open: make(chan struct{})}
	c.t.Cleanup(g.release)
	c.answer(path, func(w http.ResponseWriter, r *http.Request) {
		g.asked <- struct{}{}
		select {
		case <-g.open:
			page(w, r)
		case <-r.Context().Done():
		}
	})
	return g
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// A meddling store lets others change something before the next Update.
type meddling struct {
	store.Store
	before func()
}

func (m *meddling) Update(ctx context.Context, fn func(store.Tx) error) error {
	if before := m.before; before != nil {
		m.before = nil
		before()
	}
	return m.Store.Update(ctx, fn)
}

// TB-13, TB-14: what a fetch compared with a set that is gone says nothing of the
// bundle that was added anew meanwhile, be it as it was: to call that fresh would
// hide for a day that it has no anchors.
func TestTB13_ABundleAddedAnewWhileItIsFetched(t *testing.T) {
	w, c := newWebWorld(t)
	one, two := w.pki.Root("one"), w.pki.Root("two")
	file := unsigned(t, one, two)
	for name, page := range map[string]http.HandlerFunc{
		"not modified":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) },
		"the same file": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(file) },
		"the same set": func(w http.ResponseWriter, _ *http.Request) {
			_ = pem.Encode(w, &pem.Block{Type: "PKCS7", Bytes: file})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.bare("b.example")
			b := s.subscribe(c, "community", "/bundle")
			c.put("/bundle", file)
			s.refreshed("community")
			c.answer("/bundle", page)
			s.bundles.store = &meddling{Store: s.Store, before: func() {
				s.update(func(tx store.Tx) error { return tx.RemoveBundle("community") })
				s.putBundle(b)
			}}
			if r := s.scheduled("community"); r.Failure != BundleSuperseded || r.Changed {
				t.Errorf("refreshed: %+v", r)
			}
			if dueIn(b, s.bundleState("community"), s.Now()) > 0 {
				t.Errorf("state %+v", s.bundleState("community"))
			}
			c.put("/bundle", file)
			if r := s.refreshed("community"); r.Failure != "" || r.Anchors != 2 {
				t.Errorf("refreshed again: %+v", r)
			}
			s.wantBelief(one, reason.OK)
		})
	}
}

// Who asks for a bundle that was added anew does not join the flight of the one
// that is gone.
func TestABundleAddedAnewHasAFlightOfItsOwn(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	b := s.subscribe(c, "community", "/bundle")
	file := unsigned(t, ours)
	c.put("/bundle", file)
	s.refreshed("community")
	g := c.gate("/bundle", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	var flight sync.WaitGroup
	flight.Go(func() {
		if r := s.scheduled("community"); r.Failure != BundleSuperseded {
			t.Errorf("the old flight: %+v", r)
		}
	})
	<-g.asked
	s.update(func(tx store.Tx) error { return tx.RemoveBundle("community") })
	b.Created = b.Created.Add(time.Second)
	s.putBundle(b)
	c.put("/bundle", file)
	if r := s.refreshed("community"); r.Failure != "" || r.Anchors != 1 {
		t.Errorf("the new flight: %+v", r)
	}
	g.release()
	flight.Wait()
	s.wantBelief(ours, reason.OK)
}

// Who refreshes by hand waits for no flight that only asks whether anything is new.
func TestARefreshByHandIsWhole(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours, other := w.bare("b.example"), w.pki.Root("ours"), w.pki.Root("other")
	s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, ours))
	s.refreshed("community")
	g := c.gate("/bundle", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotModified) })
	var flight sync.WaitGroup
	flight.Go(func() { s.scheduled("community") })
	<-g.asked
	c.put("/bundle", unsigned(t, other))
	if r := s.refreshed("community"); r.Failure != "" || !r.Changed {
		t.Errorf("by hand: %+v", r)
	}
	g.release()
	flight.Wait()
	s.wantBelief(ours, reason.UntrustedAnchor)
}

// pinned asks for a signer.
func pinned(signer *testnet.Identity) BundleChange {
	return func(_ store.Tx, b *store.Bundle) error {
		b.Signer = signer.Cert.Raw
		return nil
	}
}

// TB-5, TB-13: a bundle gets another signer or URL together with the anchors that
// these vouch for, or stays as it is.
func TestTB5_TB13_AChangeCountsWithItsAnchors(t *testing.T) {
	w, c := newWebWorld(t)
	s, old, other := w.bare("b.example"), w.pki.Root("old"), w.pki.Root("other")
	signer := w.pki.SelfSigned("signer.example", testnet.EC(elliptic.P256()))
	b := s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, old))
	s.refreshed("community")
	before := s.bundleState("community")
	change := func(change BundleChange, failure string) RefreshResult {
		t.Helper()
		r, err := s.ChangeBundle(t.Context(), "community", change)
		if err != nil || r.Failure != failure || r.Anchors != 1 {
			t.Errorf("changed: %+v, %v", r, err)
		}
		return r
	}
	stored := func(want store.Bundle) {
		t.Helper()
		s.view(func(tx store.Tx) error {
			got, err := tx.Bundle("community")
			equal(t, "bundle", got, want)
			return err
		})
	}

	change(pinned(signer), bundle.KindUnsigned)
	change(func(_ store.Tx, b *store.Bundle) error { b.URL = c.url + "/absent"; return nil }, bundle.KindNotFound)
	stored(b)
	equal(t, "state", s.bundleState("community"), before)
	s.wantBelief(old, reason.OK)

	c.put("/bundle", signedBy(t, signer, s.Now(), other))
	r := change(pinned(signer), "")
	equal(t, "added and removed", len(r.Added)+len(r.Removed), 2)
	b.Signer = signer.Cert.Raw
	stored(b)
	equal(t, "vouched for by", s.bundleState("community").Of, b.Definition())
	s.wantBelief(old, reason.UntrustedAnchor)
	s.wantBelief(other, reason.OK)

	c.put("/moved", signedBy(t, signer, s.Now().Add(-time.Hour), other)) // of an earlier day, yet another server's
	r = change(func(_ store.Tx, b *store.Bundle) error { b.URL = c.url + "/moved"; b.Every = time.Hour; return nil }, "")
	equal(t, "changed", r.Changed, false)
	b.URL, b.Every = c.url+"/moved", time.Hour
	stored(b)

	refused := errors.New("refused")
	_, err := s.ChangeBundle(t.Context(), "community", func(store.Tx, *store.Bundle) error { return refused })
	if !errors.Is(err, refused) {
		t.Errorf("a change that is refused: %v", err)
	}
	_, err = s.ChangeBundle(t.Context(), "nobody", pinned(signer))
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("of no bundle: %v", err)
	}
	s.Close()
	_, err = s.ChangeBundle(t.Context(), "community", pinned(signer))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// What others change in the meantime stays, unless it is what the fetch was about.
func TestAChangeBesideOthers(t *testing.T) {
	w, c := newWebWorld(t)
	old, other := w.pki.Root("old"), w.pki.Root("other")
	move := func(_ store.Tx, b *store.Bundle) error { b.URL = c.url + "/new"; return nil }
	for name, tt := range map[string]struct {
		meanwhile func(s *site, b store.Bundle) error
		failure   string
	}{
		"attached": {func(s *site, b store.Bundle) error {
			b.Attached = append(b.Attached, store.Attachment{Domain: "b.example", Direction: store.In})
			return s.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutBundle(b) })
		}, ""},
		"moved elsewhere": {func(s *site, b store.Bundle) error {
			b.URL = c.url + "/third"
			return s.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutBundle(b) })
		}, BundleSuperseded},
		"removed": {func(s *site, b store.Bundle) error {
			return s.Store.Update(t.Context(), func(tx store.Tx) error { return tx.RemoveBundle(b.Name) })
		}, BundleSuperseded},
		"closed": {func(s *site, _ store.Bundle) error { go s.Close(); return nil }, "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.bare("b.example")
			b := s.subscribe(c, "community", "/bundle")
			c.put("/bundle", unsigned(t, old))
			s.refreshed("community")
			g := c.gate("/new", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(unsigned(t, other)) })
			var r RefreshResult
			var err error
			var flight sync.WaitGroup
			flight.Go(func() { r, err = s.ChangeBundle(context.Background(), "community", move) })
			<-g.asked
			failed := tt.meanwhile(s, b)
			if failed != nil {
				t.Fatal(failed)
			}
			if tt.failure == "cancelled" {
				flight.Wait()
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%+v, %v", r, err)
				}
				return
			}
			g.release()
			flight.Wait()
			if err != nil || r.Failure != tt.failure {
				t.Errorf("%+v, %v", r, err)
			}
			if tt.failure == "" {
				s.view(func(tx store.Tx) error {
					got, err := tx.Bundle("community")
					equal(t, "attached", len(got.Attached), 2)
					return err
				})
				s.wantBelief(other, reason.OK)
			}
		})
	}
}

// A Directory that cannot be read after the commit does not make a failure of a
// refresh that is done.
func TestARefreshThatIsDoneIsNoFailure(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, ours))
	s.directories.store = blind{s.Store}
	r := s.refreshed("community")
	if r.Failure != "" || !r.Changed || len(s.bundles.paused) > 0 {
		t.Errorf("refreshed: %+v; paused %v", r, s.bundles.paused)
	}
	s.directories.store = s.Store
	s.wantBelief(ours, reason.OK)
}

// A blind store cannot be read.
type blind struct{ store.Store }

func (blind) View(context.Context, func(store.Tx) error) error { return errors.New("blind") }
