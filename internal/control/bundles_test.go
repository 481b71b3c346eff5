package control

import (
	"context"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"postern/bundle"
	"postern/internal/fetch"
	"postern/internal/gateway"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
	"postern/trust/discovery"
)

// bundleWith stores a bundle with anchors, as if it had been fetched.
func bundleWith(t *testing.T, s *server, b store.Bundle, ids ...*testnet.Identity) {
	t.Helper()
	strictBundle(t, s, b, nil, ids...)
}

// strictBundle is bundleWith, with anchors that ask for policies.
func strictBundle(t *testing.T, s *server, b store.Bundle, policies []string, ids ...*testnet.Identity) {
	t.Helper()
	var anchors []store.BundleAnchor
	for _, id := range ids {
		anchors = append(anchors, store.BundleAnchor{Certificate: id.Cert.Raw, Policies: policies})
	}
	b.Every, b.URL = time.Hour, "https://127.0.0.1:8443/"+b.Name
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		state := store.BundleState{Attempted: noon(), Succeeded: noon(), Of: b.Definition(), Anchors: len(ids)}
		return errors.Join(tx.PutBundle(b), tx.PutBundleAnchors(b.Name, store.NewBundleSet(anchors)), tx.PutBundleState(b.Name, state))
	}))
}

func to(domain mime.Domain, d store.Direction) store.Attachment {
	return store.Attachment{Domain: domain, Direction: d}
}

// TB-18: removing one source never removes what another still gives, and how many
// anchors go with it is told.
func TestTB18_RemovingABundleLeavesWhatOthersGive(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	one, two := pki.Root("one"), pki.Root("two")
	for name, tt := range map[string]struct {
		attached []store.Attachment
		single   []store.Anchor
		other    []store.Attachment // of a bundle with the first anchor alone
		domain   string
		lost     int
	}{
		"nobody else":               {attached: []store.Attachment{to("", store.Both)}, lost: 2},
		"nobody believed it":        {lost: 0},
		"another bundle":            {attached: []store.Attachment{to("", store.Both)}, other: []store.Attachment{to("", store.Both)}, lost: 1},
		"another bundle in one way": {attached: []store.Attachment{to("", store.Both)}, other: []store.Attachment{to("", store.In)}, lost: 2},
		"another, in the way":       {attached: []store.Attachment{to("", store.In)}, other: []store.Attachment{to("", store.Both)}, lost: 1},
		"another for one domain":    {attached: []store.Attachment{to("", store.In)}, other: []store.Attachment{to("a.example", store.In)}, lost: 2},
		"others for each domain of ours": {attached: []store.Attachment{to("", store.In)},
			other: []store.Attachment{to("a.example", store.In), to("b.example", store.Both)}, lost: 1},
		"others for each, not in each way": {attached: []store.Attachment{to("", store.Both)},
			other: []store.Attachment{to("a.example", store.In), to("b.example", store.Both)}, lost: 2},
		"another for all":             {attached: []store.Attachment{to("a.example", store.In)}, other: []store.Attachment{to("", store.In)}, lost: 1},
		"one domain of two":           {attached: []store.Attachment{to("a.example", store.In), to("b.example", store.In)}, domain: "a.example", lost: 2},
		"one domain beside every one": {attached: []store.Attachment{to("a.example", store.In), to("", store.In)}, domain: "a.example", lost: 0},
		"a single anchor": {attached: []store.Attachment{to("a.example", store.Out)},
			single: []store.Anchor{{Source: store.ManualSource, Domain: "a.example", Direction: store.Out}}, lost: 1},
		"a root of extended validation": {attached: []store.Attachment{to("a.example", store.In)},
			single: []store.Anchor{{Source: store.EVSource, Domain: "a.example", Direction: store.In}}, lost: 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example", "b.example")
			bundleWith(t, s, store.Bundle{Name: "west", Attached: tt.attached}, one, two)
			if tt.other != nil {
				bundleWith(t, s, store.Bundle{Name: "east", Attached: tt.other}, one)
			}
			must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
				for _, a := range tt.single {
					a.Certificate, a.Fingerprint = one.Cert.Raw, store.FingerprintOf(one.Cert.Raw)
					err := tx.PutAnchor(a)
					if err != nil {
						return err
					}
				}
				return nil
			}))
			removed, err := s.RemoveBundle(t.Context(), BundleRemoval{Name: "west", Domain: tt.domain})
			must(t, err)
			equal(t, "lost", removed.Lost, tt.lost)
			equal(t, "gone", removed.Gone, tt.domain == "")
			_, err = s.ShowBundle(t.Context(), "west")
			if tt.domain == "" {
				isRefused(t, "show", err, Negative)
			} else {
				must(t, err)
			}
		})
	}
	s := ours(t, "a.example")
	bundleWith(t, s, store.Bundle{Name: "west", Attached: []store.Attachment{to("", store.In)}}, one)
	_, err := s.RemoveBundle(t.Context(), BundleRemoval{Name: "west", Domain: "a.example"})
	isRefused(t, "it believes it with every domain", err, Negative)
	_, err = s.RemoveBundle(t.Context(), BundleRemoval{Name: "west", Domain: "nonsense"})
	isRefused(t, "no domain", err, Invalid)
	_, err = s.RemoveBundle(t.Context(), BundleRemoval{Name: "east"})
	isRefused(t, "no bundle", err, Negative)
}

