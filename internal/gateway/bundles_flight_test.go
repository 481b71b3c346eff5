package gateway

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"postern/store"
	"postern/trust"
	"postern/trust/reason"
)

// What was fetched for a bundle that is gone, or another by now, is dropped; who
// asks after the change is in another flight.
func TestABundleThatChangesWhileItIsFetched(t *testing.T) {
	w, c := newWebWorld(t)
	old, ours := w.pki.Root("old"), w.pki.Root("ours")
	c.put("/new", unsigned(t, ours))
	for name, change := range map[string]func(s *site, b store.Bundle){
		"removed": func(s *site, b store.Bundle) { s.update(func(tx store.Tx) error { return tx.RemoveBundle(b.Name) }) },
		"moved": func(s *site, b store.Bundle) {
			b.URL = c.url + "/new"
			s.putBundle(b)
			if r := s.refreshed(b.Name); r.Failure != "" || r.Anchors != 1 {
				t.Errorf("the new flight: %+v", r)
			}
		},
		"moved, and nobody asks": func(s *site, b store.Bundle) {
			b.URL = c.url + "/new"
			s.putBundle(b)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.bare("b.example")
			b := s.subscribe(c, "community", "/bundle")
			asked, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			release := func() { once.Do(func() { close(goOn) }) }
			defer release()
			c.answer("/bundle", func(w http.ResponseWriter, r *http.Request) {
				close(asked)
				select {
				case <-goOn:
				case <-r.Context().Done():
				}
				_, _ = w.Write(unsigned(t, old))
			})
			var result []RefreshResult
			var err error
			var flight sync.WaitGroup
			flight.Go(func() { result, err = s.RefreshBundles(t.Context(), []string{"community"}) })
			<-asked
			change(s, b)
			release()
			flight.Wait()
			if err != nil || len(result) != 1 || result[0].Failure != BundleSuperseded || result[0].Changed || len(result[0].Added) > 0 {
				t.Errorf("the old flight: %+v, %v", result, err)
			}
			s.wantBelief(old, map[bool]reason.Code{true: reason.UntrustedAnchor, false: reason.NoAnchors}[s.directory().shared[store.In].Len() > 0])
		})
	}
}

// Who refreshes the same bundle is in one flight, and one who goes does not end it.
func TestOneFlightForAll(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	s.subscribe(c, "community", "/bundle")
	asked, goOn := make(chan struct{}, 10), make(chan struct{})
	c.answer("/bundle", func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-goOn
		_, _ = w.Write(unsigned(t, ours))
	})
	impatient, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		_, err := s.RefreshBundles(impatient, nil)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the impatient one: %v", err)
		}
	})
	<-asked
	cancel()
	for range 3 {
		all.Go(func() {
			r, err := s.RefreshBundles(t.Context(), []string{"community", "community"})
			if err != nil || len(r) != 2 || r[0].Failure != "" || r[1].Anchors != 1 {
				t.Errorf("refreshed: %+v, %v", r, err)
			}
		})
	}
	close(goOn)
	all.Wait()
	s.wantBelief(ours, reason.OK)
}

// A set is parsed before it counts: the Directory takes it over, and keeps it as
// long as its content is the same.
func TestASetIsParsedOnce(t *testing.T) {
	w, c := newWebWorld(t)
	s := w.bare("b.example")
	s.subscribe(c, "community", "/bundle")
	s.subscribe(c, "again", "/bundle", store.Attachment{Domain: "b.example", Direction: store.In})
	c.put("/bundle", unsigned(t, w.pki.Root("one"), w.pki.Root("two")))
	s.trust("", store.Both, w.root)
	sets := func() (all []*trust.Anchors) {
		for _, b := range s.directory().bundles {
			all = append(all, b.set)
		}
		return all
	}
	if _, err := s.RefreshBundles(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	before := sets()
	single := s.directory().single[store.FingerprintOf(w.root.Cert.Raw)].certificate
	s.accounts("bob@b.example")
	after := sets()
	if len(after) != 2 || after[0] != before[0] || after[1] != before[1] || after[0] != after[1] {
		t.Error("the sets were made again")
	}
	if s.directory().single[store.FingerprintOf(w.root.Cert.Raw)].certificate != single {
		t.Error("a single anchor was parsed again")
	}
	if n := len(s.directories.prepared); n != 0 {
		t.Errorf("%d sets are still prepared", n)
	}
}

// Update may call its function more than once, and a crash before the commit
// leaves the old set.
func TestRefreshOverStoresThatRepeatAndCrash(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours := w.bare("b.example"), w.pki.Root("ours")
	s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, ours))
	real := s.Store
	s.bundles.store = &crashing{Store: real}
	_, err := s.RefreshBundles(t.Context(), nil)
	if err == nil || len(s.directories.prepared) != 0 {
		t.Errorf("the crash: %v, %d sets prepared", err, len(s.directories.prepared))
	}
	s.wantBelief(ours, reason.NoAnchors)
	s.bundles.store = repeating{real}
	if r := s.refreshed("community"); r.Failure != "" || len(r.Added) != 1 {
		t.Errorf("refreshed: %+v", r)
	}
	c.answer("/bundle", nil)
	s.refreshed("community")
	equal(t, "failures", s.bundleState("community").Failures, 1)
	s.wantBelief(ours, reason.OK)
}

