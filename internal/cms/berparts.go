package cms

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
)

// oid reads an OBJECT IDENTIFIER.
func (b *berReader) oid(what string) (asn1.ObjectIdentifier, error) {
	h, err := b.want(tagOID, what)
	if err != nil {
		return nil, err
	}
	der, err := b.element(nil, h)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	s := cryptobyte.String(der)
	var oid asn1.ObjectIdentifier
	if !s.ReadASN1ObjectIdentifier(&oid) {
		return nil, malformed("%s is no object identifier", what)
	}
	return oid, nil
}

// version reads the version of a structure. It says which optional parts a
// sender used, which the parts themselves say better, so any is accepted that
// RFC 5652 knows.
func (b *berReader) version() error {
	h, err := b.want(tagInteger, "the version")
	if err != nil {
		return err
	}
	der, err := b.element(nil, h)
	if err != nil {
		return fmt.Errorf("reading the version: %w", err)
	}
	s := cryptobyte.String(der)
	var version int64
	if !s.ReadASN1Integer(&version) || version < 0 || version > 5 {
		return malformed("an unknown version")
	}
	return nil
}

// contentInfo enters a ContentInfo of the type given, and what it holds
// (RFC 5652 §3): three elements.
func (b *berReader) contentInfo(want asn1.ObjectIdentifier) error {
	err := b.wantInside(tagSequence, "the content info")
	if err != nil {
		return err
	}
	got, err := b.oid("the content type")
	if err != nil {
		return err
	}
	if !got.Equal(want) {
		return fmt.Errorf("%w: content type %v where %v belongs", ErrUnsupported, got, want)
	}
	err = b.wantInside(tagContext0|tagConstructed, "the content")
	if err != nil {
		return err
	}
	return b.wantInside(tagSequence, "the content")
}
