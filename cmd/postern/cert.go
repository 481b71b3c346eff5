package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"postern/internal/control"
)

// certLine is a certificate of ours in one line.
func certLine(c control.CertificateInfo) string {
	if c.State == control.StateUnreadable {
		return fmt.Sprintf("%s  %s  %s", c.SHA256[:16], c.Owner, c.State)
	}
	state := c.State
	if c.Test {
		state += ", TEST ONLY"
	}
	return fmt.Sprintf("%s  %s  %s, %s, %s, issued by %s  %s", c.SHA256[:16], c.Owner, or(c.Use, "of no use"),
		until(c.NotAfter), c.Key, c.Issuer, state)
}

// printRecord prints what is to be published.
func (inv *invocation) printRecord(c control.CertificateInfo) {
	if c.Record != "" {
		fmt.Fprintf(inv.stdout, "publish in DNS, so that others can encrypt to it; postern publish zone writes all, publish check tells what others find:\n%s\n", c.Record)
	}
}

// warn tells of something that the command did not fail for.
func (inv *invocation) warn(warnings []string) {
	for _, w := range warnings {
		fmt.Fprintf(inv.stderr, "postern: warning: %s\n", oneLine(w))
	}
}

func runCertList(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert list")
	owner := fs.String("owner", "", "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Certificates(ctx, control.CertificateFilter{Owner: *owner})
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(listed(all))
		}
		for _, info := range all {
			fmt.Fprintln(inv.stdout, certLine(info))
		}
		return nil
	})
}

func runCertShow(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert show")
	withPEM := fs.Bool("pem", false, "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		found, err := c.ShowCertificate(ctx, rest[0])
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(found)
		}
		for _, s := range found {
			state := s.State
			if s.Test {
				state += ", TEST ONLY"
			}
			inv.printFields([]field{
				{"sha256", s.SHA256}, {"owner", s.Owner}, {"use", or(s.Use, "none")}, {"state", state},
				{"subject", s.Subject}, {"issuer", s.Issuer}, {"chain", strings.Join(s.Chain, "; ")},
				{"valid", validity(s.NotBefore, s.NotAfter)}, {"key", s.Key},
			}, s.Details)
			if *withPEM {
				fmt.Fprint(inv.stdout, s.PEM)
			}
			inv.printRecord(s.CertificateInfo)
		}
		return nil
	})
}

func runCertRetire(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert retire")
	undo := fs.Bool("undo", false, "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		done, err := c.RetireCertificate(ctx, control.Retire{SHA256: rest[0], Undo: *undo})
		if err != nil {
			return err
		}
		inv.warn(done.Warnings)
		if inv.json {
			return inv.printJSON(done)
		}
		if *undo {
			fmt.Fprintf(inv.stdout, "back: %s\n", certLine(done.Certificate))
			inv.printRecord(done.Certificate)
			return nil
		}
		fmt.Fprintf(inv.stdout, "retired: %s\n", certLine(done.Certificate))
		if strings.Contains(done.Certificate.Use, "encrypt") {
			fmt.Fprintln(inv.stdout, "listen.dns and listen.ldap no longer give it; take its record out where somebody else publishes for us, which postern publish check finds; what is still encrypted to it is opened as before")
		}
		return nil
	})
}

func runCertIssue(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert issue")
	anchor := fs.String("anchor", "", "")
	key := fs.String("key", "", "")
	use := fs.String("use", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		issued, err := c.IssueCertificate(ctx, control.KeyOrder{Owner: rest[0], Key: *key, Use: *use})
		if err != nil {
			return err
		}
		if *anchor != "" {
			err := os.WriteFile(*anchor, []byte(issued.AnchorPEM), 0o644)
			if err != nil {
				return usagef("the certificate was issued; postern cert list shows the test CA, and postern cert show --pem prints it", "writing the test CA's certificate: %s", err)
			}
		}
		if inv.json {
			return inv.printJSON(issued)
		}
		fmt.Fprintf(inv.stdout, "issued: %s\n", certLine(issued.Certificate))
		if *anchor != "" {
			fmt.Fprintf(inv.stdout, "the test CA is in %s: whoever loads it as an anchor trusts this certificate\n", *anchor)
		}
		inv.printRecord(issued.Certificate)
		return nil
	})
}
