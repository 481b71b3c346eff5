package bundle

import (
	"crypto/x509"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTB13_Diff(t *testing.T) {
	c := anchors(t, 4)
	added, removed := Diff([]*x509.Certificate{c[0], c[1], c[2]}, []*x509.Certificate{c[2], c[3], c[0], c[3]})
	if !slices.Equal(added, c[3:]) || !slices.Equal(removed, c[1:2]) {
		t.Errorf("%d added, %d removed", len(added), len(removed))
	}
	added, removed = Diff(c, c)
	if added != nil || removed != nil {
		t.Errorf("the same: %v, %v", added, removed)
	}
	changes := DiffPolicies(
		[]Anchor{{c[0], nil}, {c[1], []string{"1.2", "1.3"}}, {c[2], []string{"1.2"}}},
		[]Anchor{{c[0], []string{"1.2"}}, {c[1], []string{"1.3", "1.2"}}, {c[2], nil}, {c[3], []string{"1.2"}}})
	want := []PolicyChange{{c[0], nil, []string{"1.2"}}, {c[2], []string{"1.2"}, nil}}
	if diff := cmp.Diff(want, changes, cmp.Comparer((*x509.Certificate).Equal)); diff != "" {
		t.Error(diff)
	}
}
