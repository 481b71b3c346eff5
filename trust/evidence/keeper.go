package evidence

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"postern/internal/fetch"
	"postern/trust"
)

// defaultBudget is how long a judgement waits for one server.
const defaultBudget = 5 * time.Second

// Bounds on what is remembered, on each side.
const (
	maxEntries    = 10_000
	issuerBytes   = 16 << 20
	documentBytes = 64 << 20
)

// A Fetcher is what fetch.Client is.
type Fetcher interface {
	Do(ctx context.Context, r fetch.Request) (fetch.Document, error)
}

// A Keeper is a trust.Evidence over HTTP. Its fields are set before it is used
// and left alone after that; the zero Keeper fetches from the public internet
// and keeps everything in memory. Run refreshes what it has; Close ends it.
type Keeper struct {
	Fetcher Fetcher       // nil is the zero fetch.Client
	Cache   Cache         // nil is none
	Budget  time.Duration // how long a question waits at most; 0 is 5 seconds
	// Now is the clock that documents are dated by; nil is the system's.
	Now func() time.Time
	Log *slog.Logger // nil is none

	made    sync.Once
	indexed sync.Once
	ctx     context.Context // of flights
	cancel  context.CancelFunc
	flights sync.WaitGroup

	pruning sync.RWMutex // held to read by each save, and before mu
	mu      sync.Mutex
	closed  bool
	strange side // of issuers
	known   side // of CRLs and OCSP answers
	lanes   map[kind]*lane
	written int64 // octets saved since the cache was pruned last
	share   int64 // octets of issuers in the cache, about: what was forgotten and is saved anew counts twice until pruned
}

var _ trust.Evidence = (*Keeper)(nil)

// begin makes a Keeper ready for questions, once: it learns what the cache has.
func (k *Keeper) begin() {
	k.make()
	k.indexed.Do(k.index)
}

func (k *Keeper) make() {
	k.made.Do(func() {
		k.ctx, k.cancel = context.WithCancel(context.Background())
		k.strange.entries, k.strange.bytes = maxEntries, issuerBytes
		k.known.entries, k.known.bytes = maxEntries, documentBytes
		k.strange.hosts, k.known.hosts, k.lanes = make(hosts), make(hosts), newLanes()
	})
}

// index makes entries of what is in the cache, the last used last.
func (k *Keeper) index() {
	if k.Cache == nil {
		return
	}
	all, err := k.listed()
	if err != nil {
		k.log().Warn("the cache of revocation cannot be read", "err", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.strange.lost, k.known.lost = err != nil, err != nil
	slices.SortStableFunc(all, func(a, b Stored) int { return a.Used.Compare(b.Used) })
	for _, s := range all { // each table keeps as many of the last as it has room for
		id, ok := parseKey(s.Key)
		if !ok {
			continue
		}
		e := k.side(id.kind).get(id, parties{}, s.Used)
		e.stored, e.storedFetched, e.storedDue, e.saved = true, s.Fetched, s.Expires, s.Used
		if id.kind == issuers {
			e.storedSize = s.Size
			k.share += s.Size
		}
	}
}

func (k *Keeper) listed() ([]Stored, error) {
	var all []Stored
	err := k.Cache.Each(k.ctx, func(s Stored) bool {
		if isOurs(s.Key) {
			all = append(all, s)
		}
		return true
	})
	return all, err
}

// Close stops all fetches and returns when nothing of them is left; until then
// the cache may be used. Questions after it are answered from memory.
func (k *Keeper) Close() {
	k.make()
	k.cancel()
	k.mu.Lock()
	k.closed = true
	k.dispatch(k.now())
	k.mu.Unlock()
	k.flights.Wait()
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

func (k *Keeper) budget() time.Duration { return cmp.Or(max(k.Budget, 0), defaultBudget) }

func (k *Keeper) log() *slog.Logger {
	if k.Log != nil {
		return k.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (k *Keeper) fetcher() Fetcher {
	if k.Fetcher != nil {
		return k.Fetcher
	}
	return &fetch.Client{Now: k.Now}
}
