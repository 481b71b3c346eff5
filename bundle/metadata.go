package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
)

// MaxMetadata bounds the text about a bundle, in octets.
const MaxMetadata = 1 << 20

// Bounds on what the text says.
const (
	maxMetadataDepth = 16
	maxPolicies      = 64  // that one anchor asks for
	maxPolicyLength  = 256 // characters of one
)

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

// A metadataReader walks the text. encoding/xml knows no external entities and
// expands none of a document's own.
type metadataReader struct {
	m       *Metadata
	decoder *xml.Decoder
	path    []string // names of the open elements, in lower case
	text    strings.Builder
	anchor  *rule    // of the open Anchor
	list    []string // of the open RequiredOids
	valued  bool     // the open Oid has a value
}

func (m *Metadata) read(text string) error {
	r := metadataReader{m: m, decoder: xml.NewDecoder(strings.NewReader(text))}
	r.decoder.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil } // it is UTF-8 by now
	for {
		token, err := r.decoder.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading its XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			err = r.start(t)
		case xml.CharData:
			if len(r.path) == 0 && hasMetadata(t) {
				return errors.New("reading its XML: there is text outside of the elements")
			}
			r.text.Write(t)
		case xml.EndElement:
			err = r.end()
		}
		if err != nil {
			return err
		}
	}
}

// at reports whether the open elements are these, from the inside.
func (r *metadataReader) at(names ...string) bool {
	if len(r.path) < len(names) {
		return false
	}
	for i, name := range names {
		if r.path[len(r.path)-1-i] != name {
			return false
		}
	}
	return true
}

func (r *metadataReader) start(t xml.StartElement) error {
	if len(r.path) == maxMetadataDepth {
		return fmt.Errorf("its elements are nested deeper than %d", maxMetadataDepth)
	}
	r.path = append(r.path, strings.ToLower(t.Name.Local))
	between := strings.TrimSpace(r.text.String())
	r.text.Reset()
	for _, a := range t.Attr {
		if strings.HasPrefix(strings.ToLower(a.Name.Local), restriction) {
			return fmt.Errorf("it has an attribute %.40q", a.Name.Local)
		}
	}
	switch {
	case r.at("anchor") && r.anchor != nil:
		return errors.New("it has an Anchor inside of an Anchor")
	case r.at("anchor", "anchors", "trustbundle"):
		r.anchor = &rule{}
	case r.at("requiredoids"):
		r.list = nil
		if !r.knownPlace() {
			return errors.New("it has RequiredOids where nobody knows what they are for")
		}
	case strings.HasPrefix(r.path[len(r.path)-1], restriction):
		return fmt.Errorf("it has an element %.40q", t.Name.Local)
	case r.inList() && (len(t.Attr) > 0 || between != ""):
		return errors.New("it has more than policies among its policies")
	case r.at("oid", "requiredoids"):
		r.valued = false
	}
	return nil
}

// knownPlace reports whether RequiredOids, which have just been opened, are
// inside of an anchor or above all of them.
func (r *metadataReader) knownPlace() bool {
	outer := r.path[:len(r.path)-1]
	if len(outer) > 0 && outer[len(outer)-1] == "anchormetadata" {
		outer = outer[:len(outer)-1]
		if len(outer) == 0 {
			return true
		}
	}
	switch strings.Join(outer, "/") {
	case "trustbundle", "trustbundle/anchors", "trustbundle/anchors/anchor":
		return true
	}
	return false
}

// inList reports whether RequiredOids are open around the innermost element.
func (r *metadataReader) inList() bool {
	for _, name := range r.path[:len(r.path)-1] {
		if name == "requiredoids" {
			return true
		}
	}
	return false
}

// end takes what the innermost element says, and closes it.
func (r *metadataReader) end() error {
	text := strings.TrimSpace(r.text.String())
	r.text.Reset()
	err := r.take(text)
	r.path = r.path[:len(r.path)-1]
	return err
}

