package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strings"
)

// maxMetadataDepth bounds elements in elements.
const maxMetadataDepth = 16

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
