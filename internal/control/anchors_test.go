package control

import (
	"testing"

	"postern/internal/testnet"
)

// Adding an anchor takes no trust away: in and out, given one after the other,
// are both.
func TestAnchorsWiden(t *testing.T) {
	s := ours(t, "a.example")
	ctx := t.Context()
	root := testnet.NewPKI(t, noon()).Root("root").Cert.Raw
	for _, step := range []struct{ domain, direction, want string }{
		{"", "in", "in"}, {"", "in", "in"}, {"", "out", "both"}, {"", "in", "both"},
		{"a.example", "out", "out"}, {"a.example", "both", "both"},
	} {
		added, err := s.AddAnchors(ctx, AnchorsToAdd{Domain: step.domain, Direction: step.direction, Certificates: [][]byte{root}})
		must(t, err)
		equal(t, "told", added[0].Direction, step.want)
		all, err := s.Anchors(ctx)
		must(t, err)
		for _, a := range all {
			if a.Domain == step.domain {
				equal(t, "kept", a.Direction, step.want)
			}
		}
	}
}
