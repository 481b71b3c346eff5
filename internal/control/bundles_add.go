package control

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"postern/bundle"
	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A BundleOrder is a bundle to be fetched and believed. For one that is there
// already, what is left out stays as it is.
type BundleOrder struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Signer []byte `json:"signer,omitempty"` // certificate in DER that must have signed it
	// Domains are those of ours that are to believe it; none are every domain, or
	// with a bundle that is there already those that do so now.
	Domains []string `json:"domains"`
	// Direction is in, out or both, in which the Domains are to believe it from now
	// on; "" is that in which the bundle is believed already, or else Usual.
	Direction string         `json:"direction"`
	Usual     string         `json:"usual"`           // "" is both
	Every     *time.Duration `json:"every,omitempty"` // 0: only when asked; left out: a day
}

// An AddedBundle is a bundle that was stored, and how its first fetch went.
type AddedBundle struct {
	Bundle BundleInfo `json:"bundle"`
	New    bool       `json:"new"`
	// Kept is true of one that stays as it was, because nothing good could be
	// fetched by the URL and the signer that were asked for.
	Kept    bool          `json:"kept"`
	Changes []string      `json:"changes"` // of one that was there already
	Refresh BundleRefresh `json:"refresh"`
	// Warnings are of what the signer is, and of anchors that are of little use.
	Warnings []string `json:"warnings"`
}

// Bounds on the interval of a bundle.
const (
	usualEvery = 24 * time.Hour
	leastEvery = time.Minute
	mostEvery  = 30 * 24 * time.Hour
)

// addBundle stores the bundle and fetches it. A new one stays when that fails, to
// be tried again; another URL or signer counts only with what is fetched by it.
func (s *Service) addBundle(ctx context.Context, in BundleOrder) (AddedBundle, error) {
	order, err := parseBundleOrder(in)
	if err != nil {
		return AddedBundle{}, err
	}
	answer := AddedBundle{Warnings: order.warnings}
	redefined := false
	err = s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		b, err := tx.Bundle(order.name)
		answer.New = errors.Is(err, store.ErrNotFound)
		if err != nil && !answer.New {
			return deed{}, err
		}
		if answer.New {
			b = store.Bundle{Name: order.name, Every: usualEvery, Created: s.Core.Now()}
		}
		before := b.Definition()
		changes, err := order.change(tx, &b)
		if err != nil {
			return deed{}, err
		}
		answer.Changes = []string{}
		if !answer.New {
			answer.Changes = append(answer.Changes, changes...)
		}
		redefined = !answer.New && b.Definition() != before
		done := bundleDeed(b, answer)
		if redefined {
			done.detail += "; this counts with what is fetched by it"
			return done, nil
		}
		return done, tx.PutBundle(b)
	})
	if err != nil {
		return AddedBundle{}, err
	}
	answer.Refresh, err = s.fetchAdded(ctx, order, redefined)
	if err != nil {
		return AddedBundle{}, err
	}
	answer.Kept = redefined && !answer.Refresh.Fresh
	if answer.Kept {
		answer.Changes = []string{}
	}
	if answer.Refresh.Fresh {
		answer.Warnings, err = s.warnOfAnchors(ctx, order.name, answer.Warnings)
		if err != nil {
			return AddedBundle{}, err
		}
	}
	answer.Bundle, err = s.bundle(ctx, order.name)
	return answer, err
}

// warnOfAnchors adds one warning if there is something wrong with some of a
// bundle's anchors.
func (s *Service) warnOfAnchors(ctx context.Context, name string, warnings []string) ([]string, error) {
	_, anchors, err := s.readBundle(ctx, name)
	if err != nil {
		return nil, err
	}
	n, first := 0, ""
	for _, a := range anchors {
		problems := AnchorProblems(a.Certificate, s.Core.Now())
		if len(problems) > 0 {
			n++
			first = cmp.Or(first, problems[0])
		}
	}
	if n > 0 {
		warnings = append(warnings, fmt.Sprintf("anchors that are of little use: %d of %d, such as %s", n, len(anchors), first))
	}
	return warnings, nil
}

func (s *Service) fetchAdded(ctx context.Context, order bundleOrder, redefined bool) (BundleRefresh, error) {
	if redefined {
		r, err := s.Core.ChangeBundle(ctx, order.name, func(tx store.Tx, b *store.Bundle) error {
			_, err := order.change(tx, b)
			return err
		})
		return bundleRefresh(r), err
	}
	s.Core.BundlesChanged()
	results, err := s.Core.RefreshBundles(ctx, []string{order.name})
	if err != nil {
		return BundleRefresh{}, fmt.Errorf("the bundle %s was stored; fetching it: %w", order.name, err)
	}
	return bundleRefresh(results[0]), nil
}

// A bundleOrder is a BundleOrder that was read.
type bundleOrder struct {
	BundleOrder
	name      string
	domains   []mime.Domain
	direction store.Direction // "" if none was asked for
	usual     store.Direction
	warnings  []string
}

