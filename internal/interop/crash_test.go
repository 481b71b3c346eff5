package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
)

const (
	crashes      = 20
	fewCrashes   = 4   // with -short
	sessions     = 5   // each way
	acksPerRound = 120 // the most to wait for before a kill
	roundTime    = 10 * time.Second
	killJitter   = 10 * time.Millisecond
	sealedCorpus = 800
)

// TestInteropKill9 kills a gateway under load at random moments, again and
// again. What was answered 250 must be in the mailbox in the end, whole and
// once; what was not may be there, once at most.
func TestInteropKill9(t *testing.T) {
	t.Parallel()
	rounds := crashes
	if testing.Short() {
		rounds = fewCrashes
	}
	c := newCrashing(t, sealedCorpus*rounds/crashes)
	for round := range rounds {
		c.round(round)
		c.checkStore()
	}
	c.serve()
	c.waitIdle(leaving)
	c.judge()
	c.stop()
	c.checkStore()
}

// A crashing is a site that is killed while others write to it: far agents
// with sealed messages, and a user with messages to another user.
type crashing struct {
	*site
	*tally
	random    *rand.Rand
	corpus    []offer
	fromFar   atomic.Int64
	fromUser  atomic.Int64
	startedAt time.Time
}

func newCrashing(t *testing.T, sealed int) *crashing {
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	own, far := root.Leaf("b.example"), root.Leaf("a.example")
	c := &crashing{tally: newTally(), startedAt: time.Now()}
	c.site = newSite(t, "b.example", setup{
		users: []string{"bob@b.example", "carol@b.example"}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
	})
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c.random = rand.New(rand.NewPCG(seed, 0))
	agent := sealer{far, testnet.Certs(own)}
	for i := range sealed {
		o := offer{id: fmt.Sprintf("<%d@a.example>", i), from: "alice@a.example", to: "bob@b.example"}
		o.inner = record(o.from, o.to, o.id, bodySize(i))
		o.sent = agent.seal(t, o.inner, o.to)
		c.corpus = append(c.corpus, o)
	}
	t.Logf("%d messages sealed in %v", sealed, time.Since(c.startedAt).Round(time.Millisecond))
	return c
}

// bodySize makes every twentieth message one of several chunks in the store.
func bodySize(i int) int {
	if i%20 == 7 {
		return 600 << 10
	}
	return 4 << 10
}

func (c *crashing) nextFar() (offer, bool) {
	i := int(c.fromFar.Add(1)) - 1
	if i >= len(c.corpus) {
		return offer{}, false
	}
	return c.corpus[i], true
}

func (c *crashing) nextUser() (offer, bool) {
	i := int(c.fromUser.Add(1)) - 1
	o := offer{id: fmt.Sprintf("<%d@b.example>", i), from: "carol@b.example", to: "bob@b.example"}
	o.inner = record(o.from, o.to, o.id, bodySize(i))
	o.sent = o.inner
	return o, true
}

// round starts the site, lets the sessions press, and kills it.
func (c *crashing) round(n int) {
	c.t.Helper()
	c.serve()
	ctx, cancel := context.WithTimeout(c.t.Context(), roundTime)
	defer cancel()
	config := c.clientTLS()
	config.InsecureSkipVerify = true // the client calls it localhost, to be let authenticate
	submission := c.address("submission")
	var all sync.WaitGroup
	for range sessions {
		all.Go(func() {
			c.press(ctx, func(ctx context.Context) (client, error) { return dialBackbone(ctx, c.backbone) }, c.nextFar)
		})
		all.Go(func() {
			c.press(ctx, func(ctx context.Context) (client, error) {
				return dialSubmission(ctx, submission, "carol@b.example", config)
			}, c.nextUser)
		})
	}
	before := c.count()
	c.waitAcks(ctx, before+c.random.IntN(acksPerRound))
	jitter := time.NewTimer(time.Duration(c.random.Int64N(int64(killJitter))))
	<-jitter.C
	c.kill()
	all.Wait()
	c.t.Logf("kill %d: %d answered 250 in this life, %d in all", n+1, c.count()-before, c.count())
}

// leaving reports whether a job must leave the house: the notifications for the
// far sender, for whom there is no DNS here.
func leaving(j store.Job) bool {
	return j.Kind == store.SealJob && j.Automatic && j.Recipients[0].Domain() == "a.example"
}

// judge compares the mailboxes with what was answered.
func (c *crashing) judge() {
	c.t.Helper()
	arrived := make(map[string]int)
	for _, m := range c.inbox("bob@b.example", 0) {
		id := messageID(m)
		arrived[id]++
		if m != c.offered[id].inner {
			c.t.Errorf("%s came with %d octets instead of %d", id, len(m), len(c.offered[id].inner))
		}
	}
	lost, twice := 0, 0
	for id := range c.offered {
		if arrived[id] > 1 {
			twice++
			c.t.Errorf("%s came %d times", id, arrived[id])
		}
		if c.acked[id] && arrived[id] == 0 {
			lost++
			c.t.Errorf("%s was answered 250 and is lost", id)
		}
	}
	answers := make(map[string]int)
	for _, m := range c.inbox("carol@b.example", 0) {
		n, err := mdn.Parse(strings.NewReader(m), mime.Limits{})
		if err != nil {
			c.t.Fatalf("this is no notification: %v\n%s", err, tail(m))
		}
		answers[n.OriginalMessageID]++
	}
	for id, o := range c.offered {
		if o.from == "carol@b.example" && answers[id] != arrived[id] {
			c.t.Errorf("%s came %d times and was acknowledged %d times", id, arrived[id], answers[id])
		}
	}
	c.t.Logf("%d offered, %d answered 250, %d arrived, %d lost, %d twice, %d acknowledged to the user; %v in all",
		len(c.offered), len(c.acked), len(arrived), lost, twice, len(answers), time.Since(c.startedAt).Round(time.Second))
	if len(c.acked) < 10 {
		c.t.Errorf("only %d messages were answered 250: this was no load", len(c.acked))
	}
}

// messageID is that of a message's header.
func messageID(message string) string {
	head, _, _ := strings.Cut(message, "\r\n\r\n")
	_, rest, _ := strings.Cut(head, "\r\nMessage-ID: ")
	id, _, _ := strings.Cut(rest, "\r\n")
	return id
}
