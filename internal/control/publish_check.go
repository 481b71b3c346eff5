package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/publish"
	"postern/mime"
	"postern/store"
	"postern/trust/discovery"
)

// PublishNames are domains and addresses of ours; none are all.
type PublishNames struct {
	Names []string `json:"names"`
}

// A PublishReport is what others find of what we publish.
type PublishReport struct {
	Verdict  string           `json:"verdict"` // ok, wrong, or unanswered
	Findings []PublishFinding `json:"findings"`
}

// A PublishFinding is one thing that was looked for.
type PublishFinding struct {
	Domain string `json:"domain"`
	What   string `json:"what"` // name-server, mail, host, certificate or directory
	Name   string `json:"name"` // the name it was looked for at
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"`
	Hint   string `json:"hint,omitempty"`
	// Record is the line of a zone file that would mend it.
	Record string `json:"dns_record,omitempty"`
}

// States of what was looked for.
const (
	FoundOK         = "ok"
	FoundMissing    = "missing"
	FoundStale      = "stale"   // another one of ours, which no longer counts
	FoundForeign    = "foreign" // not ours: nobody here opens what is encrypted to it
	FoundExpired    = "expired" // and still there
	FoundExtra      = "extra"   // ours, and not of this name
	FoundWrong      = "wrong"   // something else is there
	FoundUnanswered = "unanswered"
)

// What may be looked for.
const (
	whatNameServer  = "name-server"
	whatMail        = "mail"
	whatHost        = "host"
	whatCertificate = "certificate"
	whatDirectory   = "directory"
)

// Verdicts of a report.
const (
	PublishedOK         = "ok"
	PublishedWrong      = "wrong"
	PublishedUnanswered = "unanswered"
)

// besideOthers is how many names are looked up side by side.
const besideOthers = 8

// A survey is one look at our publication from outside.
type survey struct {
	*discovery.Resolver
	at  time.Time
	set *publish.Set
	// delegated says that domains of ours are served by our name servers.
	delegated bool
	patients  map[string]bool      // addresses by Key
	keys      map[string]store.Key // ours, by SHA-256

	mu       sync.Mutex
	findings []PublishFinding
	inLDAP   map[string]string // what came of looking for an owner, by key, in the directories: a state
}

// A surveyed is a domain to look at, and what of it.
type surveyed struct {
	domain    mime.Domain
	addresses []mime.Address // with certificates of their own, or to be found by the domain's
	asked     bool           // single addresses were asked for: leave the others out
}

func (s *Service) checkPublished(ctx context.Context, in PublishNames) (PublishReport, error) {
	v, err := s.newSurvey(ctx)
	if err != nil {
		return PublishReport{}, err
	}
	domains, err := v.targets(in.Names)
	if err != nil {
		return PublishReport{}, err
	}
	resolver, end, err := s.Core.Outside()
	if err != nil {
		return PublishReport{}, err
	}
	defer end()
	v.Resolver = resolver
	for _, d := range domains {
		v.look(ctx, d)
	}
	return v.report(), ctx.Err()
}

func (s *Service) newSurvey(ctx context.Context) (*survey, error) {
	set, err := s.Core.Published(ctx)
	if err != nil {
		return nil, err
	}
	v := &survey{at: s.Core.Now(), set: set, delegated: s.Core.Delegated, inLDAP: map[string]string{}}
	return v, s.Core.Store.View(ctx, func(tx store.Tx) error {
		v.patients, v.keys = make(map[string]bool), make(map[string]store.Key)
		accounts, err := tx.Accounts()
		if err != nil {
			return err
		}
		for _, a := range accounts {
			if a.Patient {
				v.patients[a.Address.Key()] = true
			}
		}
		aliases, err := tx.Aliases()
		if err != nil {
			return err
		}
		for _, a := range aliases {
			if a.Damaged || !a.Group && v.patients[a.Members[0].Key()] {
				v.patients[a.Address.Key()] = true
			}
		}
		keys, err := tx.Keys()
		for _, k := range keys {
			k.PKCS8 = nil
			v.keys[k.Fingerprint.String()] = k
		}
		return err
	})
}

