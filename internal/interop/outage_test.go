package interop

import (
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

// untilRetry is enough for the first attempt after 30 seconds, and for a busy
// machine.
const untilRetry = 90 * time.Second

// TestInteropOutages has DNS down for one gateway and the peer down for
// another: their users are answered 250 all the same, and when the outage is
// over the messages go out by themselves.
func TestInteropOutages(t *testing.T) {
	t.Parallel() // for most of the time it waits
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	leafA, leafB, leafC := root.Leaf("a.example"), root.Leaf("b.example"), root.Leaf("c.example")
	zones := map[string][]string{
		"a.example": mx(testnet.ZoneCERT("@", leafA.Cert)),
		"b.example": mx(testnet.ZoneCERT("@", leafB.Cert)),
		"c.example": mx(testnet.ZoneCERT("@", leafC.Cert)),
	}
	anchors := []*testnet.Identity{root}
	bind := testnet.BIND(t, zones)
	noDNS := testnet.DeadPort(t)
	b := newSite(t, "b.example", setup{dns: bind, users: []string{"bob@b.example"}, keys: []*testnet.Identity{leafB}, anchors: anchors})
	a := newSite(t, "a.example", setup{
		dns: noDNS, relayPort: portOf(t, b.backbone), users: []string{"alice@a.example"}, keys: []*testnet.Identity{leafA}, anchors: anchors,
	})
	c := newSite(t, "c.example", setup{
		dns: bind, relayPort: portOf(t, b.backbone), users: []string{"carol@c.example"}, keys: []*testnet.Identity{leafC}, anchors: anchors,
	})
	a.serve()
	c.serve()
	withoutDNS := record("alice@a.example", "bob@b.example", "<dns@a.example>", 1000)
	withoutPeer := record("carol@c.example", "bob@b.example", "<peer@c.example>", 1000)
	for _, o := range []struct {
		site             *site
		from, id, text   string
		state            store.TrackState
		kind             store.JobKind
		reason, whatFrom string
	}{
		{a, "alice@a.example", "<dns@a.example>", withoutDNS, store.TrackQueued, store.SealJob, "discovery-timeout", "DNS"},
		{c, "carol@c.example", "<peer@c.example>", withoutPeer, store.TrackSealed, store.RelayJob, "peer-unreachable", "the peer"},
	} {
		err := o.site.submit(o.from, "bob@b.example", o.text)
		if err != nil {
			t.Fatalf("submission without %s: %v", o.whatFrom, err)
		}
		o.site.waitTrack(o.id, time.Minute, func(l control.Life) bool {
			r := l.Recipients[0]
			return r.State == o.state && r.Reason == o.reason
		})
		o.site.checkQueued(o.kind, o.reason)
	}

	testnet.BINDAt(t, noDNS, zones)
	b.serve()
	a.waitTrack("<dns@a.example>", untilRetry, relayed)
	c.waitTrack("<peer@c.example>", untilRetry, relayed)
	got := b.inbox("bob@b.example", 2)
	for _, want := range []string{withoutDNS, withoutPeer} {
		if len(got) != 2 || got[0] != want && got[1] != want {
			t.Errorf("%s did not come, or came changed; there are %d messages", messageID(want), len(got))
		}
	}
	for _, s := range []*site{a, b, c} {
		s.alive()
	}
}

// relayed reports whether the far side took a message.
func relayed(l control.Life) bool {
	s := l.Recipients[0].State
	return s == store.TrackRelayed || s == store.TrackProcessed
}

// checkQueued looks for the only job and why it waits.
func (s *site) checkQueued(kind store.JobKind, reason string) {
	s.t.Helper()
	client, err := control.Dial(s.t.Context(), s.data())
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	jobs, err := client.Queue(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if len(jobs) != 1 || jobs[0].Kind != kind || jobs[0].Reason != reason {
		s.t.Errorf("the queue is %+v, want a job %s because of %s", jobs, kind, reason)
	}
}