func parseBundleOrder(in BundleOrder) (bundleOrder, error) {
	o := bundleOrder{BundleOrder: in, name: in.Name, usual: store.Both, warnings: []string{}}
	err := store.CheckBundleName(in.Name)
	if err != nil {
		return o, invalid(err, "such as hospital-west")
	}
	if in.Every != nil && *in.Every != 0 && (*in.Every < leastEvery || *in.Every > mostEvery) {
		return o, &Error{Kind: Invalid, Message: fmt.Sprintf("a bundle cannot be fetched every %s", *in.Every),
			Hint: "--every takes 1m to 720h; with 0 it is fetched by postern bundle refresh alone"}
	}
	if len(in.Signer) > 0 {
		c, err := x509.ParseCertificate(in.Signer)
		if err != nil {
			return o, invalid(fmt.Errorf("reading the signer's certificate: %w", err), "--signer takes one certificate in PEM or DER")
		}
		if c.IsCA {
			o.warnings = append(o.warnings, "the signer is an authority: whoever has a certificate for signing mail from it can sign the bundle as well; the certificate of the signer itself is the safe pin")
		}
	}
	for _, text := range in.Domains {
		d, err := mime.ParseDomain(text)
		if err != nil {
			return o, err
		}
		o.domains = append(o.domains, d)
	}
	for _, d := range []struct {
		text string
		into *store.Direction
	}{{in.Direction, &o.direction}, {in.Usual, &o.usual}} {
		if d.text == "" {
			continue
		}
		*d.into, err = store.ParseDirection(d.text)
		if err != nil {
			return o, invalid(err, "--direction in judges senders, out recipients")
		}
	}
	return o, nil
}

// change applies the order to a bundle of a store that has the domains.
func (o bundleOrder) change(tx store.Tx, b *store.Bundle) (changes []string, err error) {
	changes, err = o.apply(b)
	if err != nil {
		return nil, err
	}
	for _, a := range b.Attached {
		if a.Domain == "" {
			continue
		}
		err := requireOurs(tx, a.Domain)
		if err != nil {
			return nil, err
		}
	}
	return changes, nil
}

// apply changes a bundle to what was ordered and says what that changed.
func (o bundleOrder) apply(b *store.Bundle) (changes []string, err error) {
	isNew := b.URL == ""
	if o.URL == "" && isNew {
		return nil, &Error{Kind: Invalid, Message: fmt.Sprintf("there is no bundle %s yet, and no URL to fetch it from", o.name),
			Hint: "postern bundle add NAME URL, or --preset NAME"}
	}
	if o.URL != "" && o.URL != b.URL {
		changes = append(changes, fmt.Sprintf("it is fetched from %s instead of %s", plain(o.URL, maxURL), plain(b.URL, maxURL)))
		b.URL = o.URL
	}
	if len(o.Signer) > 0 && !slices.Equal(o.Signer, b.Signer) {
		changes = append(changes, "it must be signed by "+bundleSigner(o.Signer).Subject)
		b.Signer = o.Signer
	}
	if o.Every != nil && *o.Every != b.Every {
		changes = append(changes, "it is fetched "+Interval(*o.Every))
		b.Every = *o.Every
	}
	err = checkBundleURL(*b)
	if err != nil {
		return nil, err
	}
	domains := o.domains
	switch {
	case len(domains) > 0:
	case isNew:
		domains = []mime.Domain{""}
	case o.direction != "" && len(b.Attached) == 0:
		return nil, &Error{Kind: Invalid, Message: fmt.Sprintf("nobody believes the bundle %s, in any direction", o.name), Hint: "name who is to with --domain"}
	case o.direction != "":
		for _, a := range b.Attached {
			domains = append(domains, a.Domain)
		}
	}
	direction := o.directionFor(*b)
	for _, d := range domains {
		changes = append(changes, o.attach(b, d, direction)...)
	}
	return changes, nil
}

// directionFor is the one asked for; or that in which all believe the bundle who
// do, so that another domain does not come to believe it for more; or the usual.
func (o bundleOrder) directionFor(b store.Bundle) store.Direction {
	if o.direction != "" {
		return o.direction
	}
	for _, a := range b.Attached {
		if a.Direction != b.Attached[0].Direction {
			return o.usual
		}
	}
	if len(b.Attached) > 0 {
		return b.Attached[0].Direction
	}
	return o.usual
}

// attach has a domain believe a bundle. In which direction one does so already
// changes if a direction was asked for.
func (o bundleOrder) attach(b *store.Bundle, domain mime.Domain, direction store.Direction) []string {
	who := "every domain"
	if domain != "" {
		who = string(domain)
	}
	b.Attached = slices.Clone(b.Attached)
	for i, a := range b.Attached {
		if a.Domain != domain {
			continue
		}
		if a.Direction == direction || o.direction == "" {
			return nil
		}
		b.Attached[i].Direction = direction
		return []string{fmt.Sprintf("%s believes it (%s) instead of (%s)", who, direction, a.Direction)}
	}
	b.Attached = append(b.Attached, store.Attachment{Domain: domain, Direction: direction})
	return []string{fmt.Sprintf("%s believes it (%s)", who, direction)}
}

// Interval says how often a bundle is fetched.
func Interval(every time.Duration) string {
	if every == 0 {
		return "only when asked"
	}
	text := every.String() // 24h0m0s
	if every%time.Minute == 0 {
		text = strings.TrimSuffix(text, "0s")
	}
	if every%time.Hour == 0 {
		text = strings.TrimSuffix(text, "0m")
	}
	return "every " + text
}

func checkBundleURL(b store.Bundle) error {
	source, err := gateway.BundleSource(b)
	if err != nil {
		return err
	}
	err = bundle.CheckURL(source.URL, source.Signer)
	switch {
	case err != nil && strings.Contains(b.URL, "@"): // there may be a password in it
		return invalid(err, "such as https://bundles.example/community.p7b, without a user and a password")
	case errors.Is(err, bundle.ErrPlain):
		return invalid(err, "give an https URL, or pin who signs it with --signer: whoever sits on the way could give any anchor")
	case err != nil:
		return invalid(fmt.Errorf("%q: %w", plain(b.URL, maxURL), err), "such as https://bundles.example/community.p7b")
	}
	return nil
}
