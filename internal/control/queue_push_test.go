package control

import (
	"testing"

	"postern/store"
)

// A push is found by each of the addresses that it answers for.
func TestAPushIsPickedByEachOfItsNames(t *testing.T) {
	j := store.Job{Kind: store.PushJob, Recipients: addresses(t, "bob@b.example"),
		Push: store.Push{Also: []store.PushName{{Address: addressOf(t, "robert@c.example")}}}}
	for _, c := range []struct {
		p    picker
		want bool
	}{
		{picker{to: addressOf(t, "bob@b.example")}, true},
		{picker{to: addressOf(t, "robert@c.example")}, true},
		{picker{toDom: "c.example"}, true},
		{picker{to: addressOf(t, "carol@b.example")}, false},
	} {
		if got := c.p.picks(j); got != c.want {
			t.Errorf("%+v: %v", c.p, got)
		}
	}
}