// TB-8, TB-18: a source that asks for more gives less, and takes no other's place.
func TestTB18_WhatAsksForPoliciesIsNoReplacement(t *testing.T) {
	root := testnet.NewPKI(t, noon()).Root("one")
	everyone := []store.Attachment{to("", store.Both)}
	for name, tt := range map[string]struct {
		policies, others []string
		lost             int
	}{
		"neither asks":         {nil, nil, 0},
		"the other asks":       {nil, []string{"1.2.3"}, 1},
		"the removed asks":     {[]string{"1.2.3"}, nil, 0},
		"both ask for it":      {[]string{"1.2.3"}, []string{"1.2.3"}, 0},
		"for something else":   {[]string{"1.2.3"}, []string{"1.2.4"}, 1},
		"the other for more":   {[]string{"1.2.3"}, []string{"1.2.3", "1.2.4"}, 1},
		"the removed for more": {[]string{"1.2.3", "1.2.4"}, []string{"1.2.4"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example")
			strictBundle(t, s, store.Bundle{Name: "west", Attached: everyone}, tt.policies, root)
			strictBundle(t, s, store.Bundle{Name: "east", Attached: everyone}, tt.others, root)
			removed, err := s.RemoveBundle(t.Context(), BundleRemoval{Name: "west"})
			must(t, err)
			equal(t, "lost", removed.Lost, tt.lost)
		})
	}
}

// TB-8: a story names the bundles by which a certificate is believed, and none
// that asks for a policy it does not name.
func TestTB8_StoriesNameNoBundleThatAsksForMore(t *testing.T) {
	s := ours(t, "a.example")
	root := testnet.NewPKI(t, noon()).Root("root")
	policy, err := x509.ParseOID("1.2.3")
	must(t, err)
	named := root.Leaf("c.example", testnet.Template(func(c *x509.Certificate) { c.Policies = []x509.OID{policy} }))
	plain := root.Leaf("d.example")
	everyone := []store.Attachment{to("", store.Out)}
	strictBundle(t, s, store.Bundle{Name: "strict", Attached: everyone}, []string{"1.2.3"}, root)
	strictBundle(t, s, store.Bundle{Name: "stricter", Attached: everyone}, []string{"1.2.3", "1.2.4"}, root)
	bundleWith(t, s, store.Bundle{Name: "west", Attached: everyone}, root)
	s.core.Finder = finds{"c.example": named, "d.example": plain}
	west := AnchorSource{"", "bundle west"}
	for address, want := range map[string][]AnchorSource{"x@c.example": {{"", "bundle strict"}, west}, "x@d.example": {west}} {
		answer, err := s.Lookup(t.Context(), Lookup{Address: address})
		must(t, err)
		equal(t, address, answer.Certificates[0].Verdict, "ok")
		equal(t, address, answer.Certificates[0].AnchorFrom, want)
	}
}

// finds is a network in which domains publish one certificate each.
type finds map[mime.Domain]*testnet.Identity

func (f finds) Find(_ context.Context, r discovery.Request) discovery.Result {
	return discovery.Result{Certificates: []discovery.Found{{Certificate: f[r.Address.Domain()].Cert, Source: discovery.DNSDomain}}}
}

// A writerStore is a store in which no Update may read the anchors of a bundle,
// and in which others change something before the first.
type writerStore struct {
	store.Store
	t      *testing.T
	others func(store.Tx) error
}

type writerTx struct {
	store.Tx
	t *testing.T
}

func (tx writerTx) BundleAnchors(name string) ([]store.BundleAnchor, store.Fingerprint, error) {
	tx.t.Error("anchors are read while nobody else can write")
	return tx.Tx.BundleAnchors(name)
}

