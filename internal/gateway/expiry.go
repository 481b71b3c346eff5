package gateway

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"time"

	"postern/store"
	"postern/trust"
)

// When the end of a certificate is near: a new one takes days to get.
const (
	ExpiresSoon     = 30 * day // a warning
	expiresVerySoon = 7 * day  // an error
	day             = 24 * time.Hour
)

// watchExpiry warns of certificates that end soon, at once and then once a day,
// until ctx is done.
func (c *Core) watchExpiry(ctx context.Context) {
	ticker := time.NewTicker(day)
	defer ticker.Stop()
	for {
		err := c.reportExpiry(ctx)
		if err != nil && ctx.Err() == nil {
			c.Log.Error("looking for certificates that expire", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// reportExpiry logs a line for each certificate of ours that is in use and for
// each anchor whose end is near or past. What cannot be read is told of by those
// who read it to use it.
func (c *Core) reportExpiry(ctx context.Context) error {
	var keys []store.Key
	var anchors []store.Anchor
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		keys, err = tx.Keys()
		if err != nil {
			return err
		}
		anchors, err = tx.Anchors()
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the directory: %w", err)
	}
	now := c.Now()
	for _, k := range keys {
		leaf, err := x509.ParseCertificate(k.Certificate)
		if err == nil && k.Retired.IsZero() {
			c.logExpiry(ctx, "a certificate", leaf, now, "certificate", k.Fingerprint, "owner", k.Owner)
		}
	}
	told := make(map[store.Fingerprint]bool) // one anchor may serve several domains
	for _, a := range anchors {
		root, err := x509.ParseCertificate(a.Certificate)
		if err == nil && !told[a.Fingerprint] {
			told[a.Fingerprint] = true
			c.logExpiry(ctx, "an anchor", root, now, "anchor", a.Fingerprint, "source", a.Source, "subject", trust.WriteName(root.Subject))
		}
	}
	return nil
}

func (c *Core) logExpiry(ctx context.Context, what string, cert *x509.Certificate, now time.Time, attrs ...any) {
	left := cert.NotAfter.Sub(now)
	level, text := slog.LevelError, "expires soon"
	switch {
	case left < 0:
		text = "has expired"
	case left >= ExpiresSoon:
		return
	case left >= expiresVerySoon:
		level = slog.LevelWarn
	}
	attrs = append(attrs, "ends", cert.NotAfter.UTC().Format(time.DateOnly), "days", int(left/day))
	c.Log.Log(ctx, level, what+" "+text, attrs...)
}
