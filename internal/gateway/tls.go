package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"sync"
	"time"

	"postern/internal/audit"
	"postern/internal/config"
	"postern/internal/metrics"
	"postern/internal/steady"
	"postern/internal/tlscert"
	"postern/store"
)

// newKeeper makes what keeps the certificate of the listeners; nil if there is to be
// none.
func (c *Core) newKeeper(cfg *config.Config) (*tlscert.Keeper, error) {
	k := &tlscert.Keeper{Now: c.Now}
	var err error
	if cfg.TLS.Cert != "" {
		k.Files, err = tlscert.Open(cfg.TLS.Cert, cfg.TLS.Key, c.Now, c.Log)
		if err != nil {
			return nil, err
		}
	}
	if cfg.ACME.Enabled() {
		k.Issued, err = c.newIssuer(cfg)
		if err != nil {
			return nil, err
		}
	}
	if k.Files == nil && k.Issued == nil {
		return nil, nil
	}
	return k, nil
}

// newIssuer makes what gets the certificate of the listeners over ACME, with what it got
// before. The operator named the authority, so that the guard on what strangers name is
// not asked.
func (c *Core) newIssuer(cfg *config.Config) (*tlscert.Issuer, error) {
	binding, err := readBinding(cfg)
	if err != nil {
		return nil, err
	}
	roots, err := httpsRoots(cfg.Network.CA)
	if err != nil {
		return nil, err
	}
	var lookup tlscert.Lookup
	if c.dns != nil {
		lookup = c.dns.LookupHost
	}
	i := &tlscert.Issuer{
		Directory: cfg.ACME.Directory, Hosts: cfg.ACME.NamesOr(cfg.Hostname), Contact: cfg.ACME.Contact,
		Terms: cfg.ACME.AgreeTerms, Challenge: cfg.ACME.Challenge, Binding: binding,
		Client: tlscert.NewClient(roots, lookup), Cache: certCache{c.Store, c.Log}, Now: c.Now, Log: c.Log,
	}
	return i, i.Load(context.Background())
}

func readBinding(cfg *config.Config) (*tlscert.Binding, error) {
	if cfg.ACME.BindingKeyFile == "" {
		return nil, nil
	}
	return tlscert.ReadBinding(cfg.ACME.BindingKeyID, cfg.ACME.BindingKeyFile)
}

// checkTLS reads the files of the listeners' certificate, as serving does.
func checkTLS(cfg *config.Config) error {
	_, err := readBinding(cfg)
	if err != nil || cfg.TLS.Cert == "" {
		return err
	}
	_, err = tlscert.Open(cfg.TLS.Cert, cfg.TLS.Key, steady.Wall, slog.New(slog.DiscardHandler))
	return err
}

// A certCache keeps what belongs to certificates of the listeners in the store.
type certCache struct {
	store.Store
	log *slog.Logger
}

// Get implements tlscert.Cache. What is damaged is as if it were not there: all of it can
// be had again, and mail does not wait for that.
func (s certCache) Get(ctx context.Context, name string) (data []byte, err error) {
	err = s.View(ctx, func(tx store.Tx) error {
		found, err := tx.CertCache(name)
		data = found.Data
		return err
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case errors.Is(err, store.ErrCorrupt):
		s.log.Error("what belongs to the listeners' certificate over ACME cannot be read, and is made anew", "err", err)
		return nil, nil
	}
	return data, err
}

// Put implements tlscert.Cache.
func (s certCache) Put(ctx context.Context, name string, data []byte, note string) error {
	return s.Update(ctx, func(tx store.Tx) error {
		err := tx.PutCertCache(store.CertCache{Name: name, Changed: steady.Wall(), Data: data})
		if err != nil || note == "" {
			return err
		}
		return tx.Audit(audit.Record{Actor: audit.System, Action: audit.Changed, Object: "listener certificate", Detail: note})
	})
}

// Remove implements tlscert.Cache.
func (s certCache) Remove(ctx context.Context, name string) error {
	found, err := s.Get(ctx, name)
	if err != nil || found == nil {
		return err
	}
	return s.Update(ctx, func(tx store.Tx) error {
		err := tx.RemoveCertCache(name)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		return err
	})
}

// serverTLS is how the listeners speak TLS; nil if they do not.
func (g *Gateway) serverTLS() *tls.Config {
	if g.tls == nil {
		return nil
	}
	return g.tls.Config()
}

// lookAtFiles is how often the files of the certificate are looked at although nobody
// connects.
const lookAtFiles = time.Minute

// keepTLS looks after the certificate of the listeners until ctx is done: files that
// change are read, one that was issued is renewed, and the end of either is told ahead.
func (g *Gateway) keepTLS(ctx context.Context) {
	if g.tls == nil {
		return
	}
	var renewing sync.WaitGroup
	defer renewing.Wait()
	if g.tls.Issued != nil {
		renewing.Go(func() { g.tls.Issued.Run(ctx) })
	}
	ticker := time.NewTicker(lookAtFiles)
	defer ticker.Stop()
	var told time.Time
	for {
		status, now := g.tls.Status(), g.Now()
		if now.Sub(told).Abs() >= day && g.reportTLS(ctx, status, now) {
			told = now
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// reportTLS tells of a certificate that ends soon, and reports whether it did. One that
// was issued over ACME is renewed long before: it is told of when that is late.
func (g *Gateway) reportTLS(ctx context.Context, s tlscert.Status, now time.Time) bool {
	if s.Leaf == nil || s.Issued && now.Before(s.Late) {
		return false
	}
	if !s.Issued && s.Leaf.NotAfter.Sub(now) >= ExpiresSoon {
		return false
	}
	c := s.Leaf
	if s.Issued { // whatever its life is, this is late
		g.Log.Log(ctx, slog.LevelError, "the listeners' certificate is not renewed", "ends", c.NotAfter.UTC().Format(time.RFC3339), "failing_since", s.FailingSince.UTC().Format(time.RFC3339))
		return true
	}
	g.logExpiry(ctx, "the listeners' certificate", c, now, "file", s.File)
	return true
}

// addTLS tells how the certificate of the listeners does.
func (g *Gateway) addTLS(r *metrics.Registry) error {
	if g.tls == nil {
		return nil
	}
	type status = tlscert.Status
	outcomes := func(name, help string, good, bad func(status) uint64) metrics.Series[status] {
		return metrics.Series[status]{Name: name, Help: help, Kind: metrics.Counter, Labels: []string{"outcome"}, Samples: func(s status) []metrics.Sample {
			return []metrics.Sample{
				{Labels: []string{"good"}, Value: float64(good(s))},
				{Labels: []string{"failed"}, Value: float64(bad(s))},
			}
		}}
	}
	return metrics.Add(r, g.tls.Status,
		metrics.Series[status]{Name: "tls_certificate_end_timestamp_seconds", Help: "When the certificate that the listeners show ends, in seconds since 1970.", Samples: func(s status) []metrics.Sample {
			if s.Leaf == nil {
				return nil
			}
			return []metrics.Sample{{Value: float64(s.Leaf.NotAfter.Unix())}}
		}},
		outcomes("tls_reloads_total", "Changes of the files of the listeners' certificate; those that failed left the one before in place.",
			func(s status) uint64 { return s.Reloads }, func(s status) uint64 { return s.FailedReloads }),
		outcomes("acme_orders_total", "Orders of a certificate for the listeners over ACME.",
			func(s status) uint64 { return s.Orders }, func(s status) uint64 { return s.FailedOrders }),
	)
}
