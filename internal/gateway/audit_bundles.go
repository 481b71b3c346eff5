package gateway

import (
	"crypto/x509"
	"fmt"
	"time"

	"postern/internal/audit"
	"postern/store"
)

// auditChange records that a fetched bundle has other anchors than before: whom
// we believe has changed, though nobody gave an order.
func (f *refreshing) auditChange(tx store.Tx, b store.Bundle, now time.Time) error {
	return tx.Audit(audit.Record{
		At: now, Actor: audit.System, Action: audit.Changed, Object: "bundle " + b.Name,
		Detail: fmt.Sprintf("anchors of its latest fetch: %d came, %d went; %s",
			len(f.result.Added), len(f.result.Removed), prints(f.result.Added, f.result.Removed)),
	})
}

// maxPrints bounds the anchors that a record names.
const maxPrints = 8

// prints names the first of the anchors that came, with a plus, and of those that
// went, with a minus.
func prints(came, went []*x509.Certificate) string {
	text := ""
	add := func(sign string, all []*x509.Certificate) {
		for _, c := range all[:min(len(all), maxPrints/2)] {
			text += fmt.Sprintf(" %s%s", sign, store.FingerprintOf(c.Raw))
		}
	}
	add("+", came)
	add("-", went)
	if text == "" {
		return "their policies are others"
	}
	return "among them" + text
}
