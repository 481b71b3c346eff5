package evidence

import (
	"context"
	"time"
)

// A Cache keeps documents over a restart. It need not be trusted: what comes out
// of it is verified like what comes from the network. It is used by many
// goroutines.
type Cache interface {
	// Load returns the document of a key, and whether there is one.
	Load(ctx context.Context, key string) (Stored, bool, error)
	// Save replaces or creates.
	Save(ctx context.Context, s Stored) error
	// Touch sets Used. Of what is not there it is no error.
	Touch(ctx context.Context, key string, used time.Time) error
	// Each calls fn for every document, with Size yet without Body, until it
	// returns false.
	Each(ctx context.Context, fn func(Stored) bool) error
	// Remove of what is not there is no error.
	Remove(ctx context.Context, key string) error
}

// Stored is a document in a Cache.
type Stored struct {
	Key     string // at most 1024 octets, no NUL
	Body    []byte
	Size    int64 // octets of Body; the cache tells it
	Fetched time.Time
	Expires time.Time // when it is to be fetched again
	Used    time.Time // when it was asked for last, to the day
}

// day is a time as Used has it.
func day(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
