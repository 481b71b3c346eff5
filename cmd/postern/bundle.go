package main

import (
	"fmt"
	"io"
	"strings"

	"postern/internal/control"
)

func anchors(n int) string { return count(n, "anchor") }

// printCertificate prints an anchor of a bundle in one line.
func printCertificate(w io.Writer, label string, c control.BundleCertificate) {
	fmt.Fprintf(w, "  %s%s  %s, %s", label, c.SHA256[:shortSHA], c.Subject, until(c.NotAfter))
	if len(c.Policies) > 0 {
		fmt.Fprintf(w, ", for certificates with policy %s", strings.Join(c.Policies, " "))
	}
	fmt.Fprintln(w)
}

// printBundleFields prints what is to be told of a bundle, without what is empty,
// and its anchors.
func (inv *invocation) printBundleFields(fields []field, anchors []control.BundleCertificate) {
	for _, f := range fields {
		if f.value != "" {
			fmt.Fprintf(inv.stdout, "%-12s %s\n", f.label+":", f.value)
		}
	}
	for _, c := range anchors {
		printCertificate(inv.stdout, "", c)
	}
}
