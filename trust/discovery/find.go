package discovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"postern/internal/guard"
	"postern/mime"
	"postern/trust/reason"
)

// DefaultBudget bounds everything that Find does for one address (CD-30).
const DefaultBudget = 30 * time.Second

// A Resolver finds certificates. It is safe for concurrent use.
type Resolver struct {
	DNS     *DNS
	Network guard.Policy  // where LDAP servers may be
	Budget  time.Duration // for one Find; 0 is DefaultBudget
}

// Find asks the four sources for the certificates of an address, one after the other,
// and stops at the first that has any, be they good or not: an unusable
// certificate is an answer, and the next source no way around it (CD-41).
// A source that fails is passed over (CD-9, CD-31).
func (r *Resolver) Find(ctx context.Context, ask Request) Result {
	budget := r.Budget
	if budget <= 0 {
		budget = DefaultBudget
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()

	f := finder{Resolver: r, addr: ask.Address, fresh: ask.Fresh}
	if !f.run(ctx) {
		f.result.Err = f.nothing(ctx)
	}
	return f.result
}

// A finder is one Find under way.
type finder struct {
	*Resolver
	addr      mime.Address
	fresh     bool
	result    Result
	temporary error  // the first failure that may pass
	spoiled   string // where there was something, and none of it could be read
}

// run reports whether there are certificates.
func (f *finder) run(ctx context.Context) bool {
	if f.addr.IsZero() {
		return false
	}
	name, err := AddressName(f.addr)
	done := false
	if err != nil {
		f.record(Step{Source: DNSAddress, Query: f.addr.String(), Outcome: err.Error()})
	} else {
		done = f.cert(ctx, DNSAddress, name)
	}
	if !done {
		done = f.cert(ctx, DNSDomain, f.addr.Domain().String()) // CD-2
	}
	if !done {
		f.directories(ctx) // CD-20
	}
	return len(f.result.Certificates) > 0
}

// cert asks DNS for the CERT records at name and reports whether to stop here.
func (f *finder) cert(ctx context.Context, source Source, name string) bool {
	began := time.Now()
	a, err := f.DNS.query(ctx, name, dns.TypeCERT, f.fresh)
	h := haulOf(certRecords(a))
	step := Step{Source: source, Query: name + " CERT", Server: a.server, Duration: time.Since(began), Outcome: h.String()}
	f.explain(&step, err)
	return f.take(step, h)
}

// explain puts what a DNS error means into the step, and keeps it if it may pass.
func (f *finder) explain(step *Step, err error) {
	switch {
	case err == nil:
	case errors.Is(err, ErrNoName):
		step.Outcome = "no such name"
	case errors.Is(err, ErrNoData):
		step.Outcome = "no such record"
	default:
		step.Outcome, step.Err = "failed: "+err.Error(), err
		f.later(err)
	}
}

func (f *finder) later(err error) {
	if f.temporary == nil && temporary(err) {
		f.temporary = err
	}
}

// take records a step with what it found, and reports whether to stop here.
func (f *finder) take(step Step, h *haul) bool {
	step.Certificates = len(h.certs)
	f.record(step)
	for _, c := range h.certs {
		f.result.Certificates = append(f.result.Certificates, Found{Certificate: c, Source: step.Source})
	}
	if h.any() && len(h.certs) == 0 {
		f.spoiled = fmt.Sprintf("%s: %s", step.Query, h)
	}
	return h.any()
}

func (f *finder) record(s Step) { f.result.Steps = append(f.result.Steps, s) }

// nothing returns the reason for an empty result (CD-43).
func (f *finder) nothing(ctx context.Context) *reason.Error {
	if f.temporary != nil {
		return reason.New(reason.DiscoveryTimeout, "finding the certificates of %s: %w", f.addr, f.temporary)
	}
	if f.spoiled != "" {
		return reason.New(reason.NoCertificate, "%s", f.spoiled)
	}
	if ctx.Err() != nil {
		return reason.New(reason.DiscoveryTimeout, "finding the certificates of %s: %w", f.addr, ctx.Err())
	}
	return reason.New(reason.NoCertificate, "%s publishes no certificate for %s", f.addr.Domain(), f.addr)
}
