package password

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
)

// However many ask from one network, another has the next turn, and one that is
// known goes before both. Nothing is left of those that had theirs or went away.
func TestTurnsGoByNetwork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &turns{free: 1}
		flood, other := netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.51.100.0/24")
		if err := r.acquire(t.Context(), Client{}, 1); err != nil {
			t.Fatal(err)
		}
		var order []string
		ask := func(name string, c Client) {
			go func() {
				if r.acquire(t.Context(), c, 1) == nil {
					order = append(order, name)
					r.release(1)
				}
			}()
			synctest.Wait()
		}
		for range 100 {
			ask("flood", Client{Network: flood})
		}
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		go func() { gone <- r.acquire(ctx, Client{Network: other}, 1) }()
		synctest.Wait()
		ask("other", Client{Network: other})
		ask("known", Client{Network: flood, Account: "alice@a.example"})
		cancel()
		if <-gone == nil {
			t.Error("who went away has a turn")
		}
		r.release(1)
		synctest.Wait()
		if len(order) != 102 || order[0] != "known" || order[1] != "flood" || order[2] != "other" {
			t.Errorf("%d turns, %v", len(order), order[:min(4, len(order))])
		}
		left := len(r.known.waiting) + len(r.known.order) + len(r.strangers.waiting) + len(r.strangers.order)
		if r.free != 1 || left != 0 {
			t.Errorf("left: %+v", r)
		}
	})
}

// Whatever the others do, nobody waits for more turns than there are shares: all of
// them ask again and again, some much more than others, and in any order.
func TestNobodyStarves(t *testing.T) {
	const accounts, networks, most = 7, 5, 20
	var all []Client
	for i := range accounts { // all of them behind one address
		all = append(all, Client{Network: netip.MustParsePrefix("192.0.2.0/24"), Account: fmt.Sprintf("u%d@a.example", i)})
	}
	for i := range networks {
		all = append(all, Client{Network: netip.MustParsePrefix(fmt.Sprintf("198.51.%d.0/24", i))})
	}
	type asked struct {
		*waiter
		from, ahead int // the turn at which it asked, how many of its own were before it
	}
	random := rand.New(rand.NewPCG(1, 2))
	var r turns
	r.free = 1
	held := r.enter(Client{}, 1)
	waiting := make(map[Client][]asked)
	had := make(map[Client]int)
	for turn := range 20_000 {
		for _, c := range all {
			// The first of either kind is the one that floods, the last asks rarely.
			want := most
			switch c {
			case all[accounts-1], all[len(all)-1]:
				want = random.IntN(50) / 49
			case all[0], all[accounts]:
			default:
				want = random.IntN(3)
			}
			for len(waiting[c]) < want {
				waiting[c] = append(waiting[c], asked{r.enter(c, 1), turn, len(waiting[c])})
			}
		}
		<-held.ready
		r.release(1)
		granted := 0
		for i, c := range all {
			if len(waiting[c]) == 0 {
				continue
			}
			w := waiting[c][0]
			select {
			case <-w.ready:
			default:
				continue
			}
			granted++
			held, waiting[c] = w.waiter, waiting[c][1:]
			had[c]++
			bound := (w.ahead + 1) * networks * (knownTurns + 1)
			if i < accounts {
				bound = (w.ahead+1)*accounts*(knownTurns+1)/knownTurns + 1
			}
			if turn-w.from >= bound {
				t.Fatalf("%v waited for %d turns with %d of its own before it, at most %d are its part", c, turn-w.from+1, w.ahead, bound)
			}
		}
		if granted != 1 {
			t.Fatalf("%d turns at once", granted)
		}
	}
	for _, c := range all {
		if had[c] == 0 {
			t.Errorf("%v had none", c)
		}
	}
}
