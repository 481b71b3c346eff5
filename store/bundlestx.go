package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// bundleName is the form of a bundle's name, less the names of other sources.
var bundleName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)

// CheckBundleName returns an error that says what is wrong with a name.
func CheckBundleName(name string) error {
	switch {
	case !bundleName.MatchString(name):
		return fmt.Errorf("%q is no name for a bundle: 1 to 64 of a-z, 0-9, \"-\" and \".\", a letter or digit first", name)
	case name == ManualSource || name == EVSource:
		return fmt.Errorf("%q is the name of anchors that are loaded one by one", name)
	}
	return nil
}

// Bundle implements BundleTx.
func (t *tx) Bundle(name string) (Bundle, error) {
	b, err := getRecord[Bundle](t, bucketBundles, []byte(name))
	if err != nil {
		return Bundle{}, fmt.Errorf("bundle %s: %w", name, err)
	}
	return b, nil
}

// Bundles implements BundleTx.
func (t *tx) Bundles() ([]Bundle, error) { return listRecords[Bundle](t, bucketBundles, nil) }

// PutBundle implements BundleTx.
func (t *tx) PutBundle(b Bundle) error {
	err := CheckBundleName(b.Name)
	if err != nil {
		return err
	}
	b.Created = b.Created.UTC()
	return t.putDirectory(bucketBundles, []byte(b.Name), b)
}

// RemoveBundle implements BundleTx.
func (t *tx) RemoveBundle(name string) error {
	err := t.removeDirectory(bucketBundles, []byte(name))
	if err != nil {
		return fmt.Errorf("bundle %s: %w", name, err)
	}
	return errors.Join(t.remove(bucketBundleStates, []byte(name)), t.remove(bucketBundleAnchors, []byte(name)))
}

// BundleState implements BundleTx.
func (t *tx) BundleState(name string) (BundleState, error) {
	_, err := t.Bundle(name)
	if err != nil {
		return BundleState{}, err
	}
	s, err := getRecord[BundleState](t, bucketBundleStates, []byte(name))
	if errors.Is(err, ErrNotFound) {
		return BundleState{}, nil
	}
	return s, err
}

// PutBundleState implements BundleTx.
func (t *tx) PutBundleState(name string, s BundleState) error {
	if !t.writable {
		return ErrReadOnly
	}
	_, err := t.Bundle(name)
	if err != nil {
		return err
	}
	s.Attempted, s.Succeeded, s.Changed = s.Attempted.UTC(), s.Succeeded.UTC(), s.Changed.UTC()
	s.Next, s.FailedSince = s.Next.UTC(), s.FailedSince.UTC()
	return t.putRecord(bucketBundleStates, []byte(name), s)
}

// BundleContent implements BundleTx.
func (t *tx) BundleContent(name string) (Fingerprint, error) {
	value := t.get(bucketBundleAnchors, []byte(name))
	if value == nil {
		return Fingerprint{}, nil
	}
	if len(value) < sha256.Size {
		return Fingerprint{}, fmt.Errorf("%w: the anchors of bundle %s", ErrCorrupt, name)
	}
	return Fingerprint(value[:sha256.Size]), nil
}

// BundleAnchors implements BundleTx.
func (t *tx) BundleAnchors(name string) ([]BundleAnchor, Fingerprint, error) {
	_, err := t.Bundle(name)
	if err != nil {
		return nil, Fingerprint{}, err
	}
	content, err := t.BundleContent(name)
	if err != nil || content == (Fingerprint{}) {
		return nil, content, err
	}
	rest := t.get(bucketBundleAnchors, []byte(name))[sha256.Size:]
	if sha256.Sum256(rest) != content {
		return nil, content, fmt.Errorf("%w: the anchors of bundle %s", ErrCorrupt, name)
	}
	anchors, err := decodeBundleAnchors(rest)
	if err != nil {
		return nil, content, fmt.Errorf("the anchors of bundle %s: %w", name, err)
	}
	return anchors, content, nil
}

// PutBundleAnchors implements BundleTx.
func (t *tx) PutBundleAnchors(name string, anchors []BundleAnchor) error {
	if !t.writable {
		return ErrReadOnly
	}
	_, err := t.Bundle(name)
	if err != nil {
		return err
	}
	rest := encodeBundleAnchors(anchors)
	content := sha256.Sum256(rest)
	err = t.put(bucketBundleAnchors, []byte(name), append(content[:], rest...))
	if err != nil {
		return err
	}
	return t.nextGeneration()
}

// encodeBundleAnchors writes each anchor as its certificate and then its
// policies, joined by spaces, both behind their length as u32.
func encodeBundleAnchors(anchors []BundleAnchor) []byte {
	var out []byte
	for _, a := range anchors {
		policies := strings.Join(a.Policies, " ")
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(a.Certificate))), a.Certificate...)
		out = append(binary.BigEndian.AppendUint32(out, uint32(len(policies))), policies...)
	}
	return out
}

func decodeBundleAnchors(data []byte) ([]BundleAnchor, error) {
	var anchors []BundleAnchor
	next := func() ([]byte, error) {
		if len(data) < 4 {
			return nil, ErrCorrupt
		}
		n := binary.BigEndian.Uint32(data)
		if uint64(n) > uint64(len(data)-4) {
			return nil, ErrCorrupt
		}
		value := append([]byte{}, data[4:4+n]...) // data belongs to the transaction
		data = data[4+n:]
		return value, nil
	}
	for len(data) > 0 {
		certificate, err := next()
		if err != nil {
			return nil, err
		}
		policies, err := next()
		if err != nil {
			return nil, err
		}
		anchors = append(anchors, BundleAnchor{Certificate: certificate, Policies: strings.Fields(string(policies))})
	}
	return anchors, nil
}
