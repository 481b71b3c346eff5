package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/store"
)

const (
	crashesOut    = 8
	fewCrashesOut = 2 // with -short
)

// TestInteropKill9Outbound kills the sending gateway while it relays. What it
// answered 250 must arrive in the mailbox at the other one, and once: when the
// kill fell between that one's 250 and our commit the message is sent again
// (RFC 1047), and the other one must know it.
func TestInteropKill9Outbound(t *testing.T) {
	t.Parallel()
	rounds := crashesOut
	if testing.Short() {
		rounds = fewCrashesOut
	}
	p := newPair(t)
	p.a.stop()
	l := newTally()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var sent atomic.Int64
	next := func() (offer, bool) {
		i := int(sent.Add(1)) - 1
		o := offer{id: fmt.Sprintf("<%d@a.example>", i), from: "alice@a.example", to: "bob@b.example"}
		o.inner = record(o.from, o.to, o.id, bodySize(i))
		o.sent = o.inner
		return o, true
	}
	for range rounds {
		p.a.serve()
		l.pressAndKill(p.a, next, random)
		p.a.checkStore()
	}
	p.a.serve()
	p.a.waitIdle(nil)
	p.b.waitIdle(func(j store.Job) bool { return j.Automatic }) // answers that a was not there for
	arrived := make(map[string]int)
	for _, m := range p.b.inbox("bob@b.example", len(l.acked)) {
		id := messageID(m)
		arrived[id]++
		if m != l.offered[id].inner {
			t.Errorf("%s came with %d octets instead of %d", id, len(m), len(l.offered[id].inner))
		}
	}
	twice := 0
	for id := range l.offered {
		if l.acked[id] && arrived[id] == 0 {
			t.Errorf("%s was answered 250 and is lost", id)
		}
		twice += max(arrived[id]-1, 0)
	}
	if twice > 0 {
		t.Errorf("%d messages arrived twice", twice)
	}
	t.Logf("%d kills, %d offered, %d answered 250, %d arrived, %d of them once more", rounds, len(l.offered), len(l.acked), len(arrived), twice)
	p.b.alive()
	p.a.stop()
	p.a.checkStore()
}

// pressAndKill submits to a site in several sessions and kills it at a random
// moment.
func (l *tally) pressAndKill(s *site, next func() (offer, bool), random *rand.Rand) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), roundTime)
	defer cancel()
	config := s.clientTLS()
	config.InsecureSkipVerify = true // it is called localhost, to be let authenticate
	submission := s.address("submission")
	var all sync.WaitGroup
	for range 2 * sessions {
		all.Go(func() {
			l.press(ctx, func(ctx context.Context) (client, error) {
				return dialSubmission(ctx, submission, "alice@a.example", config)
			}, next)
		})
	}
	l.waitAcks(ctx, l.count()+random.IntN(acksPerRound))
	jitter := time.NewTimer(time.Duration(random.Int64N(int64(killJitter))))
	<-jitter.C
	s.kill()
	all.Wait()
}