func (s *writerStore) Update(ctx context.Context, f func(store.Tx) error) error {
	if others := s.others; others != nil {
		s.others = nil
		err := s.Store.Update(ctx, others)
		if err != nil {
			return err
		}
	}
	return s.Store.Update(ctx, func(tx store.Tx) error { return f(writerTx{tx, s.t}) })
}

// What goes with a bundle is counted while others may write, and anew if they do;
// and that the bundle was stale is told.
func TestRemovingABundleHoldsUpNobody(t *testing.T) {
	pki := testnet.NewPKI(t, noon())
	one, two := pki.Root("one"), pki.Root("two")
	for _, domain := range []string{"", "a.example"} {
		s := ours(t, "a.example")
		bundleWith(t, s, store.Bundle{Name: "west", Attached: []store.Attachment{to("a.example", store.In)}}, one, two)
		must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
			state, err := tx.BundleState("west")
			state.Succeeded = noon().Add(-2*time.Hour - time.Second)
			return errors.Join(err, tx.PutBundleState("west", state))
		}))
		s.core.Store = &writerStore{Store: s.core.Store, t: t, others: func(tx store.Tx) error {
			return tx.PutAnchor(store.Anchor{Source: store.ManualSource, Direction: store.In, Certificate: one.Cert.Raw, Fingerprint: store.FingerprintOf(one.Cert.Raw)})
		}}
		removed, err := s.RemoveBundle(t.Context(), BundleRemoval{Name: "west", Domain: domain})
		must(t, err)
		equal(t, "lost", removed.Lost, 1)
		equal(t, "stale", removed.Bundle.Stale, true)
		equal(t, "state", removed.Bundle.State, BundleStale)
	}
}

// Ordering a bundle again changes what is named and nothing else: trust is neither
// taken away nor given to more by that.
func TestOrderingABundleAgain(t *testing.T) {
	day, hour := 24*time.Hour, time.Hour
	old := store.Bundle{Name: "west", URL: "https://a.example/x", Every: day, Signer: testnet.NewPKI(t, noon()).Root("signer").Cert.Raw,
		Attached: []store.Attachment{to("a.example", store.Out)}}
	with := func(change func(*store.Bundle)) store.Bundle {
		b := old
		change(&b)
		return b
	}
	for name, tt := range map[string]struct {
		order   BundleOrder
		want    store.Bundle
		changes int
	}{
		"nothing":    {BundleOrder{}, old, 0},
		"the same":   {BundleOrder{URL: old.URL, Domains: []string{"a.example"}, Direction: "out", Every: &day}, old, 0},
		"an address": {BundleOrder{URL: "https://b.example/x"}, with(func(b *store.Bundle) { b.URL = "https://b.example/x" }), 1},
		"interval":   {BundleOrder{Every: &hour}, with(func(b *store.Bundle) { b.Every = hour }), 1},
		"another domain, in the same direction": {BundleOrder{Domains: []string{"b.example"}, Usual: "in"},
			with(func(b *store.Bundle) { b.Attached = append(b.Attached[:1:1], to("b.example", store.Out)) }), 1},
		"another direction": {BundleOrder{Domains: []string{"a.example"}, Direction: "in"},
			with(func(b *store.Bundle) { b.Attached = []store.Attachment{to("a.example", store.In)} }), 1},
		"another direction of all": {BundleOrder{Direction: "both"},
			with(func(b *store.Bundle) { b.Attached = []store.Attachment{to("a.example", store.Both)} }), 1},
		"the usual direction of others": {BundleOrder{Domains: []string{"a.example"}, Usual: "in"}, old, 0},
		"everything": {BundleOrder{URL: "https://b.example/x", Every: &hour, Domains: []string{"b.example"}, Direction: "in"},
			with(func(b *store.Bundle) {
				b.URL, b.Every = "https://b.example/x", hour
				b.Attached = append(b.Attached[:1:1], to("b.example", store.In))
			}), 3},
	} {
		tt.order.Name = "west"
		o, err := parseBundleOrder(tt.order)
		must(t, err)
		b := with(func(*store.Bundle) {})
		changes, err := o.apply(&b)
		must(t, err)
		equal(t, name, b, tt.want)
		equal(t, name+": changes", len(changes), tt.changes)
	}
	two := old
	two.Attached = []store.Attachment{to("a.example", store.Both), to("b.example", store.In)}
	_, err := bundleOrder{direction: store.In}.apply(&two)
	must(t, err)
	equal(t, "narrowed", two.Attached, []store.Attachment{to("a.example", store.In), to("b.example", store.In)})
	nobody := old
	nobody.Attached = nil
	_, err = bundleOrder{direction: store.In}.apply(&nobody)
	isRefused(t, "nobody believes it", err, Invalid)
	equal(t, "what was there", old.Attached, []store.Attachment{to("a.example", store.Out)})
}

