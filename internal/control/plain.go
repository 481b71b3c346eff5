package control

import (
	"crypto/x509"
	"strings"
	"unicode"

	"postern/trust"
)

// Bounds of what is told of texts that strangers wrote, in characters.
const (
	maxSubject = 200
	maxDetail  = 600
	maxURL     = 300
)

// plain makes one harmless line of a text that a stranger may have written, of
// at most so many characters. What does not print, or turns the direction of
// writing, is a question mark.
func plain(s string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n == most {
			b.WriteString("...")
			break
		}
		b.WriteRune(Printing(r))
		n++
	}
	return b.String()
}

// Printing returns a rune that prints and turns nothing round: r or a question
// mark. Texts keep their letters; what is logged or stored is held to ASCII, by
// reason.Line, and so are the names in certificates, by trust.WriteName.
func Printing(r rune) rune {
	if unicode.IsPrint(r) && r != unicode.ReplacementChar {
		return r
	}
	return '?'
}

// plainAll is plain for each of a list; never nil.
func plainAll(all []string, most int) []string {
	out := make([]string, 0, len(all))
	for _, s := range all {
		out = append(out, plain(s, most))
	}
	return out
}

// subjectOf is the subject name of a certificate, fit to be shown. Whoever had
// the certificate made wrote it, also where the certificate is ours; so it is cut
// and held to ASCII.
func subjectOf(c *x509.Certificate) string { return trust.WriteName(c.Subject) }

// issuerOf is the issuer's name, likewise.
func issuerOf(c *x509.Certificate) string { return trust.WriteName(c.Issuer) }

func sha256Of(c *x509.Certificate) string { return trust.FingerprintOf(c).String() }

// named tells of a certificate that may be missing.
func named(c *x509.Certificate) (sha256, subject string) {
	if c == nil {
		return "", ""
	}
	return sha256Of(c), subjectOf(c)
}
