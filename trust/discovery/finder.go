package discovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"postern/mime"
	"postern/trust/reason"
)

// Why a search goes on or ends, as steps tell it.
const (
	nextDomain      = "the domain's certificate is next"
	nextDirectories = "the domain's directories are next"
	nextServer      = "the next directory is asked"
	nextForDomain   = "the directories are asked for the domain's next"
	nextNothing     = "nowhere is left to look"
)

// A finder is one Find under way.
type finder struct {
	*Resolver
	addr      mime.Address
	fresh     bool
	began     time.Time
	idle      *idle // nil unless nobody is to be asked
	result    Result
	temporary error  // the first failure that may pass
	spoiled   string // where there was something, and none of it could be used
	failed    string // the first directory or URL that failed, and how
	missed    bool   // something that it takes was not asked for
	answered  bool   // a question to DNS was, now or not long ago
	alive     bool   // one was now
}

// run asks one source after the other (CD-20).
func (f *finder) run(ctx context.Context) {
	if !f.records(ctx) {
		f.directories(ctx)
	}
}

// records asks DNS for CERT records and reports whether to stop there.
func (f *finder) records(ctx context.Context) bool {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, f.share(certShare))
	defer cancel()
	name, err := AddressName(f.addr)
	if err != nil {
		f.record(Step{Source: DNSAddress, Query: f.addr.String(), Answer: AnswerNotAsked, Outcome: err.Error(), Then: nextDomain})
	} else if f.cert(ctx, whole, DNSAddress, name, nextDomain) {
		return true
	}
	return f.cert(ctx, whole, DNSDomain, f.addr.Domain().String(), nextDirectories) // CD-2
}

// cert asks DNS for the CERT records at name and reports whether to stop here.
// What the records name by URL is fetched in the time of the whole search.
func (f *finder) cert(ctx, whole context.Context, source Source, name, next string) bool {
	if source == DNSAddress {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.share(addressShare))
		defer cancel()
	}
	a, step := f.query(ctx, source, name, dns.TypeCERT)
	all := certRecords(a)
	found := certificatesIn(all)
	if step.Err == nil && len(a.records) > 0 {
		step.Outcome = found.String()
	}
	urls := urlsOf(all)
	if len(found.list) > 0 || len(urls) == 0 {
		return f.take(step, found, next)
	}
	step.Outcome = fmt.Sprintf("%s, by URL: %d", step.Outcome, len(urls))
	step.Then = "the certificate is fetched from where the records say"
	f.record(step)
	f.fetch(whole, source, name, urls, a.left)
	return true
}

// query puts one question to DNS and begins its step.
func (f *finder) query(ctx context.Context, source Source, name string, qtype uint16) (answer, Step) {
	began := time.Now()
	a, err := f.DNS.query(ctx, name, qtype, f.fresh)
	step := Step{Source: source, Query: name + " " + dns.TypeToString[qtype], Server: a.server, Duration: time.Since(began),
		Answer: a.kind, Cached: a.cached, Age: a.age, Left: a.left, Questions: a.trail}
	if a.authoritative {
		step.Server += " (the domain's own)"
	}
	f.explain(&step, err)
	f.answered = f.answered || step.Err == nil
	f.alive = f.alive || step.Err == nil && !a.cached && a.kind != AnswerNotAsked
	return a, step
}

// explain puts what a DNS error means into the step, and keeps it if it may pass.
func (f *finder) explain(step *Step, err error) {
	var of *DNSError
	if errors.As(err, &of) {
		step.Answer = of.Kind
	}
	switch {
	case err == nil:
	case errors.Is(err, ErrNoName):
		step.Outcome = "no such name"
	case errors.Is(err, ErrNoData):
		step.Outcome = "no such record"
	case step.Answer == AnswerNotAsked:
		f.pass(step, reason.Line(err.Error(), maxOutcome), err)
	default:
		step.Outcome, step.Err = "failed: "+reason.Line(err.Error(), maxOutcome), err
		f.later(err)
	}
}

// pass makes a step one that was not taken, so that the search is not complete.
func (f *finder) pass(step *Step, why string, err error) {
	f.missed = true
	step.Answer, step.Err = AnswerNotAsked, err
	if f.idle != nil {
		why = "the name servers of " + f.addr.Domain().String() + " gave no answer " + seconds(f.idle.age) + " ago"
		step.Cached, step.Age, step.Left = true, f.idle.age, f.idle.left
	}
	step.Outcome = "not asked: " + why
	f.later(err)
}

// notAsked records a question that there was no time for.
func (f *finder) notAsked(source Source, query, why string, err error) {
	step := Step{Source: source, Query: query, Then: "the search is not complete: a later one may find more"}
	f.pass(&step, why, err)
	f.record(step)
}

// later keeps the first failure that may pass.
func (f *finder) later(err error) {
	if f.temporary == nil {
		f.temporary = err
	}
}

// take records a step with what it found, and reports whether to stop here.
func (f *finder) take(step Step, found *certificates, next string) bool {
	step.Certificates = len(found.list)
	f.gather(step.Source, found)
	switch {
	case len(found.list) > 0:
		step.Then = "taken: the search ends here"
	case found.any():
		step.Then = "unreadable: an unusable certificate ends the search (CD-41)"
		f.spoil(step)
	case step.Err != nil:
		step.Then = "failed: " + next
	default:
		step.Then = "nothing here: " + next
	}
	f.record(step)
	return found.any()
}

func (f *finder) gather(source Source, found *certificates) {
	for _, c := range found.list {
		f.result.Certificates = append(f.result.Certificates, Found{Certificate: c, Source: source})
	}
}

// spoil remembers the first step that had something of no use.
func (f *finder) spoil(step Step) {
	if f.spoiled == "" {
		f.spoiled = step.Query + ": " + step.Outcome
	}
}

func (f *finder) record(s Step) {
	f.result.Steps = append(f.result.Steps, s)
	f.result.Questions += len(s.Questions)
	f.result.Cached = f.result.Cached || s.Cached
}

// conclude sets the reason for an empty result (CD-43).
func (f *finder) conclude(ctx context.Context) {
	switch {
	case len(f.result.Certificates) > 0:
	case f.temporary != nil:
		f.result.Err = reason.New(reason.DiscoveryTimeout, "finding the certificates of %s: %w", f.addr, f.temporary)
	case f.spoiled != "":
		f.result.Err = reason.New(reason.NoCertificate, "%s", f.spoiled)
	case ctx.Err() != nil:
		f.result.Err = reason.New(reason.DiscoveryTimeout, "finding the certificates of %s: %w", f.addr, ctx.Err())
	case f.failed != "": // which a later try need not find otherwise (CD-31)
		f.result.Err = reason.New(reason.NoCertificate, "%s publishes no certificate for %s that can be had; %s", f.addr.Domain(), f.addr, f.failed)
	default:
		f.result.Err = reason.New(reason.NoCertificate, "%s publishes no certificate for %s", f.addr.Domain(), f.addr)
	}
}
