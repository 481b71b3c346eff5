package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"postern/internal/audit"
	"postern/mime"
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

// check refuses what nobody could make sense of later.
func (b Bundle) check() error {
	err := CheckBundleName(b.Name)
	if err != nil {
		return err
	}
	if b.Every < 0 {
		return fmt.Errorf("bundle %s: an interval of %v", b.Name, b.Every)
	}
	seen := make(map[mime.Domain]bool)
	for _, a := range b.Attached {
		_, err := ParseDirection(string(a.Direction))
		err = errors.Join(err, checkText("a domain", string(a.Domain)))
		if err != nil {
			return fmt.Errorf("bundle %s: %w", b.Name, err)
		}
		if seen[a.Domain] {
			return fmt.Errorf("bundle %s is attached to %q twice", b.Name, a.Domain)
		}
		seen[a.Domain] = true
	}
	return nil
}

// detachBundles has a domain believe no bundle. The bundles stay, for others.
func (t *tx) detachBundles(domain mime.Domain) error {
	all, err := t.Bundles()
	if err != nil {
		return err
	}
	for _, b := range all {
		n := len(b.Attached)
		b.Attached = slices.DeleteFunc(b.Attached, func(a Attachment) bool { return a.Domain == domain })
		if len(b.Attached) == n {
			continue
		}
		err := t.PutBundle(b)
		if err != nil {
			return err
		}
	}
	return nil
}

// Bundle implements BundleTx.
func (t *tx) Bundle(name string) (Bundle, error) {
	b, err := getRow[Bundle](t, bucketBundles, []byte(name))
	if err != nil {
		return Bundle{}, fmt.Errorf("bundle %s: %w", name, err)
	}
	return b, nil
}

// Bundles implements BundleTx.
func (t *tx) Bundles() ([]Bundle, error) { return listRows(t, bucketBundles, nil, damagedBundle) }

// PutBundle implements BundleTx.
func (t *tx) PutBundle(b Bundle) error {
	err := b.check()
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
	t.left.gone(bucketBundleAnchors, []byte(name))
	return errors.Join(t.remove(bucketBundleStates, []byte(name)), t.removeAlone(bucketBundleAnchors, []byte(name)))
}

// BundleState implements BundleTx.
func (t *tx) BundleState(name string) (BundleState, error) {
	_, err := t.Bundle(name)
	if err != nil {
		return BundleState{}, err
	}
	s, err := getRecord[BundleState](t, bucketBundleStates, []byte(name))
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) {
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
	_, err := t.Bundle(name)
	if err != nil {
		return Fingerprint{}, err
	}
	value := t.bundleSet(name)
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
	content, err := t.BundleContent(name)
	if err != nil || content == (Fingerprint{}) {
		return nil, content, err
	}
	anchors, err := decodeBundleSet(t.bundleSet(name))
	if err != nil {
		return nil, content, fmt.Errorf("the anchors of bundle %s: %w", name, err)
	}
	return anchors, content, nil
}

// PutBundleAnchors implements BundleTx.
func (t *tx) PutBundleAnchors(name string, set BundleSet) error {
	if !t.writable {
		return ErrReadOnly
	}
	_, err := t.Bundle(name)
	if err != nil {
		return err
	}
	if set.value == nil {
		set = NewBundleSet(nil)
	}
	if !bytes.Equal(t.bundleSet(name), set.value) {
		t.left.is(bucketBundleAnchors, []byte(name), audit.SumOf(set.value))
	}
	err = t.putAlone(bucketBundleAnchors, []byte(name), set.value)
	if err != nil {
		return err
	}
	return t.nextGeneration()
}

// bundleSet returns a set in place, or nil.
func (t *tx) bundleSet(name string) []byte { return t.alone(bucketBundleAnchors, []byte(name)) }