func TestBundleOrdersAreChecked(t *testing.T) {
	s := ours(t, "a.example")
	good := BundleOrder{Name: "west", URL: "https://127.0.0.1:8443/x"}
	second, month := time.Second, 31*24*time.Hour
	for name, tt := range map[string]struct {
		change func(*BundleOrder)
		kind   Kind
	}{
		"name":             {func(o *BundleOrder) { o.Name = "West" }, Invalid},
		"no URL":           {func(o *BundleOrder) { o.URL = "" }, Invalid},
		"plain http":       {func(o *BundleOrder) { o.URL = "http://127.0.0.1:8443/x" }, Invalid},
		"too often":        {func(o *BundleOrder) { o.Every = &second }, Invalid},
		"too seldom":       {func(o *BundleOrder) { o.Every = &month }, Invalid},
		"signer":           {func(o *BundleOrder) { o.Signer = []byte("x") }, Invalid},
		"direction":        {func(o *BundleOrder) { o.Direction = "up" }, Invalid},
		"usual direction":  {func(o *BundleOrder) { o.Usual = "up" }, Invalid},
		"domain":           {func(o *BundleOrder) { o.Domains = []string{"nonsense"} }, Invalid},
		"domain not ours":  {func(o *BundleOrder) { o.Domains = []string{"c.example"} }, Negative},
		"many, one is not": {func(o *BundleOrder) { o.Domains = []string{"a.example", "c.example"} }, Negative},
	} {
		o := good
		tt.change(&o)
		_, err := s.AddBundle(t.Context(), o)
		isRefused(t, name, err, tt.kind)
	}
	all, err := s.Bundles(t.Context())
	must(t, err)
	equal(t, "stored", len(all), 0)

	// One that cannot be fetched is stored all the same.
	added, err := s.AddBundle(t.Context(), good)
	must(t, err)
	equal(t, "failure", added.Refresh.Failure, bundle.KindForbidden) // loopback
	equal(t, "fresh", added.Refresh.Fresh, false)
	equal(t, "state", added.Bundle.State, BundleFailing)
	equal(t, "believed by", added.Bundle.Attached, []BundleAttachment{{"", "both"}})
	if added.Refresh.Hint == "" || added.Bundle.Hint == "" || added.Bundle.FailingSince.IsZero() {
		t.Errorf("the failure is not told: %+v", added)
	}
	_, err = s.RefreshBundles(t.Context(), []string{"west", "east"})
	isRefused(t, "no such bundle", err, Negative)
}

func TestBundleStates(t *testing.T) {
	b := store.Bundle{Name: "west", URL: "https://a.example/", Every: time.Hour}
	fresh := store.BundleState{Attempted: noon(), Succeeded: noon(), Of: b.Definition()}
	failing, other := fresh, fresh
	failing.Failure, failing.FailedSince = bundle.KindTimeout, noon()
	other.Of = store.Fingerprint{1}
	for _, tt := range []struct {
		state store.BundleState
		stale bool
		want  string
	}{
		{store.BundleState{}, false, BundleWaiting}, {fresh, false, BundleFresh}, {fresh, true, BundleStale},
		{failing, false, BundleFailing}, {failing, true, BundleFailing}, {other, false, BundleWaiting},
	} {
		info := bundleInfo(gateway.BundleHealth{Bundle: b, State: tt.state, Stale: tt.stale}, noon())
		equal(t, "state", info.State, tt.want)
		equal(t, "stale", info.Stale, tt.stale)
		equal(t, "failure", info.Failure != "", tt.want == BundleFailing)
	}
}

