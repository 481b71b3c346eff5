package main

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/control"
)

// A field is one line of what a show command prints.
type field struct{ label, value string }

// printFields prints what a show command found, without what is empty.
func (inv *invocation) printFields(fields []field, d control.Details) {
	fields = append(fields, field{"serial", d.Serial}, field{"signature", d.Signature},
		field{"names", strings.Join(d.Names, ", ")}, field{"key usage", strings.Join(d.KeyUsage, ", ")},
		field{"extended", strings.Join(d.Extended, ", ")}, field{"policies", strings.Join(d.Policies, ", ")},
		field{"issuer at", strings.Join(d.IssuerURLs, " ")}, field{"OCSP at", strings.Join(d.OCSP, " ")},
		field{"CRL at", strings.Join(d.CRLs, " ")},
		field{"key id", d.SubjectKeyID}, field{"issued by", d.IssuerKeyID}, field{"sha1", d.SHA1})
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(inv.stdout, "%-11s %s\n", f.label+":", f.value)
		}
	}
}

// validity says from when to when something is valid, and whether that is over
// or soon will be.
func validity(from, to time.Time) string {
	span := fmt.Sprintf("from %s to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
	if soon := expiry(to); soon != "" {
		return span + " (" + soon + ")"
	}
	return span
}
