package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/bundle"
	"postern/internal/cms"
	"postern/internal/keyfile"
)

func runBundleCreate(_ context.Context, inv *invocation, args []string) error {
	fs := inv.flags("bundle create")
	metadataFile := fs.String("metadata", "", "")
	signerFile := fs.String("signer", "", "")
	passwordFile := fs.String("password-file", "", "")
	armour := fs.Bool("pem", false, "")
	rest, err := parse(fs, args, 2, maxNamed)
	if err != nil {
		return err
	}
	if *passwordFile != "" && *signerFile == "" {
		return wrongUse(fs, "--password-file is for the key of --signer")
	}
	now := time.Now()
	made, err := inv.makeBundle(rest[1:], *metadataFile, func(anchors []*x509.Certificate, metadata []byte) ([]byte, error) {
		if *signerFile == "" {
			return bundle.WriteUnsigned(anchors, metadata)
		}
		return inv.signBundle(anchors, metadata, *signerFile, *passwordFile, now)
	})
	if err != nil {
		return err
	}
	if *armour {
		made = pem.EncodeToMemory(&pem.Block{Type: "PKCS7", Bytes: made})
	}
	err = writeNew(rest[0], made, 0o644)
	if err != nil {
		return err
	}
	return inv.tellCreated(rest[0], made, now)
}

// makeBundle reads what a bundle is made of, and writes it.
func (inv *invocation) makeBundle(files []string, metadataFile string, write func([]*x509.Certificate, []byte) ([]byte, error)) ([]byte, error) {
	anchors, err := inv.readAnchors(files)
	if err != nil {
		return nil, err
	}
	var metadata []byte
	if metadataFile != "" {
		metadata, err = inv.readInput(metadataFile, bundle.MaxMetadata)
		if err != nil {
			return nil, err
		}
	}
	der, err := write(anchors, metadata)
	var usage *usageError
	if err == nil || errors.As(err, &usage) {
		return der, err
	}
	return nil, bundleProblem(err)
}

// readAnchors reads the files that a bundle is made of. A certificate that is in
// several of them counts once.
func (inv *invocation) readAnchors(files []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	seen := map[string]bool{}
	for _, file := range files {
		data, err := inv.readInput(file, bundle.MaxSize)
		if err != nil {
			return nil, err
		}
		certificates, bad, err := bundle.Read(data)
		switch {
		case errors.Is(err, bundle.ErrSigned):
			return nil, usagef("postern bundle show lists what is in it; give its certificates one by one", "%s: %s", file, err)
		case err != nil:
			return nil, usagef("give files with certificates in PEM, DER or PKCS #7", "%s: %s", file, err)
		case len(bad) > 0:
			return nil, usagef("nothing was written; take the bad certificate out of the file", "%s: %d of its certificates cannot be read: %s", file, len(bad), bad[0])
		}
		for _, c := range certificates {
			if !seen[string(c.Raw)] {
				seen[string(c.Raw)] = true
				all = append(all, c)
			}
		}
	}
	return all, nil
}

func (inv *invocation) signBundle(certificates []*x509.Certificate, metadata []byte, file, passwordFile string, now time.Time) ([]byte, error) {
	by, err := inv.readBundleSigner(file, passwordFile)
	if err != nil {
		return nil, err
	}
	return bundle.WriteSigned(certificates, metadata, by, now)
}

// readBundleSigner reads the certificate and the key that a bundle is signed by.
func (inv *invocation) readBundleSigner(file, passwordFile string) (cms.Signer, error) {
	pairs, _, err := inv.readPairs(file, passwordFile)
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return cms.Signer{}, err
	case err != nil:
		return cms.Signer{}, usagef("--signer takes PKCS #12, or PEM with the certificate and its key in one file", "%s: %s", file, err)
	}
	pairs = slices.DeleteFunc(pairs, func(p *keyfile.Pair) bool { return !mayBeSigner(p.Certificate) })
	if len(pairs) != 1 {
		return cms.Signer{}, usagef("--signer takes a file with one certificate that may sign, and its key", "%s holds %d certificates with a key that may sign", file, len(pairs))
	}
	return cms.Signer{Certificate: pairs[0].Certificate, Chain: pairs[0].Chain, Key: pairs[0].Key}, nil
}

// mayBeSigner reports whether those who take a bundle would believe a signature
// (RFC 5280 §4.2.1.3).
func mayBeSigner(c *x509.Certificate) bool {
	return c.KeyUsage == 0 || c.KeyUsage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) != 0
}

// tellCreated reads the file that was written as those will who take it.
func (inv *invocation) tellCreated(file string, data []byte, now time.Time) error {
	b, err := bundle.Parse(data, bundle.Options{Now: now})
	if err != nil {
		return fmt.Errorf("reading back %s: %w", file, err)
	}
	d := describeBundle(file, b, now)
	if asksNothing(b) {
		d.Warnings = append(d.Warnings, "nothing in the metadata is understood: it asks for no policy and names no profile; docs/bundles.md shows the form")
	}
	inv.warn(d.Warnings)
	if inv.json {
		return inv.printJSON(d)
	}
	how := "unsigned"
	if d.Signer != nil {
		how = "signed by " + d.Signer.Subject
	}
	fmt.Fprintf(inv.stdout, "created: %s  %s, %s\n", file, anchors(len(d.Certificates)), how)
	for _, c := range d.Certificates {
		printCertificate(inv.stdout, "", c)
	}
	if d.Signer != nil {
		fmt.Fprintf(inv.stdout, "  signer: %s\n  sha256: %s\n  tell this fingerprint to those who take the bundle by another way than the bundle\n", d.Signer.Subject, d.Signer.SHA256)
	}
	return nil
}

// asksNothing reports whether a bundle has metadata of which we read nothing.
func asksNothing(b *bundle.Bundle) bool {
	m := b.Metadata
	return m != nil && m.Profile == "" && len(m.Sources) == 0 && m.ValidFrom == "" && m.ValidTo == "" &&
		!slices.ContainsFunc(b.Anchors, func(a bundle.Anchor) bool { return len(a.Policies) > 0 })
}

// bundleProblem says what is wrong with what a bundle is to be made of.
func bundleProblem(err error) error {
	switch {
	case errors.Is(err, bundle.ErrMetadata):
		return usagef("docs/bundles.md tells how policies are asked for", "%s", err)
	case errors.Is(err, bundle.ErrSignerExpired):
		return usagef("those who pin the signer would refuse the bundle; renew the certificate", "%s", err)
	}
	return usagef("nothing was written", "%s", err)
}
