package gateway

import (
	"context"
	"crypto/x509"
	"slices"
	"sync"
	"time"

	"postern/internal/gateway/task"
	"postern/mime"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A Route is what discovery and trust said about one recipient.
type Route struct {
	Recipient    mime.Address
	Local        bool // of a domain of ours: no DNS, no SMTP, but every check (CP-21)
	Discovery    discovery.Result
	Selection    trust.Selection
	Code         reason.Code
	Detail       string
	Certificates []*x509.Certificate // to encrypt to; empty unless Code is OK

	late bool // it was cut short: others wait
}

// Route finds and judges the certificates of a recipient for a sender of ours
// (AS-61). It is what a real send does and what postern lookup shows.
//
// What was learnt earlier never alone refuses a message for good: if there was no
// certificate then, or none that is good, they are looked for anew, once.
func (c *Core) Route(ctx context.Context, dir *Directory, from mime.Domain, to mime.Address, at time.Time) Route {
	return c.routeBeside(ctx, dir, from, to, at, new(judged))
}

// routeBeside is Route beside others whose certificates have been judged.
func (c *Core) routeBeside(ctx context.Context, dir *Directory, from mime.Domain, to mime.Address, at time.Time, known *judged) Route {
	r := c.route(ctx, dir, from, discovery.Request{Address: to}, at, known)
	if !r.Code.IsOK() && !r.Code.Outcome().Retry && isOld(r.Discovery) {
		return c.route(ctx, dir, from, discovery.Request{Address: to, Fresh: true}, at, known)
	}
	return r
}

// newEnough is how old an answer may be that refuses a message. Between two
// recipients, or two messages that come together, nothing changes.
const newEnough = 10 * time.Second

// isOld reports whether a search used what is not new enough.
func isOld(found discovery.Result) bool {
	return slices.ContainsFunc(found.Steps, func(s discovery.Step) bool { return s.Cached && s.Age > newEnough })
}

// FreshRoute is Route without anything that was found earlier.
func (c *Core) FreshRoute(ctx context.Context, dir *Directory, from mime.Domain, to mime.Address, at time.Time) Route {
	return c.route(ctx, dir, from, discovery.Request{Address: to, Fresh: true}, at, new(judged))
}

func (c *Core) route(ctx context.Context, dir *Directory, from mime.Domain, ask discovery.Request, at time.Time, known *judged) Route {
	var found discovery.Result
	if dir.IsOurs(ask.Address.Domain()) {
		found = localResult(dir, ask.Address, at)
	} else {
		found = c.Finder.Find(ctx, ask)
	}
	return c.judge(ctx, dir, from, ask.Address, found, at, known)
}

// judge makes a route of what was found.
func (c *Core) judge(ctx context.Context, dir *Directory, from mime.Domain, to mime.Address, found discovery.Result, at time.Time, known *judged) Route {
	r := Route{Recipient: to, Local: dir.IsOurs(to.Domain()), Discovery: found}
	if found.Err != nil {
		r.Code, r.Detail = found.Err.Code, found.Err.Detail
		return r
	}
	candidates := make([]*x509.Certificate, len(found.Certificates))
	for i, f := range found.Certificates {
		candidates[i] = f.Certificate
	}
	r.Selection = c.selectFor(ctx, trust.Params{
		Address: to, Anchors: dir.Anchors(from, store.Out), Intermediates: slices.Concat(candidates, dir.held), At: at,
	}, candidates, known)
	r.Code, r.Detail, r.Certificates = r.Selection.Code, r.Selection.Detail, r.Selection.Valid
	return r
}

// localSource is where our own addresses' certificates are.
const localSource discovery.Source = "local"

// localResult answers for an address of ours from the store. What speaks for it is known
// again when a damaged record is mended that it goes by.
func localResult(dir *Directory, to mime.Address, at time.Time) discovery.Result {
	var res discovery.Result
	damage := dir.damage(speaker{to, store.Now})
	if damage != nil {
		res.Err = reason.New(reason.Internal, "%w", damage)
		return res
	}
	for _, cert := range dir.Certificates(to, at) {
		res.Certificates = append(res.Certificates, discovery.Found{Certificate: cert, Source: localSource})
	}
	if len(res.Certificates) == 0 {
		res.Err = reason.New(reason.NoCertificate, "%s", dir.lacks(speaker{to, store.Now}, "certificate in use here"))
	}
	return res
}

// sideBySide makes a route for each recipient, all at once: one whose domain does
// not answer delays no other, and the Finder bounds what that asks of the network.
// One that panics, over what a recipient's domain publishes, fails by itself. What
// judging a domain's certificates taught serves all of its recipients.
func (c *Core) sideBySide(ctx context.Context, to []mime.Address, route func(mime.Address, *judged) Route) ([]Route, error) {
	all := make([]Route, len(to))
	known := make(map[mime.Domain]*judged)
	var looking sync.WaitGroup
	for i, a := range to {
		d := a.Domain()
		if known[d] == nil {
			known[d] = new(judged)
		}
		j := known[d]
		looking.Go(func() {
			err := task.Contained(func() error {
				all[i] = route(a, j)
				return nil
			})
			if err != nil {
				c.Log.Error("a look-up failed", "rcpt", a, "err", err)
				all[i] = Route{Recipient: a, Code: reason.Internal, Detail: err.Error()}
			}
		})
	}
	looking.Wait()
	return all, ctx.Err()
}
