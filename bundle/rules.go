package bundle

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
)

// Policies by what the metadata calls an anchor. Of the rules of one serial
// number, those whose issuer no anchor has are for all of that number: programs
// write names in many ways, and a rule must not miss its anchor for that. That
// another one may be restricted as well is the lesser evil.
type ruleIndex struct {
	byThumbprint map[string][]string
	byIssuer     map[anchorName][]string
	bySerial     map[string][]string
	names        map[string]string // of issuers, by DER, as they are compared
}

// An anchorName is an issuer's name, as it is compared, and a serial number.
type anchorName struct{ issuer, serial string }

// apply gives every anchor the policies that the metadata asks for (TB-8). Its
// time grows with anchors and rules, not with their product.
func (m *Metadata) apply(anchors []Anchor) error {
	if len(m.everyone) == 0 && len(m.rules) == 0 {
		return nil
	}
	index := ruleIndex{map[string][]string{}, map[anchorName][]string{}, map[string][]string{}, map[string]string{}}
	err := index.fill(m.rules, anchors)
	if err != nil {
		return err
	}
	for i := range anchors {
		c := anchors[i].Certificate
		anchors[i].Policies = m.everyone
		for _, more := range [][]string{index.byThumbprint[thumbprint(c)], index.byIssuer[index.name(c)], index.bySerial[c.SerialNumber.String()]} {
			anchors[i].Policies, err = join(anchors[i].Policies, more)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (x *ruleIndex) fill(rules []rule, anchors []Anchor) error {
	prints, named := map[string]bool{}, map[anchorName]bool{}
	for _, a := range anchors {
		prints[thumbprint(a.Certificate)] = true
		named[x.name(a.Certificate)] = true
	}
	for _, r := range rules {
		err := x.add(r, prints, named)
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *ruleIndex) add(r rule, prints map[string]bool, named map[anchorName]bool) (err error) {
	if r.thumbprint != "" && (prints[r.thumbprint] || r.serial == nil) {
		x.byThumbprint[r.thumbprint], err = join(x.byThumbprint[r.thumbprint], r.policies)
		return err
	}
	serial := r.serial.String()
	name := anchorName{comparableName(r.issuer), serial}
	if named[name] {
		x.byIssuer[name], err = join(x.byIssuer[name], r.policies)
		return err
	}
	x.bySerial[serial], err = join(x.bySerial[serial], r.policies)
	return err
}

func (x *ruleIndex) name(c *x509.Certificate) anchorName {
	issuer, ok := x.names[string(c.RawIssuer)]
	if !ok {
		issuer = comparableName(c.Issuer.String())
		x.names[string(c.RawIssuer)] = issuer
	}
	return anchorName{issuer, c.SerialNumber.String()}
}

func thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// comparableName makes one form of the ways in which a distinguished name is
// written: with its parts in either order, with or without spaces, in upper or
// lower case.
func comparableName(name string) string {
	name = strings.NewReplacer(`\`, "", `"`, "").Replace(strings.ToLower(name))
	parts := strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(",+;/", r) })
	for i, p := range parts {
		key, value, _ := strings.Cut(p, "=")
		parts[i] = strings.TrimSpace(key) + "=" + strings.Join(strings.Fields(value), " ")
	}
	slices.Sort(parts)
	return strings.Join(parts, ",")
}
