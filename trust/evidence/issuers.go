package evidence

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"postern/trust"
	"postern/trust/reason"
)

// Issuers implements trust.Evidence. Certificates that are due to be fetched
// again serve until that is done.
func (k *Keeper) Issuers(of *x509.Certificate) trust.Issuers {
	if of == nil {
		return trust.Issuers{}
	}
	use, notes := urls(of.IssuingCertificateURL)
	if len(use) == 0 {
		return trust.Issuers{Detail: strings.Join(notes, "; ")}
	}
	k.begin()
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	var all trust.Issuers
	var w waiter
	for _, u := range use {
		e := k.strange.get(keyOf(issuers, u, parties{}), parties{}, now)
		k.want(e, now)
		w.wait(e.flight)
		if e.doc != nil {
			all.Certificates = append(all.Certificates, e.doc.certs...)
			all.Sources = append(all.Sources, u)
			continue
		}
		note, down := k.story(e, now)
		notes = append(notes, note)
		all.Down = all.Down || down
	}
	all.Pending = w.pending()
	all.Detail = strings.Join(notes, "; ")
	return all
}

// want has what an entry lacks brought.
func (k *Keeper) want(e *entry, now time.Time) {
	switch {
	case e.asleep():
		k.load(e, now, false)
	case !e.fresh(now):
		k.fetch(e, now)
	}
}

// story says why an entry has no document that is good now, and whether that is
// because a server is down.
func (k *Keeper) story(e *entry, now time.Time) (string, bool) {
	h, why, down := k.host(e.host), "", true
	switch {
	case e.trouble.tries > 0:
		down = e.trouble.down
		why = fmt.Sprintf("fails since %s: %v", reason.Date(e.trouble.since), e.trouble.err)
	case h.dead(now):
		why = h.story().Error()
	case e.flight == nil:
		why = "too much is being fetched"
	case e.flight.started && e.flight.over:
		why = fmt.Sprintf("no answer within %v", k.budget())
	default:
		why = "it is being fetched"
	}
	return shown(e.key.url) + ": " + why, down
}
