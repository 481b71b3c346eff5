package kit

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"postern/internal/fetch"
	"postern/trust/evidence"
)

// A network answers from the files that a vector names. What it does not name
// is not there.
type network struct {
	documents map[string][]byte // by URL; nil is down
	now       time.Time
}

// evidence returns a keeper over the vector's network, whose clock stands at the
// vector's time.
func (v vector) evidence(t *testing.T) *evidence.Keeper {
	t.Helper()
	n := network{documents: make(map[string][]byte), now: v.Time}
	for url, file := range v.Network {
		n.documents[url] = nil
		if file != down {
			n.documents[url] = read(t, file)
		}
	}
	k := &evidence.Keeper{Fetcher: n, Now: func() time.Time { return v.Time }}
	t.Cleanup(k.Close)
	return k
}

// Do implements evidence.Fetcher. An OCSP responder takes its questions by GET
// below its URL, and by POST (RFC 6960 appendix A).
func (n network) Do(_ context.Context, r fetch.Request) (fetch.Document, error) {
	for url, document := range n.documents {
		if r.URL != url && !strings.HasPrefix(r.URL, url+"/") {
			continue
		}
		if document == nil {
			return fetch.Document{}, fmt.Errorf("%w: %s", fetch.ErrUnanswered, url)
		}
		if len(document) > max(r.Limit, 64<<10) {
			return fetch.Document{}, fetch.ErrTooLarge
		}
		return fetch.Document{Body: bytes.Clone(document), Fetched: n.now}, nil
	}
	return fetch.Document{}, &fetch.StatusError{Code: http.StatusNotFound}
}
