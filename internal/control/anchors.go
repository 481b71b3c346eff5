package control

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/mime"
	"postern/store"
	"postern/trust"
)

// AnchorsToAdd are certificates that a domain, or with "" every domain, is to
// trust in a direction.
type AnchorsToAdd struct {
	Domain       string   `json:"domain"`
	Direction    string   `json:"direction"`
	EV           bool     `json:"ev"` // roots of extended-validation certificates, for signers alone
	Certificates [][]byte `json:"certificates"`
}

// An AnchorInfo is what may be shown of an anchor.
type AnchorInfo struct {
	SHA256    string    `json:"sha256"`
	Domain    string    `json:"domain"` // "" is every domain
	Direction string    `json:"direction"`
	Source    string    `json:"source"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Key       string    `json:"key"` // kind and size
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// Required are the policies that a certificate must name to be believed by the
	// anchor, if its bundle asks for any. (The certificate of the anchor itself may
	// name others.)
	Required []string `json:"required_policies,omitempty"`
}

// A Fingerprint names a certificate by its SHA-256 or the start of it.
type Fingerprint struct {
	SHA256 string `json:"sha256"`
}

// A ShownAnchor is an anchor with all that its certificate says.
type ShownAnchor struct {
	AnchorInfo
	Details
}

// An AnchorName names an anchor that an operator loaded by its fingerprint or
// the start of it, by its domain and by whether it is one of extended validation.
type AnchorName struct {
	SHA256 string `json:"sha256"`
	Domain string `json:"domain"`
	EV     bool   `json:"ev"`
}

func (s *Service) handleAnchors(mux *http.ServeMux) {
	handle(mux, commandBytes, "anchor/add", s.addAnchors)
	handle(mux, commandBytes, "anchor/list", s.listAnchors)
	handle(mux, commandBytes, "anchor/show", s.showAnchor)
	handle(mux, commandBytes, "anchor/remove", s.removeAnchor)
}

// An AddedAnchor is an anchor that was stored.
type AddedAnchor struct {
	AnchorInfo
	Warnings []string `json:"warnings"` // what it will not be good for
}

func (s *Service) addAnchors(ctx context.Context, in AnchorsToAdd) ([]AddedAnchor, error) {
	direction, err := store.ParseDirection(in.Direction)
	if err != nil {
		return nil, invalid(err, "--direction in judges senders, out recipients; both is the default")
	}
	domain, err := optionalDomain(in.Domain)
	if err != nil {
		return nil, err
	}
	if len(in.Certificates) == 0 {
		return nil, &Error{Kind: Invalid, Message: "there is no certificate", Hint: "give a file with certificates in PEM, DER or PKCS #7"}
	}
	if in.EV {
		if direction == store.Out {
			return nil, &Error{Kind: Invalid, Message: "extended validation is asked of signers, not of recipients", Hint: "leave --direction out"}
		}
		direction = store.In
	}
	var added []AddedAnchor
	var records []store.Anchor
	for _, der := range in.Certificates {
		a := store.Anchor{
			Source: sourceOf(in.EV), Domain: domain, Fingerprint: store.FingerprintOf(der),
			Direction: direction, Certificate: der, Created: s.Core.Now(),
		}
		info, err := anchorInfo(a)
		if err != nil {
			return nil, invalid(err, "give a file with certificates in PEM, DER or PKCS #7")
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		records, added = append(records, a), append(added, AddedAnchor{info, AnchorProblems(c, s.Core.Now())})
	}
	err = s.change(ctx, "anchors of "+everyOr(domain), "added:"+anchorList(records), func(tx store.Tx) error {
		if domain != "" {
			err := requireOurs(tx, domain)
			if err != nil {
				return err
			}
		}
		for i, a := range records {
			a, err := widened(tx, a)
			if err != nil {
				return err
			}
			err = tx.PutAnchor(a)
			if err != nil {
				return err
			}
			added[i].Direction = string(a.Direction)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return added, nil
}

// AnchorProblems says what is not believed because of what an anchor is; never nil.
// It is the operator's to load it, for what it may be good for later or to others.
func AnchorProblems(c *x509.Certificate, now time.Time) []string {
	problems := []string{}
	warn := func(format string, args ...any) {
		problems = append(problems, subjectOf(c)+": "+fmt.Sprintf(format, args...))
	}
	switch {
	case now.After(c.NotAfter): // TB-19
		warn("it ended on %s: nothing is believed by it", c.NotAfter.UTC().Format(time.DateOnly))
	case now.Add(trust.ClockSkew).Before(c.NotBefore):
		warn("it begins on %s: nothing is believed by it before", c.NotBefore.UTC().Format(time.DateOnly))
	}
	if problem := trust.KeyProblem(c); problem != "" {
		warn("%s: nothing is believed by it", problem)
	}
	if c.Version == 3 && !c.IsCA { // AS-67
		warn("it is not an authority's: it is trusted for itself alone")
	}
	return problems
}

// sourceOf is the source of anchors that an operator loads.
func sourceOf(ev bool) string {
	if ev {
		return store.EVSource
	}
	return store.ManualSource
}

// widened returns an anchor to add in the direction that it and the one already
// there cover together: adding takes no trust away.
func widened(tx store.Tx, a store.Anchor) (store.Anchor, error) {
	all, err := tx.Anchors()
	if err != nil {
		return store.Anchor{}, err
	}
	for _, old := range all {
		if old.Source == a.Source && old.Domain == a.Domain && old.Fingerprint == a.Fingerprint && old.Direction != a.Direction && !old.Damaged {
			a.Direction = store.Both
		}
	}
	return a, nil
}

func optionalDomain(text string) (mime.Domain, error) {
	if text == "" {
		return "", nil
	}
	return mime.ParseDomain(text)
}

func anchorInfo(a store.Anchor) (AnchorInfo, error) {
	if a.Damaged {
		return AnchorInfo{SHA256: a.Fingerprint.String(), Domain: string(a.Domain), Direction: "none", Source: sourceName(a.Source),
			Subject: "cannot be read", Issuer: "cannot be read"}, nil
	}
	c, err := x509.ParseCertificate(a.Certificate)
	if err != nil {
		return AnchorInfo{}, fmt.Errorf("reading an anchor: %w", err)
	}
	return AnchorInfo{
		SHA256: a.Fingerprint.String(), Domain: string(a.Domain), Direction: string(a.Direction), Source: sourceName(a.Source),
		Subject: subjectOf(c), Issuer: issuerOf(c), Key: keyKind(c),
		NotBefore: c.NotBefore, NotAfter: c.NotAfter,
	}, nil
}

func (a sourcedAnchor) info() (AnchorInfo, error) {
	info, err := anchorInfo(a.Anchor)
	info.Required = a.policies
	return info, err
}

func (s *Service) listAnchors(ctx context.Context, in AnchorFilter) (list AnchorList, err error) {
	source := strings.TrimPrefix(in.Source, bundlePrefix)
	var anchors []sourcedAnchor
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		list = AnchorList{Anchors: []AnchorInfo{}, Bundles: []BundleAnchors{}}
		err := checkSource(tx, source)
		if err != nil {
			return err
		}
		if !in.Single || source != "" {
			anchors, err = anchorsOf(tx, source)
			return err
		}
		list.Bundles, err = countAnchors(tx)
		if err != nil {
			return err
		}
		anchors, err = singleAnchors(tx, "")
		return err
	})
	if err != nil {
		return AnchorList{}, err
	}
	for _, a := range anchors {
		info, err := a.info()
		if err != nil {
			return AnchorList{}, err
		}
		list.Anchors = append(list.Anchors, info)
	}
	return list, nil
}

// showAnchor returns every anchor that begins so: one certificate may be trusted
// by several domains.
func (s *Service) showAnchor(ctx context.Context, in Fingerprint) (found []ShownAnchor, err error) {
	prefix, err := parsePrefix(in.SHA256, "postern anchor list")
	if err != nil {
		return nil, err
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		anchors, err := anchorsOf(tx, "")
		if err != nil {
			return err
		}
		found = nil
		for _, a := range byPrefix(anchors, prefix, sourcedFingerprint) {
			info, err := a.info()
			if err != nil {
				return err
			}
			c, err := x509.ParseCertificate(a.Certificate)
			if err != nil {
				return err
			}
			found = append(found, ShownAnchor{info, detailsOf(c)})
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = &Error{Kind: Negative, Message: "there is no such anchor", Hint: "postern anchor list shows them"}
	}
	return found, err
}

// removeAnchor removes the one anchor that the name fits. Anchors of
// bundles go with their bundle.
func (s *Service) removeAnchor(ctx context.Context, in AnchorName) (removed AnchorInfo, err error) {
	prefix, err := parsePrefix(in.SHA256, "postern anchor list")
	if err != nil {
		return AnchorInfo{}, err
	}
	domain, err := optionalDomain(in.Domain)
	if err != nil {
		return AnchorInfo{}, err
	}
	err = s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		a, err := findAnchor(tx, prefix, domain, sourceOf(in.EV))
		if err != nil {
			return deed{}, err
		}
		removed, err = anchorInfo(a)
		if err != nil {
			return deed{}, err
		}
		done := deed{object: "anchors of " + everyOr(a.Domain), detail: "removed:" + anchorList([]store.Anchor{a})}
		return done, tx.RemoveAnchor(a.Source, a.Domain, a.Fingerprint)
	})
	return removed, err
}

func findAnchor(tx store.Tx, prefix string, domain mime.Domain, source string) (store.Anchor, error) {
	anchors, err := tx.Anchors()
	if err != nil {
		return store.Anchor{}, err
	}
	loaded := slices.DeleteFunc(anchors, func(a store.Anchor) bool { return a.Source != source || a.Domain != domain })
	if len(byPrefix(loaded, prefix, anchorFingerprint)) == 0 {
		err := fromBundle(tx, prefix)
		if err != nil {
			return store.Anchor{}, err
		}
	}
	return onlyOne(byPrefix(loaded, prefix, anchorFingerprint), &Error{Kind: Negative, Message: "there is no such anchor",
		Hint: "postern anchor list shows them; name the domain of one that has one, and --ev for a root of extended validation"})
}

func anchorFingerprint(a store.Anchor) store.Fingerprint { return a.Fingerprint }

func sourcedFingerprint(a sourcedAnchor) store.Fingerprint { return a.Fingerprint }
