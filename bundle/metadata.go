package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"
)

// MaxMetadata bounds the text about a bundle, in octets.
const MaxMetadata = 1 << 20

// restriction is what the names of all begin with that restricts anchors.
const restriction = "requiredoid"

// Metadata is the text that a bundle may have about itself (TB-7). Communities
// write it as they like; the schema that most follow is TrustBundle, with a
// Profile, DistributionPoints, a time and the Anchors by issuer and serial number.
// What matters here is which policies a certificate must have to be believed
// (TB-8): RequiredOids, as the .NET reference implementation calls them, in an
// AnchorMetadata or without, inside of an Anchor for that one and above them for
// all. A text that has RequiredOids anywhere must be understood as a whole; any
// other is taken for what it is, text.
type Metadata struct {
	Text    string   // in UTF-8
	Profile string   // of the community, in its own words
	Sources []string // where the bundle comes from: DistributionPoint, BundleSource
	// ValidFrom and ValidTo are what the text says of itself; nothing follows from
	// it, since published bundles outlive it for years.
	ValidFrom, ValidTo string

	everyone []string // policies that all anchors ask for
	rules    []rule
}

// A rule is what the metadata says of one anchor.
type rule struct {
	thumbprint string // SHA-256, lower case; "" if the anchor is named another way
	issuer     string
	serial     *big.Int // nil if the anchor is named another way
	policies   []string
}

func hasMetadata(content []byte) bool { return len(bytes.TrimSpace(content)) > 0 }

// applyMetadata reads the metadata and gives the anchors their policies.
func (b *Bundle) applyMetadata(content []byte) error {
	if content == nil {
		return nil
	}
	m, err := parseMetadata(content)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMetadata, err)
	}
	b.Metadata = m
	err = m.apply(b.Anchors)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMetadata, err)
	}
	return nil
}

// parseMetadata reads a text. The error is for one that may restrict anchors and
// cannot be understood: to take the anchors without would be to believe more than
// the community does.
func parseMetadata(content []byte) (*Metadata, error) {
	if len(content) > MaxMetadata {
		return nil, fmt.Errorf("it has more than %d octets", MaxMetadata)
	}
	text, err := decodeText(content)
	if err != nil {
		return nil, err
	}
	m := &Metadata{Text: text}
	err = m.read(text)
	switch {
	case err == nil:
		return m, nil
	case strings.Contains(strings.ToLower(text), restriction):
		return nil, err
	}
	return &Metadata{Text: text}, nil
}

// decodeText makes UTF-8 of what is UTF-8 or ISO 8859-1; XML declarations are
// often wrong about which. The NULs of wider encodings are in neither.
func decodeText(content []byte) (string, error) {
	content = bytes.TrimPrefix(content, []byte(byteOrderMark))
	if bytes.IndexByte(content, 0) >= 0 {
		return "", errors.New("it is neither UTF-8 nor ISO 8859-1")
	}
	if utf8.Valid(content) {
		return string(content), nil
	}
	runes := make([]rune, len(content))
	for i, c := range content {
		runes[i] = rune(c)
	}
	return string(runes), nil
}
