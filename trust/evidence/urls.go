package evidence

import (
	"fmt"
	"slices"

	"postern/internal/fetch"
	"postern/trust/reason"
)

// Bounds on what a certificate may cause.
const (
	maxURLs = 4   // of revocation; trust.MaxIssuerURLs is for its issuer
	maxURL  = 900 // octets, so that a key of the cache has room for it
)

// urls returns those of a certificate's URLs that are fetched from, each once and
// the first so many, and says of some of the others why not.
func urls(all []string, most int) (use, passed []string) {
	pass := func(why string) {
		if len(passed) < maxURLs {
			passed = append(passed, why)
		}
	}
	for _, raw := range all {
		problem := urlProblem(raw)
		switch {
		case problem != nil:
			pass("passed over " + shown(raw) + ": " + problem.Error())
		case slices.Contains(use, raw):
		case len(use) == most:
			pass("passed over further URLs")
			return use, passed
		default:
			use = append(use, raw)
		}
	}
	return use, passed
}

func urlProblem(raw string) error {
	if len(raw) > maxURL {
		return fmt.Errorf("%w: it has more than %d octets", fetch.ErrURL, maxURL)
	}
	_, err := fetch.Parse(raw)
	return err
}

// shown is a URL as details have it.
func shown(url string) string { return reason.Line(url, 120) }
