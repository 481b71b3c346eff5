package bundle

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
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
		issuer = comparableName(writtenName(c.Issuer))
		x.names[string(c.RawIssuer)] = issuer
	}
	return anchorName{issuer, c.SerialNumber.String()}
}

func thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// attributes are the usual short names (RFC 4514 §3), and E, which most programs
// have for emailAddress.
var attributes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C", "2.5.4.9": "STREET",
	"2.5.4.5": "SERIALNUMBER", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID", "1.2.840.113549.1.9.1": "E",
}

// writtenName writes a name as a rule may have it, or "" for one with more
// attributes than any that somebody would write down.
func writtenName(n pkix.Name) string {
	const most = 32
	if len(n.Names) > most {
		return ""
	}
	var parts []string
	for _, a := range n.Names {
		parts = append(parts, fmt.Sprintf("%s=%v", cmp.Or(attributes[a.Type.String()], a.Type.String()), a.Value))
	}
	return strings.Join(parts, ",")
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
