package bundle

import (
	"crypto/x509"
	"slices"
)

// Diff returns the certificates that are in one set alone: those of after in
// added, those of before in removed, each in the order of its set.
func Diff(before, after []*x509.Certificate) (added, removed []*x509.Certificate) {
	return without(after, before), without(before, after)
}

// without returns those of all that are not among others.
func without(all, others []*x509.Certificate) []*x509.Certificate {
	known := make(map[string]bool, len(others))
	for _, c := range others {
		known[string(c.Raw)] = true
	}
	var rest []*x509.Certificate
	for _, c := range all {
		if !known[string(c.Raw)] {
			rest = append(rest, c)
			known[string(c.Raw)] = true
		}
	}
	return rest
}

// A PolicyChange is an anchor of two sets that asks for other policies in the
// second.
type PolicyChange struct {
	Certificate   *x509.Certificate
	Before, After []string
}

// DiffPolicies returns the anchors that are in both sets and ask for other
// policies, whatever their order, in that of after.
func DiffPolicies(before, after []Anchor) []PolicyChange {
	policies := make(map[string][]string, len(before))
	for _, a := range before {
		policies[string(a.Certificate.Raw)] = a.Policies
	}
	var changes []PolicyChange
	for _, a := range after {
		was, ok := policies[string(a.Certificate.Raw)]
		if ok && !slices.Equal(slices.Sorted(slices.Values(was)), slices.Sorted(slices.Values(a.Policies))) {
			changes = append(changes, PolicyChange{Certificate: a.Certificate, Before: was, After: a.Policies})
		}
	}
	return changes
}
