package bundle

import (
	"fmt"
	"slices"
	"strings"
)

// Bounds on what metadata asks for.
const (
	maxPolicies     = 64  // of one anchor
	maxPolicyLength = 256 // characters of one
)

// isOID reports whether text is an object identifier in dotted form.
func isOID(text string) bool {
	parts := strings.Split(text, ".")
	if len(text) > maxPolicyLength || len(parts) < 2 || len(parts[0]) != 1 || parts[0] > "2" {
		return false
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			return false
		}
	}
	return parts[0] == "2" || len(parts[1]) == 1 || len(parts[1]) == 2 && parts[1] < "40" // X.660 §7.6
}

var errPolicies = fmt.Errorf("it asks for more than %d policies", maxPolicies)

// join adds to a list of policies what is not there yet.
func join(all, more []string) ([]string, error) {
	joined := slices.Clip(all)
	for _, p := range more {
		if !slices.Contains(joined, p) {
			joined = append(joined, p)
		}
	}
	if len(joined) > maxPolicies {
		return nil, errPolicies
	}
	return joined, nil
}
