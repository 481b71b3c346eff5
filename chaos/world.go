package main

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

// An order says how much is to go wrong.
type order struct {
	seed     uint64
	kills    int
	sessions int           // of clients, at each gateway
	pause    time.Duration // between two messages of one session, at most
	between  time.Duration // kills, on average
	drain    time.Duration // for what is left in the end
}

const (
	tearEvery = 5                      // kills, and one of so many starts is cut short
	startMost = 300 * time.Millisecond // how long such a start may take
)

// directoryDomain has its certificate in a directory.
const directoryDomain = "c.example"

// users are who writes and is written to, by domain.
func users() map[string]string {
	return map[string]string{"a.example": "alice@a.example", "b.example": "bob@b.example", "c.example": "carol@c.example"}
}

// A world is two gateways, a third that is scripted, and all that is between
// them: a.example on one, b.example and c.example on the other, f.example far
// away. The certificate of c.example is in a directory, the others in DNS.
type world struct {
	t      testing.TB
	order  order
	random *rand.Rand
	a, b   *house
	houses []*house
	disks  map[*house]disk
	far    *farSide
	links  []*link
	dns    *testnet.Forwarder
	ldap   *gate
	ledger *ledger
	calm   sync.Mutex // held while a disk is full: the kills wait
	report *report
}

func newWorld(t testing.TB, o order) *world {
	t.Helper()
	w := &world{
		t: t, order: o, random: rand.New(rand.NewPCG(o.seed, 0)), disks: make(map[*house]disk),
		ledger: &ledger{messages: make(map[string]*message)}, report: newReport(o.seed),
	}
	pki := testnet.NewPKI(t, time.Now())
	rootA, rootB := pki.Root("root of a"), pki.Root("root of b")
	leafA, leafB, leafC, leafF := rootA.Leaf("a.example"), rootB.Leaf("b.example"), rootB.Leaf("c.example"), rootB.Leaf("f.example")
	slapd := testnet.Slapd(t, "o=c.example", []testnet.Entry{{Mail: "c.example", Certificates: testnet.Certs(leafC)}})
	w.ldap = newGate(t, slapd)
	w.dns = testnet.NewForwarder(t, testnet.BIND(t, map[string][]string{
		"a.example":    {testnet.ZoneCERT("@", leafA.Cert)},
		"b.example":    {testnet.ZoneCERT("@", leafB.Cert)},
		"c.example":    {"_ldap._tcp IN SRV 0 0 " + portOf(t, w.ldap.addr) + " ns"},
		"f.example":    {testnet.ZoneCERT("@", leafF.Cert)},
		"bare.example": {},
	}))
	binary := buildPostern(t)
	w.far = newFarSide(t, leafF, o.seed)
	w.a = newHouse(t, binary, houseplan{
		dir: filepath.Join(t.TempDir(), "house"), domain: "a.example", users: []string{users()["a.example"]},
		keys: []*testnet.Identity{leafA}, anchors: []*testnet.Identity{rootB},
	})
	w.disks[w.a] = limited{}
	other := t.TempDir()
	small, ok := mountTmpfs(t, other)
	if !ok {
		small = limited{}
	}
	w.b = newHouse(t, binary, houseplan{
		dir: filepath.Join(other, "house"), domain: "b.example", more: []string{"c.example"}, users: []string{users()["b.example"], users()["c.example"]},
		keys: []*testnet.Identity{leafB, leafC}, anchors: []*testnet.Identity{rootA, rootB},
	})
	w.disks[w.b] = small
	w.houses = []*house{w.a, w.b}
	w.far.peer, w.far.back = leafA.Cert, w.a
	toA, toB := newLink(t, w.a.backbone), newLink(t, w.b.backbone)
	w.links = []*link{toA, toB}
	w.a.configure(w.dns.Addr, map[string]string{"b.example": toB.addr, "c.example": toB.addr, "f.example": w.far.addr})
	w.b.configure(w.dns.Addr, map[string]string{"a.example": toA.addr})
	return w
}

// senders are the users, with whom they write to.
func (w *world) senders() []sender {
	bob, carol, alice := users()["b.example"], users()["c.example"], users()["a.example"]
	return []sender{
		{w.a, alice, []addressee{{bob, arrives, 8}, {carol, arrives, 4}, {"fay@f.example", taken, 4}, {"nobody@b.example", fails, 1}, {"nobody@f.example", fails, 1}, {"dan@bare.example", fails, 1}}},
		{w.b, bob, []addressee{{alice, arrives, 8}, {carol, arrives, 2}, {"nobody@a.example", fails, 1}, {"dan@bare.example", fails, 1}}},
	}
}

