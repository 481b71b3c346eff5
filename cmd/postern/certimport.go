package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"

	"postern/bundle"
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
	in, err := inv.readImport(rest[0], *passwordFile)
	if err != nil {
		return err
	}
	in.Owner = *owner
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.ImportCertificates(ctx, in)
		if err != nil {
			return err
		}
		for _, c := range all {
			inv.warn(c.Warnings)
		}
		if inv.json {
			return inv.printJSON(all)
		}
		for _, c := range all {
			fmt.Fprintf(inv.stdout, "imported: %s\n", certLine(c.CertificateInfo))
			inv.printRecord(c.CertificateInfo)
		}
		return nil
	})
}

// readImport reads what a file holds that the user named: certificates with their
// keys, or certificates alone.
func (inv *invocation) readImport(file, passwordFile string) (control.Import, error) {
	pairs, data, err := inv.readPairs(file, passwordFile)
	var usage *usageError
	switch {
	case errors.Is(err, keyfile.ErrNoKey):
		return readAnswer(file, data)
	case errors.As(err, &usage):
		return control.Import{}, err
	case err != nil:
		return control.Import{}, usagef(keyHint(err), "%s: %s", file, err)
	}
	var in control.Import
	for _, p := range pairs {
		pkcs8, err := x509.MarshalPKCS8PrivateKey(p.Key)
		if err != nil {
			return control.Import{}, usagef("use an RSA or ECDSA key", "%s: %s", file, err)
		}
		in.Pairs = append(in.Pairs, control.ImportedPair{Certificate: p.Certificate.Raw, Chain: raw(p.Chain), PKCS8: pkcs8})
	}
	return in, nil
}

// readPairs reads the certificates of a file with their keys, and returns the file
// as well. Errors are usageErrors or those of package keyfile.
func (inv *invocation) readPairs(file, passwordFile string) (pairs []*keyfile.Pair, data []byte, err error) {
	data, err = inv.readInput(file, keyfile.MaxFile)
	if err != nil {
		return nil, nil, err
	}
	pairs, err = keyfile.Read(data, func() ([]byte, error) {
		if file == "-" && passwordFile == "" {
			return nil, usagef("give its password with --password-file", "the file came on standard input, so the password cannot")
		}
		return inv.password(passwordFile, "password of "+file, false)
	})
	return pairs, data, err
}

// readAnswer reads a file without a private key: an authority's answer to a
// request, whose key is in the store.
func readAnswer(file string, data []byte) (control.Import, error) {
	certificates, bad, err := bundle.Read(data)
	switch {
	case err != nil:
		return control.Import{}, usagef(keyHint(keyfile.ErrNoKey), "%s: %s", file, keyfile.ErrNoKey)
	case len(bad) > 0:
		return control.Import{}, usagef("nothing was imported; ask for the file again", "%s: %d of its certificates cannot be read: %s", file, len(bad), bad[0])
	}
	return control.Import{Certificates: raw(certificates)}, nil
}

func raw(certificates []*x509.Certificate) (all [][]byte) {
	for _, c := range certificates {
		all = append(all, c.Raw)
	}
	return all
}

// keyHint adds to what package keyfile says how the command takes a password.
func keyHint(err error) string {
	switch {
	case errors.Is(err, keyfile.ErrPassphrase):
		return "give it at the prompt, on standard input, or in a file with --password-file"
	case errors.Is(err, keyfile.ErrKeyKind):
		return "nothing was imported; use RSA of 2048 bits or more, or EC on P-256 or P-384; on P-521 a key can be encrypted to, but does not sign"
	case errors.Is(err, keyfile.ErrMismatch), errors.Is(err, keyfile.ErrManyKeys), errors.Is(err, keyfile.ErrEncryptedPEM),
		errors.Is(err, keyfile.ErrTooLarge), errors.Is(err, keyfile.ErrUndecryptable):
		return "nothing was imported" // they say what to do themselves
	}
	return "nothing was imported; postern takes PKCS #12, or PEM with the certificate and its key in one file"
}
