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
	fmt.Fprintf(w, "  %s%s  %s, %s%s\n", label, c.SHA256[:shortSHA], c.Subject, until(c.NotAfter), forPolicies(", for ", c.Policies))
}

// forPolicies says after a lead which certificates an anchor is for, or "" if it
// asks for no policy.
func forPolicies(lead string, policies []string) string {
	if len(policies) == 0 {
		return ""
	}
	return lead + "certificates with policy " + strings.Join(policies, " ")
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

// warnBad tells of certificates that are left out.
func (inv *invocation) warnBad(all []control.BadCertificate) {
	for _, bad := range all {
		inv.warn([]string{fmt.Sprintf("certificate %d cannot be read, and is left out: %s", bad.Index, bad.Reason)})
	}
}

// tellNone says that there are no bundles where some were to be told of.
func (inv *invocation) tellNone(n int) {
	if n == 0 && !inv.json {
		inv.complain("there are no bundles", "postern bundle add adds one")
	}
}
