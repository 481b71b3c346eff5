package password

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
)

// However many ask from one network, another has the next turn, and one that is
// known goes before both.
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
		ask("known", Client{Network: flood, Known: true})
		cancel()
		if <-gone == nil {
			t.Error("who went away has a turn")
		}
		r.release(1)
		synctest.Wait()
		if len(order) != 102 || order[0] != "known" || order[1] != "flood" || order[2] != "other" {
			t.Errorf("%d turns, %v", len(order), order[:min(4, len(order))])
		}
		if r.free != 1 || len(r.lines[0].waiting)+len(r.lines[1].waiting)+len(r.lines[1].order) != 0 {
			t.Errorf("left: %+v", r)
		}
	})
}
