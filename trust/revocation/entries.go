package revocation

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// entries are a CRL's revokedCertificates: their DER, and where in it each
// entry begins, in the order of the serial numbers. There may be hundreds of
// thousands, so none is kept decoded.
type entries struct {
	list    cryptobyte.String
	offsets []uint32
}

// An entry is one of revokedCertificates, halfway read.
type entry struct {
	serial     cryptobyte.String // contents of the INTEGER
	date       cryptobyte.String // the element
	extensions cryptobyte.String // contents of the SEQUENCE; empty if there are none
}

// typicalEntry is the size in octets of an entry with a long serial number and
// a reason.
const typicalEntry = 48

// readEntries walks over all entries once, so that none has a defect which
// would forbid to use the CRL.
func readEntries(list cryptobyte.String, v2 bool) (entries, error) {
	keys := make([]sortKey, 0, len(list)/typicalEntry)
	rest := list
	for !rest.Empty() {
		offset := len(list) - len(rest)
		e, ok := readEntry(&rest)
		if !ok || !v2 && !e.extensions.Empty() {
			return entries{}, fmt.Errorf("entry %d: %w", len(keys)+1, errMalformed)
		}
		err := checkEntryExtensions(e.extensions)
		if err != nil {
			return entries{}, fmt.Errorf("entry %d: %w", len(keys)+1, err)
		}
		keys = append(keys, sortKey{prefix: prefixOf(e.serial), offset: uint32(offset)}) // below MaxCRL
	}
	return sorted(list, keys), nil
}

// A sortKey decides most comparisons of serial numbers without a look at the
// list, which is too large for the processor's caches.
type sortKey struct {
	prefix uint64
	offset uint32
}

// prefixOf returns the first eight octets of a serial number.
func prefixOf(serial []byte) uint64 {
	var b [8]byte
	copy(b[:], serial)
	return binary.BigEndian.Uint64(b[:])
}

// sorted sorts entries by the octets of their serial numbers. That is not the
// order of the numbers, but an order.
func sorted(list cryptobyte.String, keys []sortKey) entries {
	all := entries{list: list, offsets: make([]uint32, len(keys))}
	slices.SortFunc(keys, func(a, b sortKey) int {
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		return bytes.Compare(all.at(a.offset).serial, all.at(b.offset).serial)
	})
	for i, k := range keys {
		all.offsets[i] = k.offset
	}
	return all
}

func readEntry(s *cryptobyte.String) (e entry, ok bool) {
	var body cryptobyte.String
	if !s.ReadASN1(&body, asn1.SEQUENCE) {
		return e, false
	}
	e.serial, ok = readInteger(&body)
	if !ok {
		return e, false
	}
	var tag asn1.Tag
	if !body.ReadAnyASN1Element(&e.date, &tag) || tag != asn1.UTCTime && tag != asn1.GeneralizedTime {
		return e, false
	}
	if body.Empty() {
		return e, true
	}
	return e, body.ReadASN1(&e.extensions, asn1.SEQUENCE) && body.Empty() && !e.extensions.Empty()
}

// checkEntryExtensions refuses what changes the meaning of an entry in a way
// that is not known (RFC 5280 §5.3).
func checkEntryExtensions(list cryptobyte.String) error {
	if list.Empty() {
		return nil
	}
	return eachExtension(list, func(e extension) error {
		switch string(e.id) {
		case oidReasonCode, oidInvalidityDate, oidHoldInstruction:
			return nil
		case oidCertificateIssuer: // RFC 5280 §5.3.3
			return errors.New("it is of another issuer, as in indirect CRLs")
		}
		if e.critical {
			return fmt.Errorf("it has a critical extension %x that is not known", []byte(e.id))
		}
		return nil
	})
}

// at returns the entry at an offset, which was read before.
func (all entries) at(offset uint32) entry {
	s := all.list[offset:]
	e, _ := readEntry(&s)
	return e
}

// find returns what all entries with a serial number say. There should be one
// at most; who stands there twice is revoked if one of them says so.
func (all entries) find(serial []byte) ([]revocation, error) {
	i, _ := slices.BinarySearchFunc(all.offsets, serial, func(offset uint32, want []byte) int {
		return bytes.Compare(all.at(offset).serial, want)
	})
	var found []revocation
	for ; i < len(all.offsets); i++ {
		e := all.at(all.offsets[i])
		if !bytes.Equal(e.serial, serial) {
			break
		}
		if len(found) == maxDuplicates {
			return nil, fmt.Errorf("the certificate has more than %d entries", maxDuplicates)
		}
		r, err := e.revocation()
		if err != nil {
			return nil, fmt.Errorf("the certificate's entry: %w", err)
		}
		found = append(found, r)
	}
	return found, nil
}

// maxDuplicates is the number of entries that are read for one certificate.
const maxDuplicates = 16

// revocation reads an entry to the end.
func (e entry) revocation() (revocation, error) {
	r := revocation{reason: noReason}
	var ok bool
	date := e.date
	r.at, ok = readTime(&date)
	if !ok {
		return r, errMalformed
	}
	if !e.extensions.Empty() {
		err := eachExtension(e.extensions, r.readExtension)
		if err != nil {
			return r, err
		}
	}
	if r.reason == removeFromCRL { // RFC 5280 §5.3.1
		return r, errors.New("removeFromCRL, which is for delta CRLs alone")
	}
	return r, nil
}

// readExtension reads what a CRL entry extension says of the revocation.
func (r *revocation) readExtension(e extension) error {
	ok := true
	value := e.value
	switch string(e.id) {
	case oidReasonCode:
		ok = r.reason == noReason
		if ok {
			r.reason, ok = readEnumerated(&value)
		}
	case oidInvalidityDate:
		ok = r.invalid.IsZero() && value.PeekASN1Tag(asn1.GeneralizedTime) // RFC 5280 §5.3.2
		if ok {
			r.invalid, ok = readTime(&value)
		}
	default:
		return nil
	}
	if !ok || !value.Empty() {
		return errMalformed
	}
	return nil
}