func (r *metadataReader) take(text string) error {
	switch {
	case r.at("profile", "trustbundle"):
		r.m.Profile = text
	case r.at("distributionpoint", "trustbundle"), r.at("bundlesource") && text != "":
		r.m.Sources = append(r.m.Sources, text)
	case r.at("validfrom", "trustbundle"):
		r.m.ValidFrom = text
	case r.at("validto", "trustbundle"):
		r.m.ValidTo = text
	case r.at("value", "oid", "requiredoids"), r.at("oid", "requiredoids") && text != "":
		return r.policy(text)
	case r.at("friendlyname", "oid", "requiredoids"), r.at("oid", "requiredoids") && r.valued:
	case r.at("requiredoids"):
		return r.required(text)
	case r.inList():
		return fmt.Errorf("it has %.40q among its policies", r.path[len(r.path)-1])
	case r.anchor != nil:
		return r.name(text)
	}
	return nil
}

// policy takes one of RequiredOids.
func (r *metadataReader) policy(text string) error {
	if len(r.list) == maxPolicies {
		return errPolicies
	}
	if !isOID(text) {
		return fmt.Errorf("it asks for the policy %.40q, which is no object identifier", text)
	}
	r.list = append(r.list, text)
	r.valued = true
	return nil
}

// required takes RequiredOids at their end.
func (r *metadataReader) required(text string) error {
	if text != "" {
		return errors.New("it has more than policies among its policies")
	}
	where := &r.m.everyone
	if r.anchor != nil {
		where = &r.anchor.policies
	}
	var err error
	*where, err = join(*where, r.list)
	return err
}

// name takes what an Anchor is called, and the Anchor at its end.
func (r *metadataReader) name(text string) error {
	switch {
	case r.at("thumbprint", "anchor") && r.anchor.thumbprint != "", r.at("x509serialnumber", "x509issuerserial", "anchor") && r.anchor.serial != nil:
		return errors.New("it has an Anchor of two names")
	case r.at("thumbprint", "anchor"):
		digits := strings.ToLower(strings.NewReplacer(":", "", " ", "").Replace(text))
		sum, err := hex.DecodeString(digits)
		if err != nil || len(sum) != sha256.Size {
			return fmt.Errorf("it has a thumbprint %.100q, which is no SHA-256 in hexadecimal", text)
		}
		r.anchor.thumbprint = digits
	case r.at("x509issuername", "x509issuerserial", "anchor"):
		r.anchor.issuer = text
	case r.at("x509serialnumber", "x509issuerserial", "anchor"):
		serial, ok := new(big.Int).SetString(text, 10)
		if !ok || len(text) > 80 { // RFC 5280 §4.1.2.2: 20 octets
			return fmt.Errorf("it has a serial number %.40q, which is no decimal number", text)
		}
		r.anchor.serial = serial
	case r.at("anchor"):
		return r.endAnchor()
	}
	return nil
}

// endAnchor keeps what was said of an anchor if anything follows from it.
func (r *metadataReader) endAnchor() error {
	a := *r.anchor
	r.anchor = nil
	if len(a.policies) == 0 {
		return nil
	}
	if a.thumbprint == "" && a.serial == nil {
		return errors.New("it restricts an anchor without saying which")
	}
	r.m.rules = append(r.m.rules, a)
	return nil
}

// isOID reports whether text is an object identifier in dotted form.
func isOID(text string) bool {
	parts := strings.Split(text, ".")
	if len(text) > maxPolicyLength || len(parts) < 2 || len(parts[0]) != 1 || parts[0] > "2" {
		return false
	}
	for _, p := range parts {
		if p == "" || strings.Trim(p, "0123456789") != "" || len(p) > 1 && p[0] == '0' {
			return false
		}
	}
	return parts[0] == "2" || len(parts[1]) == 1 || len(parts[1]) == 2 && parts[1] < "40" // X.660 §7.6
}

var errPolicies = fmt.Errorf("it asks for more than %d policies", maxPolicies)

// join adds to a list of policies what is not there yet.
func join(all, more []string) ([]string, error) {
	joined := slices.Clip(all)
	for _, p := range more {
		if !slices.Contains(joined, p) {
			joined = append(joined, p)
		}
	}
	if len(joined) > maxPolicies {
		return nil, errPolicies
	}
	return joined, nil
}
