package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"postern/internal/control"
)

// shortSHA is how much of a fingerprint is shown to people: enough to find the
// certificate by it.
const shortSHA = 16

func short(sha256 string) string { return sha256[:min(len(sha256), shortSHA)] }

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// A teller writes for people, line by line, each behind its label.
type teller struct{ w io.Writer }

// say writes one line, so far to the right, unless there is nothing to say.
func (t teller) say(depth int, label, text string) {
	if text != "" {
		fmt.Fprintf(t.w, "%s%s: %s\n", strings.Repeat("  ", depth), label, text)
	}
}

// story tells why a certificate is believed that was named just before.
func (t teller) story(depth int, s control.Story) {
	t.say(depth, "binding", binding(s.Binding))
	for i, c := range s.Path {
		switch {
		case i == 0 && len(s.Path) == 1:
			t.say(depth, "anchor", "the certificate itself")
		case i == 0:
		case i == len(s.Path)-1:
			t.say(depth, "anchor", certificate(c))
		default:
			t.say(depth, "issued by", certificate(c))
		}
	}
	for _, a := range s.AnchorFrom {
		t.say(depth, "anchor of", fmt.Sprintf("%s, %s", cmp.Or(a.Domain, "every domain"), a.Source))
	}
	for _, url := range s.IssuersFrom {
		t.say(depth, "fetched from", url)
	}
	for _, r := range s.Revocation {
		t.say(depth, "revocation", fmt.Sprintf("%s: %s", r.Subject, revocation(r)))
	}
}

func certificate(c control.PathCertificate) string {
	return fmt.Sprintf("%s %s, until %s", short(c.SHA256), c.Subject, moment(c.NotAfter))
}

// binding says what in a certificate names the address.
func binding(b string) string {
	switch b {
	case "address":
		return "the certificate names the address"
	case "domain":
		return "the certificate names the domain"
	case "subject-address":
		return "the subject of the certificate names the address, which profile 1.2 allows"
	}
	return b
}

// revocation says what is known of a certificate's revocation, by whom, and how
// old it is.
func revocation(r control.RevocationInfo) string {
	var b strings.Builder
	b.WriteString(r.Status)
	if !r.RevokedAt.IsZero() {
		b.WriteString(" since " + moment(r.RevokedAt))
	}
	if r.Method != "" {
		b.WriteString(", by " + r.Method + " " + r.Source)
	}
	if r.Age != nil {
		b.WriteString(" of " + moment(r.ThisUpdate) + ", " + age(time.Duration(*r.Age)*time.Second))
	}
	if !r.NextUpdate.IsZero() {
		b.WriteString(", counts until " + moment(r.NextUpdate))
	}
	if r.Detail != "" {
		b.WriteString(" (" + r.Detail + ")")
	}
	return b.String()
}

// age says how old something was at the time judged at.
func age(d time.Duration) string {
	if d < 0 {
		return span(-d) + " later than the time judged at"
	}
	return span(d) + " old"
}

func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d days", d/(24*time.Hour))
}