// Anchors of bundles are listed and shown with where they are from, and are not
// removed one by one.
func TestAnchorsOfBundles(t *testing.T) {
	s := ours(t, "a.example", "b.example")
	ctx := t.Context()
	pki := testnet.NewPKI(t, noon())
	one, two := pki.Root("one"), pki.Root("two")
	bundleWith(t, s, store.Bundle{Name: "west", Attached: []store.Attachment{to("a.example", store.In), to("", store.Out)}}, one, two)
	bundleWith(t, s, store.Bundle{Name: "east"}, one)
	_, err := s.AddAnchors(ctx, AnchorsToAdd{Direction: "both", Certificates: [][]byte{two.Cert.Raw}})
	must(t, err)

	all, err := s.Anchors(ctx)
	must(t, err)
	equal(t, "all", len(all), 5)
	list, err := s.ListAnchors(ctx, AnchorFilter{Single: true})
	must(t, err)
	equal(t, "single", len(list.Anchors), 1)
	equal(t, "counted", list.Bundles, []BundleAnchors{{"west", "a.example", "in", 2}, {"west", "", "out", 2}})
	for source, want := range map[string]int{"west": 4, "bundle west": 4, "east": 0, "manual": 1, "extended-validation": 0} {
		list, err := s.ListAnchors(ctx, AnchorFilter{Source: source, Single: true})
		must(t, err)
		equal(t, source, len(list.Anchors), want)
	}
	_, err = s.ListAnchors(ctx, AnchorFilter{Source: "north"})
	isRefused(t, "no such source", err, Negative)

	shown, err := s.ShowAnchor(ctx, sha256Of(two.Cert))
	must(t, err)
	var sources []string
	for _, a := range shown {
		sources = append(sources, a.Source)
	}
	equal(t, "shown", sources, []string{"manual", "bundle west", "bundle west"})
	_, err = s.RemoveAnchor(ctx, AnchorName{SHA256: sha256Of(one.Cert)})
	isRefused(t, "of a bundle", err, Negative)
	_, err = s.RemoveAnchor(ctx, AnchorName{SHA256: sha256Of(two.Cert)})
	must(t, err)
	all, err = s.Anchors(ctx)
	must(t, err)
	equal(t, "left", len(all), 4)

	// TB-8: what an anchor asks for is told.
	strictBundle(t, s, store.Bundle{Name: "east", Attached: []store.Attachment{to("", store.Both)}}, []string{"1.2.3"}, one)
	list, err = s.ListAnchors(ctx, AnchorFilter{Source: "east"})
	must(t, err)
	equal(t, "listed", list.Anchors[0].Required, []string{"1.2.3"})
	shown, err = s.ShowAnchor(ctx, sha256Of(one.Cert))
	must(t, err)
	required := make(map[string][]string)
	for _, a := range shown {
		required[a.Source] = a.Required
	}
	equal(t, "shown", required, map[string][]string{"bundle east": {"1.2.3"}, "bundle west": nil})
}

// fetches answers every fetch with one file.
type fetches struct {
	body []byte
	err  error
}

func (f fetches) Do(context.Context, fetch.Request) (fetch.Document, error) {
	return fetch.Document{Body: f.body}, f.err
}

// diff tells what a fetch would change, and changes nothing.
func TestDiffOfABundle(t *testing.T) {
	s := ours(t, "a.example")
	ctx := t.Context()
	pki := testnet.NewPKI(t, noon())
	one, two, three := pki.Root("one"), pki.Root("two"), pki.Root("three")
	bundleWith(t, s, store.Bundle{Name: "west"}, one, two)
	file, err := bundle.Write([]*x509.Certificate{two.Cert, three.Cert})
	must(t, err)
	s.core.Bundles = fetches{body: file}
	before, err := s.Bundles(ctx)
	must(t, err)
	diff, err := s.DiffBundle(ctx, "west")
	must(t, err)
	equal(t, "anchors", diff.Anchors, 2)
	equal(t, "added", []string{diff.Added[0].SHA256}, []string{sha256Of(three.Cert)})
	equal(t, "removed", []string{diff.Removed[0].SHA256}, []string{sha256Of(one.Cert)})
	after, err := s.Bundles(ctx)
	must(t, err)
	equal(t, "bundles", after, before)
	shown, err := s.ShowBundle(ctx, "west")
	must(t, err)
	equal(t, "shown", len(shown.Certificates), 2)

	s.core.Bundles = fetches{body: []byte("nothing of use")}
	_, err = s.DiffBundle(ctx, "west")
	isRefused(t, "garbage", err, Negative)
	s.core.Bundles = fetches{err: context.DeadlineExceeded}
	_, err = s.DiffBundle(ctx, "west")
	isRefused(t, "timeout", err, Temporary)
	_, err = s.DiffBundle(ctx, "north")
	isRefused(t, "no bundle", err, Negative)
}

func TestInterval(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "only when asked", time.Minute: "every 1m", 90 * time.Second: "every 1m30s", 24 * time.Hour: "every 24h", 90 * time.Minute: "every 1h30m",
	} {
		equal(t, d.String(), Interval(d), want)
	}
}
