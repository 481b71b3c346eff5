package cms

import (
	"encoding/asn1"
	"fmt"
	"slices"

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

// contentInfo enters a ContentInfo of one of the types given, and what it holds
// (RFC 5652 §3): three elements. It returns the index of the type.
func (b *berReader) contentInfo(want ...asn1.ObjectIdentifier) (int, error) {
	err := b.wantInside(tagSequence, "the content info")
	if err != nil {
		return 0, err
	}
	got, err := b.oid("the content type")
	if err != nil {
		return 0, err
	}
	if got.Equal(oidCompressedData) {
		return 0, ErrCompressed // AS-59; nothing behind the type is looked at
	}
	which := slices.IndexFunc(want, got.Equal)
	if which < 0 {
		return 0, fmt.Errorf("%w: content type %v where %v belongs", ErrUnsupported, got, want[0])
	}
	err = b.wantInside(tagContext0|tagConstructed, "the content")
	if err != nil {
		return 0, err
	}
	return which, b.wantInside(tagSequence, "the content")
}
