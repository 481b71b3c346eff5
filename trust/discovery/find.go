package discovery

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/miekg/dns"

	"postern/internal/fetch"
	"postern/internal/guard"
	"postern/mime"
	"postern/trust/reason"
)

// DefaultBudget bounds everything that Find does for one address (CD-30).
const DefaultBudget = 30 * time.Second

// Bounds on the time of what Find does, as parts of its budget, so that no dead
// source takes the time of those after it. With the default budget they are 8,
// 12, 4, 20 and 16 seconds.
const (
	addressShare   = 8. / 30
	certShare      = 12. / 30 // both CERT questions together
	serviceShare   = 4. / 30  // the SRV question
	directoryShare = 20. / 30 // SRV and directories together
	walkShare      = 16. / 30 // all directories, for one name
)

// A Fetcher is what fetch.Client is.
type Fetcher interface {
	Do(ctx context.Context, r fetch.Request) (fetch.Document, error)
}

// A Resolver finds certificates. Its fields are set before it is used and left
// alone after that; DNS must be set. It is safe for concurrent use. Close ends it.
type Resolver struct {
	DNS     *DNS
	Network guard.Policy // where LDAP servers may be
	// Fetcher gets the certificates that DNS names by URL; its guard says where
	// they may be. Nil is a fetch.Client under Network.
	Fetcher Fetcher
	Budget  time.Duration // for one Find; 0 is DefaultBudget
	Cache   Cache         // keeps certificates over a restart; nil is none
	// Now is the clock by which answers age; nil is the system's.
	Now func() time.Time
	Log *slog.Logger // nil is none

	made    sync.Once
	results *resultCache // of directories and documents
	places  places       // of searches
	asking  places       // of directories that are asked
	domains domains
	servers deadServers
	counts  findCounts
	keep    keeper
}

// begin makes a Resolver ready for questions, and has it take up what the Cache
// has. Nobody waits for that.
func (r *Resolver) begin() {
	r.make()
	r.keep.load.Do(func() { go r.load() })
}

func (r *Resolver) make() {
	r.made.Do(func() {
		r.results = newCache[resultKey, *lookupResult, *search](r.now, maxResults, maxResultOctets)
		r.keep.make()
	})
}

// now is the wall clock alone, as with DNS: answers age while a machine sleeps.
func (r *Resolver) now() time.Time {
	if r.Now != nil {
		return r.Now().Round(0)
	}
	return time.Now().Round(0)
}

func (r *Resolver) log() *slog.Logger {
	if r.Log != nil {
		return r.Log
	}
	return slog.New(slog.DiscardHandler)
}

func (r *Resolver) budget() time.Duration { return cmp.Or(max(r.Budget, 0), DefaultBudget) }

// share is a part of the budget.
func (r *Resolver) share(part float64) time.Duration {
	return time.Duration(float64(r.budget()) * part)
}

// Find asks the four sources for the certificates of an address, one after the
// other, and stops at the first that has any, be they good or not: an unusable
// certificate is an answer, and the next source no way around it (CD-41).
// A source that fails is passed over (CD-9, CD-31). Domains whose name servers
// are dead are not asked for every address anew.
func (r *Resolver) Find(ctx context.Context, ask Request) Result {
	r.begin()
	fresh := ask.Fresh || r.domains.revived(ask.Address.Domain())
	f := finder{Resolver: r, addr: ask.Address, fresh: fresh, began: r.now()}
	if ask.Address.IsZero() {
		f.result.Err = reason.New(reason.NoCertificate, "the null address has no certificate")
	} else {
		f.find(ctx)
	}
	r.counts.add(&f.result)
	return f.result
}

// AskAgain has a domain whose name servers gave no answer a moment ago asked by the
// next search, as if that were fresh.
func (r *Resolver) AskAgain(d mime.Domain) { r.domains.revive(d, r.now()) }

// find answers from what is kept, or searches when the domain's turn comes. The
// budget counts from then; the wait has the same bound of its own.
func (f *finder) find(caller context.Context) {
	if f.kept() {
		return
	}
	domain := f.addr.Domain()
	wait, cancel := context.WithTimeout(caller, f.budget())
	defer cancel()
	leave, err := f.places.enter(wait, findBounds, domain, f.domains.known(domain, f.now()))
	if err != nil {
		f.notAsked(DNSAddress, f.addr.String(), "so much was being asked that its turn did not come", err)
		f.conclude(wait)
		return
	}
	defer leave()
	_, _, dead := f.domains.dead(domain, f.now())
	if dead && f.kept() { // it died while this waited
		return
	}
	ctx, cancel := context.WithTimeout(caller, f.budget())
	defer cancel()
	f.run(ctx)
	f.conclude(ctx)
	switch {
	case f.alive:
		f.domains.alive(domain, f.now())
	case !f.answered && f.result.Err != nil && f.result.Err.Code == reason.DiscoveryTimeout && caller.Err() == nil:
		f.domains.died(domain, f.now())
	}
}

// kept answers without asking anybody, and reports whether that does: because
// all that a search would ask for is kept, or because the domain's name servers
// gave no answer a while ago and need not be waited for again. What is kept of
// such a domain serves all the same.
func (f *finder) kept() bool {
	now := f.now()
	since, until, dead := f.domains.dead(f.addr.Domain(), now)
	if f.fresh || !dead && !f.knowsFirst() {
		return false
	}
	k := *f
	if dead {
		k.idle = &idle{age: now.Sub(since), left: until.Sub(now)}
	}
	over, cancel := context.WithCancel(context.Background())
	cancel() // with which nobody is asked
	if !k.records(over) && (dead || !k.missed) {
		k.directories(over)
	}
	switch {
	case dead && len(k.result.Certificates) == 0:
		k.result.Err = reason.New(reason.DiscoveryTimeout, "the name servers of %s gave no answer at %s and are asked again at %s",
			f.addr.Domain(), reason.Date(since), reason.Date(until))
		f.counts.spared.Add(1)
	case !dead && k.missed:
		return false
	default:
		k.conclude(context.Background())
	}
	*f = k
	return true
}

// knowsFirst reports whether the first answer that a search takes is kept. Most
// often the rest is, or none is.
func (f *finder) knowsFirst() bool {
	name, err := AddressName(f.addr)
	if err != nil {
		name = f.addr.Domain().String()
	}
	return f.DNS.knows(name, dns.TypeCERT)
}

// idle is since when a domain's name servers are not asked, and for how long.
type idle struct{ age, left time.Duration }

// seconds writes an age as steps have it.
func seconds(d time.Duration) string { return d.Round(time.Second).String() }
