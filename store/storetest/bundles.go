package storetest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"postern/store"
)

func bundleTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"BundlesComeAndGo":                        bundles,
		"ABundleKeepsStateAndAnchorsWhenReplaced": bundleReplaced,
		"TheStateOfABundle":                       bundleState,
		"ASetOfAnchorsIsReplacedWhole":            bundleAnchors,
		"NamesOfBundlesAreChecked":                bundleNames,
		"WhatABundleSaysIsChecked":                bundleFields,
		"BundlesCannotBeChangedInAView":           bundlesReadOnly,
		"BundlesAndTheGeneration":                 bundleGeneration,
		"RemoveDomainDetachesBundles":             bundlesDetached,
		"AnAccountOfAPatient":                     patient,
	}
}

func newBundle(name string, attached ...store.Attachment) store.Bundle {
	return store.Bundle{
		Name: name, URL: "https://" + name + ".example/bundle", Signer: certificate("signer"),
		Attached: attached, Every: 24 * time.Hour, Created: noon(),
	}
}

func putBundles(all ...store.Bundle) func(store.Tx) error {
	return func(tx store.Tx) error {
		for _, b := range all {
			err := tx.PutBundle(b)
			if err != nil {
				return err
			}
		}
		return nil
	}
}

func newBundleAnchors(names ...string) (all []store.BundleAnchor) {
	for _, name := range names {
		all = append(all, store.BundleAnchor{Certificate: certificate(name)})
	}
	return all
}

func (s *suite) bundleIs(name string, want []store.BundleAnchor) store.Fingerprint {
	s.Helper()
	var content store.Fingerprint
	s.view(func(tx store.Tx) error {
		got, named, err := tx.BundleAnchors(name)
		s.must(err)
		s.equal(got, want)
		content, err = tx.BundleContent(name)
		s.equal(named, content)
		return err
	})
	return content
}

// noBundle expects every method to know nothing of the name.
func (s *suite) noBundle(name string) {
	s.Helper()
	for what, use := range map[string]func(store.Tx) error{
		"Bundle":           func(tx store.Tx) error { _, err := tx.Bundle(name); return err },
		"BundleState":      func(tx store.Tx) error { _, err := tx.BundleState(name); return err },
		"BundleAnchors":    func(tx store.Tx) error { _, _, err := tx.BundleAnchors(name); return err },
		"BundleContent":    func(tx store.Tx) error { _, err := tx.BundleContent(name); return err },
		"PutBundleState":   func(tx store.Tx) error { return tx.PutBundleState(name, store.BundleState{}) },
		"PutBundleAnchors": func(tx store.Tx) error { return tx.PutBundleAnchors(name, store.BundleSet{}) },
		"RemoveBundle":     func(tx store.Tx) error { return tx.RemoveBundle(name) },
	} {
		err := s.Update(s.ctx, use)
		if !errors.Is(err, store.ErrNotFound) {
			s.Errorf("%s: %v, want %v", what, err, store.ErrNotFound)
		}
	}
}

func bundles(s *suite) {
	s.noBundle("b")
	one := newBundle("b", store.Attachment{Domain: "", Direction: store.Out}, store.Attachment{Domain: "b.example", Direction: store.Both})
	two := newBundle("a-2.x")
	s.update(putBundles(one, two))
	s.view(func(tx store.Tx) error {
		got, err := tx.Bundle("b")
		s.must(err)
		s.equal(got, one)
		all, err := tx.Bundles()
		s.equal(all, []store.Bundle{two, one})
		return err
	})
	s.bundleIs("b", nil)
	s.update(func(tx store.Tx) error {
		s.must(tx.PutBundleState("b", store.BundleState{Anchors: 1}))
		return tx.PutBundleAnchors("b", store.NewBundleSet(newBundleAnchors("x")))
	})
	s.equal(s.sound().Bundles, 2)
	s.update(func(tx store.Tx) error { return tx.RemoveBundle("b") })
	s.noBundle("b")
	s.equal(s.sound().Bundles, 1)

	s.update(putBundles(one)) // nothing of the old one comes back with the name
	s.equal(s.bundleIs("b", nil), store.Fingerprint{})
	s.view(func(tx store.Tx) error {
		state, err := tx.BundleState("b")
		s.equal(state, store.BundleState{})
		return err
	})
}

