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
