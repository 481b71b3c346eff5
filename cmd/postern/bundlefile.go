package main

import (
	"fmt"
	"strings"
	"time"

	"postern/bundle"
	"postern/internal/control"
)

// A bundleFile is what is told of a bundle in a file.
type bundleFile struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"` // of the file
	Signed bool   `json:"signed"`
	// Signer proves nothing unless its fingerprint is compared.
	Signer       *control.BundleSigner       `json:"signer,omitempty"`
	Algorithm    string                      `json:"algorithm,omitempty"`
	SignedAt     time.Time                   `json:"signed_at,omitzero"`
	Metadata     *bundleMetadata             `json:"metadata,omitempty"`
	Certificates []control.BundleCertificate `json:"certificates"`
	Bad          []control.BadCertificate    `json:"bad"`
	Warnings     []string                    `json:"warnings"`
}

// A bundleMetadata is what a bundle says of itself.
type bundleMetadata struct {
	Profile   string   `json:"profile"`
	Sources   []string `json:"sources"`
	ValidFrom string   `json:"valid_from"`
	ValidTo   string   `json:"valid_to"`
	Text      string   `json:"text"`
}

func (inv *invocation) readBundle(file string) (*bundle.Bundle, error) {
	data, err := inv.readInput(file, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	b, err := bundle.Parse(data, bundle.Options{})
	if err != nil {
		return nil, usagef("give a trust bundle, unsigned or signed, or certificates, in DER, PEM or base64", "%s: %s", file, err)
	}
	return b, nil
}

func (inv *invocation) showBundleFile(file string) error {
	b, err := inv.readBundle(file)
	if err != nil {
		return err
	}
	return inv.printBundle(describeBundle(file, b, time.Now()))
}

func describeBundle(file string, b *bundle.Bundle, now time.Time) bundleFile {
	d := bundleFile{
		File: file, SHA256: fmt.Sprintf("%x", b.SHA256), Signed: b.Signed, Algorithm: b.Algorithm, SignedAt: b.SigningTime,
		Signer: control.DescribeSigner(b.Signer), Certificates: control.DescribeAnchors(b.Anchors), Bad: []control.BadCertificate{}, Warnings: []string{},
	}
	if m := b.Metadata; m != nil {
		d.Metadata = &bundleMetadata{oneLine(m.Profile), listed(m.Sources), oneLine(m.ValidFrom), oneLine(m.ValidTo), m.Text}
	}
	for _, bad := range b.Bad {
		d.Bad = append(d.Bad, control.BadCertificate{Index: bad.Index, Reason: oneLine(bad.Err.Error())})
	}
	for _, c := range b.Certificates() {
		d.Warnings = append(d.Warnings, control.AnchorProblems(c, now)...)
	}
	return d
}

// printBundle tells of a bundle in a file: on standard output what is in it, on
// standard error what is wrong with it.
func (inv *invocation) printBundle(d bundleFile) error {
	if inv.json {
		return inv.printJSON(d)
	}
	signer, signed := "nobody", ""
	if d.Signer != nil {
		signer = fmt.Sprintf("%s %s, %s", d.Signer.SHA256, d.Signer.Subject, until(d.Signer.NotAfter))
		signed = d.Algorithm
	}
	if !d.SignedAt.IsZero() {
		signed += ", at " + moment(d.SignedAt)
	}
	fields := []field{{"file", d.File}, {"sha256", d.SHA256}, {"signed by", signer}, {"signature", signed}}
	if m := d.Metadata; m != nil {
		fields = append(fields, field{"profile", m.Profile}, field{"valid", validText(m)}, field{"metadata", fmt.Sprintf("%d characters", len([]rune(m.Text)))})
		for _, s := range m.Sources {
			fields = append(fields, field{"source", oneLine(s)})
		}
	}
	fields = append(fields, field{"anchors", fmt.Sprint(len(d.Certificates))})
	inv.printBundleFields(fields, d.Certificates)
	inv.warnBad(d.Bad)
	inv.warn(d.Warnings)
	return nil
}

// validText is what the metadata says of the bundle's time.
func validText(m *bundleMetadata) string {
	switch {
	case m.ValidFrom == "" && m.ValidTo == "":
		return ""
	case m.ValidTo == "":
		return "from " + m.ValidFrom
	}
	return strings.TrimSpace(fmt.Sprintf("from %s to %s, as it says", or(m.ValidFrom, "ever"), m.ValidTo))
}