// A rotten store has damaged anchors in every bundle, until others are put.
type rotten struct{ store.Store }

type rottenTx struct{ store.Tx }

func (r rotten) View(ctx context.Context, fn func(store.Tx) error) error {
	return r.Store.View(ctx, func(tx store.Tx) error { return fn(rottenTx{tx}) })
}

func (tx rottenTx) BundleAnchors(name string) ([]store.BundleAnchor, store.Fingerprint, error) {
	_, content, _ := tx.Tx.BundleAnchors(name)
	return nil, content, store.ErrCorrupt
}

// A set that is damaged is fetched anew, though its server has no other; until then
// nothing is trusted by it, and those who do not need it have their mail.
func TestADamagedSetIsReplaced(t *testing.T) {
	w, c := newWebWorld(t)
	s, ours, other := w.bare("b.example"), w.pki.Root("ours"), w.pki.Root("other")
	s.trust("", store.Both, other)
	s.subscribe(c, "community", "/bundle")
	c.put("/bundle", unsigned(t, ours))
	s.refreshed("community")

	real := s.Store
	s.bundles.store, s.directories = rotten{real}, directories{store: rotten{real}, log: s.Log}
	s.wantBelief(ours, reason.UntrustedAnchor)
	s.wantBelief(other, reason.OK)
	if !strings.Contains(s.log.String(), "the anchors of a bundle cannot be read") {
		t.Errorf("the log says %s", s.log.String())
	}
	r := s.refreshed("community")
	if _, known := c.count("/bundle"); r.Failure != "" || !r.Changed || known != 0 {
		t.Errorf("refreshed: %+v, asked for news alone %d times", r, known)
	}
	s.wantBelief(ours, reason.OK)
}

// After a restart the sets are read from the store. An anchor that cannot be read
// is left out, and so is one that asks for a policy nobody can name: it must not
// pass for one that asks for nothing.
func TestBundlesAfterARestart(t *testing.T) {
	w := newWorld(t)
	s, ours, strict, odd := w.bare("b.example"), w.pki.Root("ours"), w.pki.Root("strict"), w.pki.Root("odd")
	s.putBundle(store.Bundle{Name: "b", Attached: []store.Attachment{{Domain: "b.example", Direction: store.Both}}})
	s.putBundle(store.Bundle{Name: "never-fetched", Attached: []store.Attachment{{Domain: "", Direction: store.Both}}})
	s.putBundle(store.Bundle{Name: "of-nobody"})
	set := store.NewBundleSet([]store.BundleAnchor{
		{Certificate: ours.Cert.Raw}, {Certificate: strict.Cert.Raw, Policies: []string{"1.2.3"}},
		{Certificate: odd.Cert.Raw, Policies: []string{"1.2.3", "a policy"}}, {Certificate: []byte("no certificate")},
	})
	s.update(func(tx store.Tx) error {
		return errors.Join(tx.PutBundleAnchors("b", set), tx.PutBundleAnchors("of-nobody", set))
	})
	s.wantBelief(ours, reason.OK)
	s.wantBelief(strict, reason.PolicyMissing)
	s.wantBelief(odd, reason.UntrustedAnchor)
	equal(t, "anchors of another domain", s.directory().Anchors("c.example", store.In).Len(), 0)
	equal(t, "sets", len(s.directory().bundles), 2)
	if !strings.Contains(s.log.String(), "bundle=b anchors=2") {
		t.Errorf("the log says %s", s.log.String())
	}
}