// targets sorts what is to be looked at by domain.
func (v *survey) targets(names []string) ([]surveyed, error) {
	if len(names) == 0 {
		for _, d := range v.set.Domains {
			names = append(names, string(d))
		}
	}
	var all []surveyed
	of := func(domain mime.Domain) *surveyed {
		for i := range all {
			if all[i].domain == domain {
				return &all[i]
			}
		}
		all = append(all, surveyed{domain: domain, asked: true})
		return &all[len(all)-1]
	}
	for _, name := range names {
		_, domain, err := parseOwner(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(v.set.Domains, domain) {
			return nil, &Error{Kind: Negative, Message: fmt.Sprintf("the domain %s is not one of ours", domain), Hint: "postern domain list shows ours"}
		}
		d := of(domain)
		if strings.Contains(name, "@") {
			a, err := mime.ParseAddress(name)
			if err != nil {
				return nil, err
			}
			d.addresses = append(d.addresses, a)
			continue
		}
		d.asked = false
		d.addresses = append(d.addresses, v.addressesOf(domain)...)
	}
	return all, nil
}

// addressesOf returns the addresses of a domain that have certificates, or that
// patients control, which must have.
func (v *survey) addressesOf(domain mime.Domain) (all []mime.Address) {
	seen := make(map[string]bool)
	add := func(a mime.Address) {
		if !a.IsZero() && a.Domain() == domain && !seen[a.Key()] {
			seen[a.Key()] = true
			all = append(all, a)
		}
	}
	for _, c := range v.set.Certificates {
		add(c.Address)
	}
	for key := range v.patients {
		a, err := mime.ParseAddress(key)
		if err == nil {
			add(a)
		}
	}
	slices.SortFunc(all, func(a, b mime.Address) int { return strings.Compare(a.Key(), b.Key()) })
	return all
}

// look looks at one domain: its servers, its certificates and its directories. A
// domain that DNS gives no answer about is not waited for again and again.
func (v *survey) look(ctx context.Context, d surveyed) {
	servers, answered := v.nameServers(ctx, d.domain)
	if !answered {
		return
	}
	v.mailServers(ctx, d.domain)
	names := []owner{{domain: d.domain}}
	if d.asked {
		names = nil
	}
	for _, a := range d.addresses {
		names = append(names, owner{a, d.domain})
	}
	v.directories(ctx, d.domain, names)
	v.each(names, func(o owner) { v.certificates(ctx, o) })
	v.ownServers(ctx, d.domain, servers, v.longest(names))
}

// each looks at owners side by side, and puts what is found in the order of
// their names.
func (v *survey) each(owners []owner, look func(owner)) {
	first := len(v.findings)
	var g errgroup.Group
	g.SetLimit(besideOthers)
	for _, o := range owners {
		g.Go(func() error {
			look(o)
			return nil
		})
	}
	_ = g.Wait() // the functions return no error
	slices.SortStableFunc(v.findings[first:], func(a, b PublishFinding) int { return strings.Compare(a.Name, b.Name) })
}

func (v *survey) found(f PublishFinding) {
	f.Name, f.Detail = plain(f.Name, maxURL), plain(f.Detail, maxDetail)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.findings = append(v.findings, f)
}

// report sums the findings up. One thing that is wrong outweighs what was not
// answered.
func (v *survey) report() PublishReport {
	r := PublishReport{Verdict: PublishedOK, Findings: v.findings}
	for _, f := range r.Findings {
		switch {
		case f.State == FoundUnanswered && r.Verdict == PublishedOK:
			r.Verdict = PublishedUnanswered
		case f.State != FoundUnanswered && f.State != FoundOK:
			r.Verdict = PublishedWrong
		}
	}
	return r
}
