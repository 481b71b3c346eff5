package evidence

import (
	"crypto/x509"
	"slices"
	"strings"
	"time"

	"postern/trust"
	"postern/trust/revocation"
)

// Revocation implements trust.Evidence. What is here and counts is the answer;
// else all sources are asked at once, and the first that counts is. A
// revocation that counts goes before everything.
func (k *Keeper) Revocation(of, issuer *x509.Certificate, at time.Time) trust.Revocation {
	if of == nil || issuer == nil {
		return trust.Revocation{Certificate: of, Status: trust.RevocationUnknown, Detail: "its issuer is not known"}
	}
	q := k.question(of, issuer, at)
	if len(q.keys) == 0 {
		return q.unasked()
	}
	k.begin()
	for range maxLooks {
		q.look(k)
		if q.judge(k) {
			return q.best
		}
		if q.seek(k) {
			return q.unknown()
		}
	}
	return q.unknown()
}

// maxLooks bounds how often documents are looked at that come in between.
const maxLooks = 4

// A question is about one certificate.
type question struct {
	of, issuer *x509.Certificate
	at         time.Time
	keys       []key
	who        []parties
	notes      []string // why sources do not count
	passed     []string

	docs []*document // of keys; nil for none
	best trust.Revocation
	wait waiter
}

func (k *Keeper) question(of, issuer *x509.Certificate, at time.Time) *question {
	q := &question{of: of, issuer: issuer, at: at}
	lists, responders, passed := revocation.Sources(of)
	for _, p := range passed {
		q.passed = append(q.passed, "passed over "+p)
	}
	// Neither kind may take all the places.
	responders, notes := urls(responders, maxURLs)
	q.passed = append(q.passed, notes...)
	lists, notes = urls(lists, maxURLs)
	q.passed = append(q.passed, notes...)
	if n := maxURLs - min(len(lists), maxURLs/2); len(responders) > n {
		responders = responders[:n]
	}
	lists = lists[:min(len(lists), maxURLs-len(responders))]
	for _, u := range responders {
		q.add(ocsps, u, parties{cert: of, issuer: issuer})
	}
	for _, u := range lists {
		q.add(crls, u, parties{issuer: issuer})
	}
	return q
}

func (q *question) add(of kind, u string, p parties) {
	q.keys, q.who = append(q.keys, keyOf(of, u, p)), append(q.who, p)
}

// unasked is the answer for a certificate without a source to ask.
func (q *question) unasked() trust.Revocation {
	r := trust.Revocation{Certificate: q.of, Status: trust.RevocationUnstated, Detail: strings.Join(q.passed, "; ")}
	if len(q.passed) > 0 {
		r.Status = trust.RevocationUnknown // it names sources, but none that can be asked
	}
	return r
}

// look takes the documents that are here, and has those brought that are only in
// the cache.
func (q *question) look(k *Keeper) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	q.docs = make([]*document, len(q.keys))
	q.wait = waiter{}
	for i, id := range q.keys {
		e := k.known.get(id, q.who[i], now)
		q.docs[i] = e.doc
		if e.asleep() {
			k.load(e, now, 0, false)
		}
		if e.flight != nil && e.flight.load {
			q.wait.wait(e.flight)
		}
	}
}

// judge finds the best answer in the documents and reports whether one counts.
func (q *question) judge(k *Keeper) bool {
	q.best, q.notes = trust.Revocation{}, nil
	for i, d := range q.docs {
		if d == nil {
			continue
		}
		r, err := d.answer(q.keys[i], q.of, q.issuer, q.at)
		if err != nil {
			q.notes = append(q.notes, shown(q.keys[i].url)+": "+err.Error())
			continue
		}
		q.renew(k, q.keys[i])
		if better(r, q.best) {
			q.best = r
		}
	}
	return q.best.Status != ""
}

// better reports whether an answer goes before another: a revocation does, then
// what was made last.
func better(r, than trust.Revocation) bool {
	if (r.Status == trust.IsRevoked) != (than.Status == trust.IsRevoked) {
		return r.Status == trust.IsRevoked
	}
	return r.ThisUpdate.After(than.ThisUpdate) || than.Status == ""
}

// renew has a document fetched that serves but is due.
func (q *question) renew(k *Keeper, id key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if e := k.known.byKey[id]; e != nil && e.doc != nil && !e.fresh(now) {
		k.fetch(e, now, 0)
	}
}

// seek has fetched what is missing, and reports whether the documents are still
// those that were looked at.
func (q *question) seek(k *Keeper) bool {
	if q.wait.done != nil {
		return true // what is in the cache comes first
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	var all []*entry
	for i, id := range q.keys {
		e := k.known.get(id, q.who[i], now)
		if e.doc != q.docs[i] {
			return false
		}
		all = append(all, e)
	}
	for _, e := range all {
		k.want(e, now, 0)
		q.wait.wait(e.flight)
		if !e.fresh(now) {
			note, _ := k.story(e, now)
			q.notes = append(q.notes, note)
		}
	}
	return true
}

func (q *question) unknown() trust.Revocation {
	return trust.Revocation{
		Certificate: q.of, Status: trust.RevocationUnknown,
		Detail: strings.Join(slices.Concat(q.notes, q.passed), "; "), Pending: q.wait.pending(),
	}
}
