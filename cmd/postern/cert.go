package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"postern/internal/control"
	"postern/internal/keyfile"
)

func runCertImport(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert import")
	owner := fs.String("for", "", "")
	passwordFile := fs.String("password-file", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	pair, err := inv.readPair(rest[0], *passwordFile)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(pair.Key)
	if err != nil {
		return usagef("use an RSA or ECDSA key", "%s: %s", rest[0], err)
	}
	in := control.Import{Owner: *owner, Certificate: pair.Certificate.Raw, PKCS8: pkcs8}
	for _, c := range pair.Chain {
		in.Chain = append(in.Chain, c.Raw)
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		info, err := c.ImportCertificate(ctx, in)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(info)
		}
		fmt.Fprintf(inv.stdout, "imported: %s\n", certLine(info))
		inv.printRecord(info)
		return nil
	})
}

// readPair reads a certificate and its key from a file that the user named.
func (inv *invocation) readPair(file, passwordFile string) (*keyfile.Pair, error) {
	data, err := inv.readInput(file, keyfile.MaxFile)
	if err != nil {
		return nil, err
	}
	pair, err := keyfile.Read(data, func() ([]byte, error) {
		if file == "-" && passwordFile == "" {
			return nil, usagef("give its password with --password-file", "the PKCS #12 file came on standard input, so the password cannot")
		}
		return inv.password(passwordFile, "password of "+file, false)
	})
	var usage *usageError
	if err != nil && !errors.As(err, &usage) {
		return nil, usagef(keyHint(err), "%s: %s", file, err)
	}
	return pair, err
}

// keyHint adds to what package keyfile says how the command takes a password.
func keyHint(err error) string {
	if errors.Is(err, keyfile.ErrPassphrase) {
		return "give it at the prompt, on standard input, or in a file with --password-file"
	}
	return "nothing was imported; postern takes PKCS #12, or PEM with the certificate and its key in one file"
}

// printRecord prints what is to be published.
func (inv *invocation) printRecord(c control.CertificateInfo) {
	if c.Record != "" {
		fmt.Fprintf(inv.stdout, "publish in DNS, so that others can encrypt to it:\n%s\n", c.Record)
	}
}

func certLine(c control.CertificateInfo) string {
	state := ""
	if c.Test {
		state = "  TEST ONLY"
	}
	if c.Retired {
		state += "  retired"
	}
	return fmt.Sprintf("%s  %s  %s, %s, issued by %s%s", c.SHA256[:16], c.Owner, or(c.Use, "of no use"), until(c.NotAfter), c.Issuer, state)
}

func runCertList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("cert list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Certificates(ctx)
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
	rest, err := parse(inv.flags("cert show"), args, 1, 1)
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
			inv.printFields([]field{
				{"sha256", s.SHA256}, {"owner", s.Owner}, {"use", s.Use}, {"subject", s.Subject}, {"issuer", s.Issuer},
				{"chain", strings.Join(s.Chain, "; ")}, {"valid", validity(s.NotBefore, s.NotAfter)},
			}, s.Details)
			inv.printRecord(s.CertificateInfo)
		}
		return nil
	})
}

func runCertIssue(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert issue")
	anchor := fs.String("anchor", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		issued, err := c.IssueCertificate(ctx, rest[0])
		if err != nil {
			return err
		}
		if *anchor != "" {
			err := os.WriteFile(*anchor, []byte(issued.AnchorPEM), 0o644)
			if err != nil {
				return usagef("the certificate was issued; postern cert list shows the test CA, and postern cert show prints it", "writing the test CA's certificate: %s", err)
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