// run has everything go wrong, and then waits until all is well.
func (w *world) run() *report {
	began := time.Now()
	for _, h := range w.houses {
		h.serve()
	}
	p := newPress(w.t, w.ledger, w.order)
	for _, s := range w.senders() {
		w.report.Accepted[s.house.domain] = 0
		for range w.order.sessions {
			p.session(s)
		}
	}
	w.storm()
	p.end()
	w.t.Logf("%d kills after %v; %d messages were answered 250", w.order.kills, time.Since(began).Round(time.Second), w.ledger.accepted.Load())
	w.settle()
	w.judge()
	w.close()
	w.report.Seconds = time.Since(began).Seconds()
	return w.report
}

// storm kills one gateway after the other while the weather is bad.
func (w *world) storm() {
	ctx, cancel := context.WithCancel(w.t.Context())
	weather := newWeather(faultsOf(w), rand.New(rand.NewPCG(w.order.seed, 99)), w.report.Faults)
	var all sync.WaitGroup
	for n := range uint64(2) {
		random := rand.New(rand.NewPCG(w.order.seed, 100+n))
		all.Go(func() { weather.blow(ctx, random) })
	}
	defer all.Wait()
	defer cancel()
	for w.report.Kills < w.order.kills {
		wait(ctx, time.Duration(w.random.Int64N(int64(2*w.order.between))))
		w.strike(ctx, w.houses[w.random.IntN(len(w.houses))])
	}
}

// strike kills a gateway and starts it again; now and then it is killed at that
// as well.
func (w *world) strike(ctx context.Context, h *house) {
	w.calm.Lock()
	defer w.calm.Unlock()
	h.kill()
	if n := w.report.Kills; n%tearEvery == 0 {
		w.tear(h, []tear{tornNext, cutNext}[n/tearEvery%2])
	}
	w.report.Kills++
	if w.random.IntN(tearEvery) == 0 && w.report.Kills < w.order.kills {
		h.launch()
		wait(ctx, time.Duration(w.random.Int64N(int64(startMost))))
		h.kill()
		w.report.Kills++
	}
	h.serve()
}

// tear tries a torn copy of a house that is down.
func (w *world) tear(h *house, k tear) {
	w.report.Torn++
	err := h.tryTorn(k, w.random)
	if err != nil {
		w.report.add(&w.report.Unopened, "%s: %v", k, err)
	}
}

// settle waits until nothing is under way.
func (w *world) settle() {
	ctx, cancel := context.WithTimeout(w.t.Context(), w.order.drain)
	defer cancel()
	for {
		left := 0
		for _, h := range w.houses {
			left += w.hurry(h)
		}
		if left == 0 {
			return
		}
		if ctx.Err() != nil {
			w.report.add(&w.report.Undrained, "%d jobs are left after %v", left, w.order.drain)
			return
		}
		wait(ctx, time.Second)
	}
}

// hurry makes what waits for its next attempt due, and counts what is there.
func (w *world) hurry(h *house) int {
	ctx, cancel := context.WithTimeout(w.t.Context(), commandTime)
	defer cancel()
	left := 0
	err := h.admin(ctx, func(c *control.Client) error {
		jobs, err := c.Queue(ctx)
		for _, j := range jobs {
			if j.Kind != store.KeptJob { // what was refused is not under way
				left++
			}
		}
		return err
	})
	if err != nil {
		w.t.Fatalf("asking %s for its queue: %v\n%s", h.domain, err, h.tail())
	}
	if left > 0 {
		_, _ = h.run(h.config(), "queue", "retry", "--all") // it may have emptied by now
	}
	return left
}

// close stops both gateways and checks what they leave, whole and torn.
func (w *world) close() {
	for _, h := range w.houses {
		h.stop()
		err := h.check(h.config())
		if err != nil {
			w.report.add(&w.report.Unsound, "%v", err)
		}
		w.tear(h, tornNewest)
		if n := h.panics(); n > 0 {
			w.report.add(&w.report.Panics, "%s: %d lines, such as in\n%s", h.domain, n, h.tail())
		}
	}
}
