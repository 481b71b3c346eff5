package main

import (
	"fmt"
	"strings"
	"time"

	"postern/internal/control"
)

// A field is one line of what a show command prints.
type field struct{ label, value string }

// printFields prints what a show command found, and the certificate itself.
func (inv *invocation) printFields(fields []field, d control.Details) {
	fields = append(fields, field{"serial", d.Serial}, field{"key", d.Key}, field{"names", strings.Join(d.Names, ", ")})
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(inv.stdout, "%-11s %s\n", f.label+":", f.value)
		}
	}
	fmt.Fprint(inv.stdout, d.PEM)
}

func validity(from, to time.Time) string {
	return fmt.Sprintf("from %s to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
}
