package interop

import (
	"fmt"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

// TestInteropDeadDomainDelaysNobodyElse sends many messages to a domain whose
// name servers are silent, and then one to another: that one is relayed while
// the others still wait.
func TestInteropDeadDomainDelaysNobodyElse(t *testing.T) {
	t.Parallel()
	const messages = 40 // more than there are workers
	root := testnet.NewPKI(t, time.Now()).Root("interop root")
	resolver := testnet.NewForwarder(t, testnet.BIND(t, map[string][]string{
		"b.example":    mx(testnet.ZoneCERT("@", root.Leaf("b.example", quick()).Cert)),
		"dead.example": mx(),
	}))
	resolver.Silence("dead")
	a := newSite(t, "a.example", setup{
		dns: resolver.Addr, relayPort: portOf(t, newSink(t).addr), users: []string{"alice@a.example"},
		keys: []*testnet.Identity{root.Leaf("a.example", quick())}, anchors: []*testnet.Identity{root},
	})
	a.serve()
	send := func(to, id string) {
		t.Helper()
		err := a.submit("alice@a.example", to, record("alice@a.example", to, id, 100))
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range messages {
		send(fmt.Sprintf("user%d@dead.example", i), fmt.Sprintf("<dead%d@a.example>", i))
	}
	send("bob@b.example", "<living@a.example>")
	a.waitTrack("<living@a.example>", time.Minute, relayed)
	decided := 0
	for i := range messages {
		life := a.waitTrack(fmt.Sprintf("<dead%d@a.example>", i), time.Minute, func(control.Life) bool { return true })
		if r := life.Recipients[0]; r.State != store.TrackQueued || r.Reason != "" {
			decided++
		}
	}
	if decided > messages/2 {
		t.Errorf("the message to the other domain was relayed after %d of those to the dead one were given up", decided)
	}
	t.Logf("%d of %d messages to the dead domain were given up for now", decided, messages)
	a.alive()
}
