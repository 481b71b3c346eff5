package control

import (
	"postern/bundle"
	"postern/internal/gateway"
)

// failureHint is what to do about a kind of failure.
func failureHint(kind string) string {
	if kind == gateway.BundleSuperseded {
		return "refresh it again as it is now"
	}
	return bundle.Hint(kind)
}

// failurePasses reports whether a kind of failure may pass by itself; the others
// want somebody to do something.
func failurePasses(kind string) bool {
	switch kind {
	case bundle.KindStatus, bundle.KindTimeout, bundle.KindUnreachable, gateway.BundleSuperseded:
		return true
	}
	return false
}
