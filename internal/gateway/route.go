package gateway

import (
	"context"
	"crypto/x509"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/cms"
	"postern/mime"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// lookups is how many recipients of one message are looked up side by side.
const lookups = 8

// A Route is what discovery and trust said about one recipient.
type Route struct {
	Recipient    mime.Address
	Local        bool // of a domain of ours: no DNS, no SMTP, but every check (CP-21)
	Discovery    discovery.Result
	Selection    trust.Selection
	Code         reason.Code
	Detail       string
	Certificates []*x509.Certificate // to encrypt to; empty unless Code is OK
}

// Route finds and judges the certificates of a recipient for a sender of ours
// (AS-61). It is what a real send does and what postern lookup shows.
func (c *Core) Route(ctx context.Context, dir *Directory, from mime.Domain, to mime.Address, at time.Time) Route {
	r := Route{Recipient: to, Local: dir.IsOurs(to.Domain())}
	if r.Local {
		r.Discovery = localResult(dir, to)
	} else {
		r.Discovery = c.Finder.Find(ctx, to)
	}
	if r.Discovery.Err != nil {
		r.Code, r.Detail = r.Discovery.Err.Code, r.Discovery.Err.Detail
		return r
	}
	candidates := make([]*x509.Certificate, len(r.Discovery.Certificates))
	for i, f := range r.Discovery.Certificates {
		candidates[i] = f.Certificate
	}
	r.Selection = c.selectFor(ctx, trust.Params{
		Address: to, Anchors: dir.Anchors(from, store.Out), Intermediates: dir.held, At: at,
	}, candidates)
	r.Code, r.Detail, r.Certificates = r.Selection.Code, r.Selection.Detail, usable(r.Selection.Valid)
	if r.Code.IsOK() && len(r.Certificates) == 0 {
		r.Code, r.Detail = reason.Unsupported, "none of the valid certificates has a key that content keys can be wrapped for"
	}
	return r
}

// usable leaves out certificates that we cannot encrypt to.
func usable(valid []*x509.Certificate) []*x509.Certificate {
	return slices.DeleteFunc(slices.Clone(valid), func(c *x509.Certificate) bool {
		_, err := cms.EnvelopedSize(0, []*x509.Certificate{c}, cms.EncryptOptions{})
		return err != nil
	})
}

// localSource is where our own addresses' certificates are.
const localSource discovery.Source = "local"

// localResult answers for an address of ours from the store.
func localResult(dir *Directory, to mime.Address) discovery.Result {
	var res discovery.Result
	for _, cert := range dir.Certificates(to) {
		res.Certificates = append(res.Certificates, discovery.Found{Certificate: cert, Source: localSource})
	}
	if len(res.Certificates) == 0 {
		res.Err = reason.New(reason.NoCertificate, "neither %s nor its domain has a certificate here", to)
	}
	return res
}

// routes looks up all recipients of a job side by side.
func (c *Core) routes(ctx context.Context, dir *Directory, job store.Job) ([]Route, error) {
	all := make([]Route, len(job.Recipients))
	var g errgroup.Group
	g.SetLimit(lookups)
	for i, to := range job.Recipients {
		g.Go(func() error {
			err := contained(func() error {
				all[i] = c.Route(ctx, dir, job.Sender.Domain(), to, c.Now())
				return nil
			})
			if err != nil { // a panic over what one recipient's domain publishes
				c.Log.Error("a look-up failed", "track", job.Track, "rcpt", to, "err", err)
				all[i] = Route{Recipient: to, Code: reason.Internal, Detail: err.Error()}
			}
			return nil
		})
	}
	_ = g.Wait() // the functions return no error
	return all, ctx.Err()
}
