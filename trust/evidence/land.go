package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/internal/fetch"
	"postern/trust/reason"
	"postern/trust/revocation"
)

// A cargo is what a flight brought: a document that was read and verified, or why
// there is none.
type cargo struct {
	doc  *document
	who  parties
	body []byte // of the document, as it came
	err  error
}

// get brings a document. What strangers wrote is read here, so a panic is
// nothing worse than a document that cannot be read.
func (k *Keeper) get(ctx context.Context, f *flight) (g cargo) {
	defer func() {
		if r := recover(); r != nil {
			k.log().Error("reading a document of revocation or issuers", "url", f.entry.key.url, "panic", r)
			g = cargo{err: errors.New("it cannot be read")}
		}
	}()
	if f.load {
		return k.getStored(ctx, f.entry.key)
	}
	switch f.entry.key.kind {
	case issuers:
		return k.ask(ctx, f, fetch.Request{
			URL: f.entry.key.url, Accept: "application/pkix-cert, application/pkcs7-mime, */*;q=0.5",
			Limit: maxIssuersSize, Connect: issuerConnect,
		})
	case crls:
		return k.ask(ctx, f, fetch.Request{URL: f.entry.key.url, Accept: "application/pkix-crl, */*;q=0.5", Limit: maxCRLSize})
	}
	return k.getOCSP(ctx, f)
}

// getStored reads the cache. What is no good there is removed.
func (k *Keeper) getStored(ctx context.Context, id key) cargo {
	s, ok, err := k.Cache.Load(ctx, id.String())
	if err != nil || !ok {
		return cargo{err: errors.Join(err, errNotStored)}
	}
	g := cargo{}
	g.who, g.body, g.err = unpack(id, s.Body)
	if g.err == nil {
		fetched := within(s.Fetched, time.Time{}, k.now())
		g.doc, g.err = read(id, g.who, g.body, fetched, s.Expires)
	}
	if g.err != nil {
		k.log().Warn("a stored document is of no use", "url", id.url, "err", g.err)
		err = k.Cache.Remove(ctx, id.String())
		if err != nil {
			k.log().Warn("removing a stored document", "url", id.url, "err", err)
		}
	}
	return g
}

var errNotStored = errors.New("the document is not in the cache")

// ask fetches a document and reads it.
func (k *Keeper) ask(ctx context.Context, f *flight, r fetch.Request) cargo {
	d, err := k.fetcher().Do(ctx, r)
	if err != nil {
		return cargo{err: err}
	}
	g := cargo{who: f.who, body: d.Body}
	g.doc, g.err = read(f.entry.key, f.who, d.Body, d.Fetched, d.Expires)
	return g
}

// getOCSP asks by GET, which caches on the way can answer, and if that brings
// nothing by POST, which every responder knows (RFC 6960 appendix A.1).
func (k *Keeper) getOCSP(ctx context.Context, f *flight) cargo {
	request, err := revocation.NewOCSPRequest(f.who.cert, f.who.issuer)
	if err != nil {
		return cargo{err: err}
	}
	r := fetch.Request{URL: ocspURL(f.entry.key.url, request), Accept: ocspAnswer, Limit: maxOCSPSize}
	if r.URL != "" {
		g := k.ask(ctx, f, r)
		if g.err == nil || silent(g.err) || ctx.Err() != nil {
			return g
		}
	}
	r.URL, r.Body, r.ContentType = f.entry.key.url, request, ocspRequest
	return k.ask(ctx, f, r)
}

// silent reports whether a host gave no answer, for the time being.
func silent(err error) bool {
	return errors.Is(err, fetch.ErrUnanswered) && fetch.Temporary(err)
}

// answered reports whether a host gave an answer, be it useless.
func answered(err error) bool {
	return !errors.Is(err, fetch.ErrUnanswered) && !errors.Is(err, fetch.ErrBroken)
}

// land takes note of what a flight brought, tells those who wait, and reports
// whether the caller is to save it.
func (k *Keeper) land(f *flight, g cargo) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, e := k.now(), f.entry
	f.budget.Stop()
	e.flight = nil
	kept := false
	switch {
	case f.load:
		kept = k.loaded(e, g, now)
	case k.closed && g.err != nil: // cut off
	default:
		kept = k.fetched(e, g, now)
	}
	if f.load && (kept && f.fetch || !kept && e.key.kind == issuers) {
		k.fetch(e, now, f.rank)
		f.handOver(e.flight)
	}
	f.tell(kept)
	switch {
	case !kept || f.load || k.Cache == nil:
		return false
	case e.key.kind == issuers:
		e.unproven = &g
		return false
	}
	e.unsaved = &g
	first := !e.saving
	e.saving = true
	return first
}

func (k *Keeper) loaded(e *entry, g cargo, now time.Time) bool {
	if g.doc == nil {
		e.stored = false
		return false
	}
	e.who = g.who
	k.side(e.key.kind).put(e, g.doc, now)
	return true
}

func (k *Keeper) fetched(e *entry, g cargo, now time.Time) bool {
	switch h := k.host(e); {
	case silent(g.err):
		h.unanswered(e.key, now, g.err)
	case answered(g.err):
		h.answered()
	}
	if g.err == nil && (e.doc != nil || e.stored) && g.doc.made.Before(e.made) {
		g.doc, g.err = nil, fmt.Errorf("it is older than the one from %s", reason.Date(e.made))
	}
	if g.err != nil {
		k.failed(e, g.err, g.down(e.key.kind), now)
		return false
	}
	k.side(e.key.kind).put(e, g.doc, now)
	if !now.Before(g.doc.due) { // kept for questions about the past
		k.failed(e, fmt.Errorf("it ended on %s", reason.Date(g.doc.ends)), false, now)
		return true
	}
	if e.trouble.tries > 0 && e.key.kind != issuers {
		k.log().Info("revocation is fetched again", "url", e.key.url, "failed_since", e.trouble.since)
	}
	e.trouble, e.alarmed = trouble{}, false
	return true
}

// down reports whether a failure is the server's, for the time being: there was no
// document, or one in place of issuers that anybody on the way may have put there.
func (g cargo) down(of kind) bool {
	return fetch.Temporary(g.err) && (g.body == nil || of == issuers)
}

// failed takes note of a failure, and tells the operator when it is new. What
// strangers name is no concern of his.
func (k *Keeper) failed(e *entry, err error, down bool, now time.Time) {
	was := e.trouble.known(now)
	e.trouble.add(now, err, down)
	if was || e.key.kind == issuers {
		k.log().Debug("a document cannot be fetched", "url", e.key.url, "err", err)
		return
	}
	attrs := []any{"url", e.key.url, "err", err}
	if e.doc != nil {
		attrs = append(attrs, "good_until", e.doc.ends)
	}
	k.log().Warn("revocation cannot be fetched", attrs...)
}
