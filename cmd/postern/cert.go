package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"postern/internal/control"
	"postern/internal/keyfile"
)

// keyBytes bounds a file with a key.
const keyBytes = 1 << 20

func runCertImport(ctx context.Context, inv *invocation, args []string) error {
	fs := flags("cert import")
	owner := fs.String("for", "", "")
	passwordFile := fs.String("password-file", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	data, err := inv.readInput(rest[0], keyBytes)
	if err != nil {
		return err
	}
	pair, err := keyfile.Read(data, func() ([]byte, error) {
		return inv.password(*passwordFile, "password of "+rest[0], false)
	})
	if err != nil {
		return keyError(rest[0], err)
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
		return nil
	})
}

// keyError tells what is wrong with a key file.
func keyError(file string, err error) error {
	var usage *usageError
	if errors.As(err, &usage) {
		return err
	}
	return usagef("", "%s: %s", file, err)
}

func certLine(c control.CertificateInfo) string {
	state := ""
	if c.Test {
		state = "  TEST ONLY"
	}
	if c.Retired {
		state += "  retired"
	}
	return fmt.Sprintf("%s  %s  %s, until %s%s", c.SHA256[:16], c.Owner, c.Use, c.NotAfter.Format("2006-01-02"), state)
}

func runCertList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(flags("cert list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.Certificates(ctx)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(all)
		}
		for _, info := range all {
			fmt.Fprintln(inv.stdout, certLine(info))
		}
		return nil
	})
}

func runCertIssue(ctx context.Context, inv *invocation, args []string) error {
	fs := flags("cert issue")
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
				return usagef("", "writing the test CA's certificate: %s", err)
			}
		}
		if inv.json {
			return inv.printJSON(issued)
		}
		fmt.Fprintf(inv.stdout, "issued: %s\n", certLine(issued.Certificate))
		if *anchor != "" {
			fmt.Fprintf(inv.stdout, "the test CA is in %s: whoever loads it as an anchor trusts this certificate\n", *anchor)
		}
		return nil
	})
}