func bundleReplaced(s *suite) {
	b := newBundle("b")
	s.update(putBundles(b))
	state, set := store.BundleState{Anchors: 1, Of: b.Definition()}, newBundleAnchors("x")
	s.update(func(tx store.Tx) error {
		s.must(tx.PutBundleState("b", state))
		return tx.PutBundleAnchors("b", store.NewBundleSet(set))
	})
	old := b.Definition()
	for _, change := range []func(){
		func() {
			b.Every, b.Attached = time.Minute, []store.Attachment{{Domain: "b.example", Direction: store.In}}
		},
		func() { b.URL += "2" },
		func() { b.Signer = nil },
	} {
		change()
		s.update(putBundles(b))
	}
	if b.Definition() == old {
		s.Error("another URL and no signer are the same definition")
	}
	s.bundleIs("b", set)
	s.view(func(tx store.Tx) error {
		got, err := tx.BundleState("b")
		s.equal(got, state)
		return err
	})
}

func bundleState(s *suite) {
	s.update(putBundles(newBundle("b")))
	want := store.BundleState{
		Attempted: noon(), Succeeded: noon().Add(-time.Hour), Changed: noon().Add(-2 * time.Hour), Next: noon().Add(time.Minute),
		FailedSince: noon().Add(-time.Minute), Failures: 3, Failure: "timeout", Detail: "no answer",
		Of: store.FingerprintOf([]byte("definition")), SHA256: store.FingerprintOf([]byte("file")),
		ETag: `"1"`, Anchors: 7, Bad: 1, BadCertificates: []store.BadCertificate{{Place: 3, Cause: "no certificate"}},
	}
	s.update(func(tx store.Tx) error { return tx.PutBundleState("b", want) })
	s.view(func(tx store.Tx) error {
		got, err := tx.BundleState("b")
		s.equal(got, want)
		return err
	})
}

func bundleAnchors(s *suite) {
	s.update(putBundles(newBundle("b"), newBundle("c")))
	contents := make(map[store.Fingerprint]bool)
	sets := [][]store.BundleAnchor{
		newBundleAnchors("x", "y", "z"), newBundleAnchors("y"), newBundleAnchors("y", "x"), nil,
		{{Certificate: certificate("y"), Policies: []string{"1.2.3"}}},
		{{Certificate: certificate("y"), Policies: []string{"1.2.3", "2.5.29.32.0"}}},
	}
	for _, set := range sets {
		put := store.NewBundleSet(set)
		s.update(func(tx store.Tx) error { return tx.PutBundleAnchors("b", put) })
		content := s.bundleIs("b", set)
		s.equal(content, put.Content())
		if contents[content] || content == (store.Fingerprint{}) {
			s.Errorf("the content of %v has the name of another", set)
		}
		contents[content] = true
		s.equal(s.bundleIs("c", nil), store.Fingerprint{})
	}
	s.update(func(tx store.Tx) error { return tx.PutBundleAnchors("c", store.NewBundleSet(sets[0])) })
	s.update(func(tx store.Tx) error { return tx.PutBundleAnchors("b", store.NewBundleSet(sets[0])) })
	s.equal(s.bundleIs("b", sets[0]), s.bundleIs("c", sets[0]))

	failed := errors.New("failed")
	s.is(s.Update(s.ctx, func(tx store.Tx) error {
		s.must(tx.PutBundleAnchors("b", store.NewBundleSet(sets[1])))
		return failed
	}), failed)
	s.bundleIs("b", sets[0])
	s.sound()
}

func bundleNames(s *suite) {
	for _, name := range []string{"b", "0", "bb-patient.test", strings.Repeat("x", 64)} {
		s.update(putBundles(newBundle(name)))
	}
	for _, name := range []string{"", "-b", ".b", "B", "a b", "a/b", "a\x00b", "ä", strings.Repeat("x", 65), store.ManualSource, store.EVSource} {
		err := s.Update(s.ctx, putBundles(newBundle(name)))
		if err == nil {
			s.Errorf("%q was taken", name)
		}
	}
	s.equal(s.sound().Bundles, 4)
}

