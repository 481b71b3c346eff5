package discovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"
)

// directories asks the LDAP servers of the domain, each for the address and
// then each for the domain.
func (f *finder) directories(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, f.share(directoryShare))
	defer cancel()
	servers, left := f.services(ctx)
	if len(servers) == 0 {
		return
	}
	if !f.search(ctx, LDAPAddress, f.addr.String(), servers, left, nextForDomain) {
		f.search(ctx, LDAPDomain, f.addr.Domain().String(), servers, left, nextNothing)
	}
}

// services finds the LDAP servers of the domain, in the order to ask them, and
// how long they may be taken for that.
func (f *finder) services(ctx context.Context) ([]SRV, time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, f.share(serviceShare))
	defer cancel()
	a, step := f.query(ctx, LDAPAddress, "_ldap._tcp."+f.addr.Domain().String(), dns.TypeSRV)
	servers := srvRecords(a)
	switch {
	case len(servers) > 0:
		step.Outcome, step.Then = fmt.Sprintf("servers: %d", len(servers)), "they are asked in this order, until one has certificates"
	case step.Err != nil:
		step.Then = "failed: " + nextNothing
	default: // no records, or one that says so (CD-25)
		if step.Answer == AnswerFound {
			step.Answer = AnswerNoService
		}
		step.Outcome, step.Then = "the domain has no LDAP service", "nothing here: "+nextNothing
	}
	f.record(step)
	return servers[:min(len(servers), maxDirectories)], a.left
}

// search asks the directories for one name and reports whether to stop here.
func (f *finder) search(ctx context.Context, source Source, mail string, servers []SRV, left time.Duration, next string) bool {
	w := &walk{Resolver: f.Resolver, domain: f.addr.Domain(), servers: servers, mail: mail, fresh: f.fresh, began: f.began, left: left}
	job := &search{f.Resolver, resultKey{ofDirectories, f.addr.Domain().String(), mail}, w.run}
	r, by, err := f.results.get(ctx, job.resultKey, f.fresh, f.share(walkShare), job)
	if err != nil {
		f.notAsked(source, mailFilter(mail), "no directory answered in time", err)
		return false
	}
	f.replay(r, by == nil, source, next)
	return r.found.any()
}

// replay takes a result, of now or kept, into that of this search.
func (f *finder) replay(r *lookupResult, kept bool, source Source, next string) {
	steps := slices.Clone(r.steps)
	now := f.now()
	for i := range steps {
		steps[i].Source = source
		if kept {
			steps[i].Cached, steps[i].Duration, steps[i].Questions = true, 0, nil
			steps[i].Age, steps[i].Left = now.Sub(r.asked)+steps[i].Age, r.expires.Sub(now)
		} else if !steps[i].Cached {
			steps[i].Left = max(r.expires.Sub(now), 0)
		}
	}
	if r.temporary != nil {
		f.later(r.temporary)
	}
	for i, step := range steps {
		if step.Err != nil && f.failed == "" {
			f.failed = step.Server + ": " + step.Outcome
		}
		if i < len(steps)-1 {
			f.record(step)
		} else {
			f.take(step, &r.found, next)
		}
	}
}
