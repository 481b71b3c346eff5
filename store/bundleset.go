package store

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// NewBundleSet makes a set of anchors, in their order.
func NewBundleSet(anchors []BundleAnchor) BundleSet {
	size := sha256.Size
	for _, a := range anchors {
		size += 8 + len(a.Certificate)
		for _, p := range a.Policies {
			size += len(p) + 1
		}
	}
	value := make([]byte, sha256.Size, size)
	for _, a := range anchors {
		policies := strings.Join(a.Policies, " ")
		value = append(binary.BigEndian.AppendUint32(value, uint32(len(a.Certificate))), a.Certificate...)
		value = append(binary.BigEndian.AppendUint32(value, uint32(len(policies))), policies...)
	}
	content := sha256.Sum256(value[sha256.Size:])
	copy(value, content[:])
	return BundleSet{value}
}

// Content names the set, as BundleTx.BundleContent does once it is put.
func (s BundleSet) Content() Fingerprint {
	if s.value == nil {
		return NewBundleSet(nil).Content()
	}
	return Fingerprint(s.value[:sha256.Size])
}

// decodeBundleSet reads the value of a set: the SHA-256 of the rest, and of each
// anchor its certificate and its policies, joined by spaces, both behind their
// length as u32.
func decodeBundleSet(value []byte) ([]BundleAnchor, error) {
	if len(value) < sha256.Size || sha256.Sum256(value[sha256.Size:]) != Fingerprint(value[:sha256.Size]) {
		return nil, fmt.Errorf("%w: they are not those that were put", ErrCorrupt)
	}
	return decodeBundleAnchors(value[sha256.Size:])
}

func decodeBundleAnchors(data []byte) ([]BundleAnchor, error) {
	var anchors []BundleAnchor
	for len(data) > 0 {
		certificate, rest, err := cutBytes(data)
		if err != nil {
			return nil, err
		}
		policies, rest, err := cutBytes(rest)
		if err != nil {
			return nil, err
		}
		a := BundleAnchor{Certificate: append([]byte{}, certificate...)} // data belongs to the transaction
		if len(policies) > 0 {
			a.Policies = strings.Split(string(policies), " ")
		}
		anchors, data = append(anchors, a), rest
	}
	return anchors, nil
}

// cutBytes splits off octets that stand behind their length.
func cutBytes(data []byte) (value, rest []byte, err error) {
	if len(data) < 4 {
		return nil, nil, fmt.Errorf("%w: a length is cut off", ErrCorrupt)
	}
	n := binary.BigEndian.Uint32(data)
	if uint64(n) > uint64(len(data)-4) {
		return nil, nil, fmt.Errorf("%w: a value is cut off", ErrCorrupt)
	}
	return data[4 : 4+n], data[4+n:], nil
}
