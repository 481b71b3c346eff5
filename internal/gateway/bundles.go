package gateway

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"postern/bundle"
	"postern/internal/gateway/task"
	"postern/store"
)

// A RefreshResult is what became of one bundle's refresh.
type RefreshResult struct {
	Name string
	// Failure is the kind of failure, as store.BundleState has it, or
	// BundleSuperseded; "" says that the bundle is fresh.
	Failure string
	Detail  string
	Changed bool // the anchors, or what they ask for, are others than before
	Added   []*x509.Certificate
	Removed []*x509.Certificate
	Anchors int // in the set that counts now
	Bad     int // certificates that could not be read
	Took    time.Duration
}

// BundleSuperseded is the failure of a refresh during which the bundle was removed
// or got another URL or signer. What it brought was dropped, and is not recorded.
const BundleSuperseded = "superseded"

// RefreshBundles fetches the named bundles, or all of them, now, each whole, side
// by side, and in one flight with whoever else calls it for the same bundle. A name
// that is not there is store.ErrNotFound, before anything is fetched. The results
// are in the order of the names. An error is that of the store or of ctx, never
// that of a fetch; a flight goes on without who waited for it.
func (c *Core) RefreshBundles(ctx context.Context, names []string) ([]RefreshResult, error) {
	return c.bundles.refresh(ctx, names)
}

// BundlesChanged has the schedule look again at which bundles there are.
func (c *Core) BundlesChanged() { c.bundles.wake() }

// keepBundles refreshes bundles when they are due, until ctx is done.
func (c *Core) keepBundles(ctx context.Context) { c.bundles.run(ctx) }

// maxFetches is how many bundles are fetched at once, and how many whose last
// fetch failed beside them: servers that are down delay nobody else.
const maxFetches = 4

// A refresher keeps the bundles of a store fresh.
type refresher struct {
	store       store.Store
	fetcher     bundle.Fetcher
	directories *directories
	now         func() time.Time
	log         *slog.Logger

	woken   chan struct{} // of capacity 1
	good    chan struct{} // has a token for each fetch under way
	failing chan struct{} // the same, of bundles whose last fetch failed

	mu      sync.Mutex
	closed  bool
	ctx     context.Context // of all flights
	stop    context.CancelFunc
	flights map[string]*flight // by name of the bundle
	// paused are bundles whose refresh the store failed: its next time could not be
	// recorded, and must not be at once.
	paused  map[string]time.Time
	running sync.WaitGroup

	toldStale, toldFailing reminder
}

// A flight is one refresh under way, with all who wait for it.
type flight struct {
	definition store.Fingerprint
	whole      bool
	cancel     context.CancelFunc
	done       chan struct{} // closed when the rest is there
	result     RefreshResult
	err        error
}

func (r *refresher) init(c *Core) {
	r.store, r.fetcher, r.directories, r.now, r.log = c.Store, c.Bundles, &c.directories, c.Now, c.Log
	r.woken = make(chan struct{}, 1)
	r.good, r.failing = make(chan struct{}, maxFetches), make(chan struct{}, maxFetches)
	r.flights, r.paused = make(map[string]*flight), make(map[string]time.Time)
	r.toldStale, r.toldFailing = make(reminder), make(reminder)
	r.ctx, r.stop = context.WithCancel(context.Background())
}

// close ends the flights.
func (r *refresher) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.stop()
	r.running.Wait()
}

// wake has run look at the bundles.
func (r *refresher) wake() {
	select {
	case r.woken <- struct{}{}:
	default:
	}
}

func (r *refresher) refresh(ctx context.Context, names []string) ([]RefreshResult, error) {
	bundles, err := r.bundles(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("reading the bundles: %w", err)
	}
	flights := make([]*flight, len(bundles))
	for i, b := range bundles {
		flights[i] = r.start(b, true)
	}
	results := make([]RefreshResult, len(bundles))
	var errs []error
	for i, f := range flights {
		if !await(ctx, f.done) {
			return nil, ctx.Err()
		}
		results[i] = f.result
		errs = append(errs, f.err)
	}
	return results, errors.Join(errs...)
}

// bundles returns those of the names, or all.
func (r *refresher) bundles(ctx context.Context, names []string) (all []store.Bundle, err error) {
	err = r.store.View(ctx, func(tx store.Tx) error {
		if len(names) == 0 {
			all, err = tx.Bundles()
			all = slices.DeleteFunc(all, func(b store.Bundle) bool { return b.Damaged }) // where it is from is not known
			return err
		}
		for _, name := range names {
			b, err := tx.Bundle(name)
			if err != nil {
				return err
			}
			all = append(all, b)
		}
		return nil
	})
	return all, err
}

// start joins the flight of a bundle, or begins one in the place of one that
// fetches what the bundle no longer is, or asks only whether anything is new.
func (r *refresher) start(b store.Bundle, whole bool) *flight {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.flights[b.Name]
	if old != nil && old.definition == b.Definition() && (old.whole || !whole) {
		return old
	}
	if old != nil {
		old.cancel()
	}
	f := &flight{definition: b.Definition(), whole: whole, done: make(chan struct{}), result: RefreshResult{Name: b.Name}}
	if r.closed {
		f.err = context.Canceled
		close(f.done)
		return f
	}
	ctx, cancel := context.WithCancel(r.ctx)
	f.cancel = cancel
	r.flights[b.Name] = f
	r.running.Go(func() {
		defer r.land(b.Name, f)
		f.err = task.Contained(func() (err error) {
			if old != nil {
				<-old.done
			}
			f.result, err = (&refreshing{refresher: r, bundle: b, was: b, whole: whole}).fly(ctx)
			return err
		})
	})
	return f
}

// land ends a flight.
func (r *refresher) land(name string, f *flight) {
	f.cancel()
	r.mu.Lock()
	if r.flights[name] == f {
		delete(r.flights, name)
	}
	delete(r.paused, name)
	if f.err != nil && r.ctx.Err() == nil {
		r.paused[name] = r.now().Add(retryBundle)
		r.log.Error("a bundle could not be refreshed", "bundle", name, "err", f.err)
	}
	r.mu.Unlock()
	close(f.done)
	r.wake()
}

// underWay returns the definitions of the bundles that are being fetched, and
// which are left alone until when.
func (r *refresher) underWay() (flying map[string]store.Fingerprint, paused map[string]time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	flying = make(map[string]store.Fingerprint, len(r.flights))
	for name, f := range r.flights {
		flying[name] = f.definition
	}
	return flying, maps.Clone(r.paused)
}
