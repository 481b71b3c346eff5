package gateway

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"

	"postern/smtp"
	"postern/store"
	"postern/trust"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// mostTold bounds how many certificates or questions one event of a track names.
const mostTold = 16

// submittedBy tells who handed a message in, and from where.
func submittedBy(e smtp.Envelope) string {
	s := "submitted by " + e.Account.String()
	if e.Remote.IsValid() {
		s += " from " + e.Remote.Addr().String()
	}
	return s
}

// found tells the track how the certificates of a recipient were looked for, and
// what was made of each. Of a route that ends there, the caller tells the end.
func (r Route) found() []outcome {
	var all []outcome
	if r.Code.IsOK() || len(r.Discovery.Certificates) > 0 {
		all = append(all, outcome{recipient: r.Recipient, stage: store.StageDiscover, more: r.search(), quiet: true})
	}
	if r.Code.IsOK() {
		all = append(all, outcome{recipient: r.Recipient, stage: store.StageTrust, more: r.judgement(), quiet: true})
	}
	return all
}

// search tells every question of a search: whom it was put to, and what came of it.
func (r Route) search() string {
	if r.Local && len(r.Discovery.Steps) == 0 {
		return "of a domain of ours: nobody was asked"
	}
	return listOf(r.Discovery.Steps, stepText)
}

func stepText(s discovery.Step) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", s.Source, s.Query)
	if s.Server != "" {
		b.WriteString(" at " + s.Server)
	}
	fmt.Fprintf(&b, ": %s", s.Outcome)
	if s.Cached {
		fmt.Fprintf(&b, " (known for %s)", s.Age.Round(time.Second))
	} else {
		fmt.Fprintf(&b, " (%s)", s.Duration.Round(time.Millisecond))
	}
	return b.String()
}

// judgement tells the reason for each certificate that was tried.
func (r Route) judgement() string {
	return listOf(r.Selection.Verdicts, func(v trust.Verdict) string {
		s := shortPrint(v.Certificate) + ": " + v.Code.String()
		if v.Code.IsOK() && v.Anchor != nil {
			s += ", anchor " + trust.WriteName(v.Anchor.Subject)
		}
		if !v.Code.IsOK() && v.Detail != "" {
			s += " (" + reason.Line(v.Detail, 200) + ")"
		}
		return s
	})
}

// shortPrint is the beginning of a certificate's SHA-256, by which the commands
// find it.
func shortPrint(c *x509.Certificate) string {
	if c == nil {
		return "?"
	}
	return trust.FingerprintOf(c).String()[:16]
}

func listOf[T any](all []T, text func(T) string) string {
	var parts []string
	for i, v := range all {
		if i == mostTold {
			parts = append(parts, fmt.Sprintf("and %d more", len(all)-i))
			break
		}
		parts = append(parts, text(v))
	}
	return strings.Join(parts, "; ")
}