func bundleFields(s *suite) {
	for what, change := range map[string]func(*store.Bundle){
		"a direction": func(b *store.Bundle) { b.Attached[0].Direction = "up" },
		"none":        func(b *store.Bundle) { b.Attached[0].Direction = "" },
		"a NUL":       func(b *store.Bundle) { b.Attached[0].Domain = "b.example\x00" },
		"twice":       func(b *store.Bundle) { b.Attached = append(b.Attached, b.Attached[0]) },
		"an interval": func(b *store.Bundle) { b.Every = -time.Second },
	} {
		b := newBundle("b", store.Attachment{Domain: "b.example", Direction: store.In})
		change(&b)
		if s.Update(s.ctx, putBundles(b)) == nil {
			s.Errorf("%s: was taken", what)
		}
	}
	s.noBundle("b")
}

func bundlesReadOnly(s *suite) {
	s.update(putBundles(newBundle("b")))
	for what, change := range map[string]func(store.Tx) error{
		"PutBundle":        putBundles(newBundle("b")),
		"RemoveBundle":     func(tx store.Tx) error { return tx.RemoveBundle("b") },
		"PutBundleState":   func(tx store.Tx) error { return tx.PutBundleState("b", store.BundleState{}) },
		"PutBundleAnchors": func(tx store.Tx) error { return tx.PutBundleAnchors("b", store.BundleSet{}) },
	} {
		err := s.View(s.ctx, change)
		if !errors.Is(err, store.ErrReadOnly) {
			s.Errorf("%s: %v, want %v", what, err, store.ErrReadOnly)
		}
	}
}

func bundleGeneration(s *suite) {
	last := uint64(0)
	grows := func(what string, want bool, change func(store.Tx) error) {
		s.Helper()
		s.update(change)
		s.view(func(tx store.Tx) error {
			n, err := tx.Generation()
			if (n > last) != want || n < last {
				s.Errorf("%s: generation %d after %d", what, n, last)
			}
			last = n
			return err
		})
	}
	grows("PutBundle", true, putBundles(newBundle("b")))
	grows("PutBundleState", false, func(tx store.Tx) error { return tx.PutBundleState("b", store.BundleState{Anchors: 1}) })
	grows("PutBundleAnchors", true, func(tx store.Tx) error {
		return tx.PutBundleAnchors("b", store.NewBundleSet(newBundleAnchors("x")))
	})
	grows("RemoveBundle", true, func(tx store.Tx) error { return tx.RemoveBundle("b") })
}

func bundlesDetached(s *suite) {
	a, b, everyone := store.Attachment{Domain: "a.example", Direction: store.In},
		store.Attachment{Domain: "b.example", Direction: store.Both}, store.Attachment{Domain: "", Direction: store.Out}
	s.update(putDomain("a.example"))
	s.update(putBundles(newBundle("a", a), newBundle("all", everyone, a, b), newBundle("b", b)))
	s.update(func(tx store.Tx) error {
		return tx.PutBundleAnchors("a", store.NewBundleSet(newBundleAnchors("x")))
	})
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("a.example") })
	s.view(func(tx store.Tx) error {
		all, err := tx.Bundles()
		s.equal(all, []store.Bundle{newBundle("a"), newBundle("all", everyone, b), newBundle("b", b)})
		return err
	})
	s.bundleIs("a", newBundleAnchors("x"))
	s.sound()
}

func patient(s *suite) {
	all := []store.Account{
		{Address: s.address("jane@b.example"), Patient: true, Created: noon()},
		{Address: s.address("nurse@b.example"), Created: noon()},
	}
	for _, a := range slices.Backward(all) {
		s.update(func(tx store.Tx) error { return tx.PutAccount(a) })
	}
	s.view(func(tx store.Tx) error {
		got, err := tx.Accounts()
		s.equal(got, all)
		return err
	})
}
