package control

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/mime"
	"postern/store"
)

// keysDeed says what was done with certificates of ours and their keys.
func keysDeed(how string, keys ...store.Key) deed {
	d := deed{object: "certificates", detail: how}
	var owners []string
	for _, k := range keys {
		d.keys = append(d.keys, k.Fingerprint.String())
		owners = append(owners, k.Owner)
	}
	d.detail += ", of " + strings.Join(owners, ", ")
	return d
}

// everyOr names a domain, and says so where all of ours are meant.
func everyOr(d mime.Domain) string {
	if d == "" {
		return "every domain"
	}
	return d.String()
}

func anchorList(all []store.Anchor) string {
	var list strings.Builder
	for _, a := range all {
		fmt.Fprintf(&list, " %s (%s, %s)", a.Fingerprint, a.Source, a.Direction)
	}
	return list.String()
}

func bundleObject(name string) string { return "bundle " + name }

func bundleDeed(b store.Bundle, answer AddedBundle) deed {
	d := deed{object: bundleObject(b.Name), detail: "added"}
	if !answer.New {
		d.detail = strings.Join(append([]string{"changed"}, answer.Changes...), "; ")
	}
	return d
}

// useToSeal records that the keys of a sender are used for a message that is not
// sent.
func (s *Service) useToSeal(ctx context.Context, from mime.Address, to []mime.Address, at time.Time) error {
	dir, err := s.Core.Directory(ctx)
	if err != nil {
		return err
	}
	d := deed{object: "seal", detail: fmt.Sprintf("by command, from %s for %d recipients", from, len(to))}
	for _, signer := range dir.Signers(from, at) {
		d.keys = append(d.keys, store.FingerprintOf(signer.Certificate.Raw).String())
	}
	return s.use(ctx, d)
}

// useToOpen records that the keys of recipients are used for a message that is
// not delivered: all that may open it, for which of them does is not known before.
func (s *Service) useToOpen(ctx context.Context, to []mime.Address) error {
	dir, err := s.Core.Directory(ctx)
	if err != nil {
		return err
	}
	d := deed{object: "open", detail: "by command, for"}
	known := make(map[string]bool)
	for _, a := range to {
		d.detail += " " + a.String()
		for _, id := range dir.Identities(a) {
			f := id.Fingerprint.String()
			if !known[f] {
				known[f] = true
				d.keys = append(d.keys, f)
			}
		}
	}
	return s.use(ctx, d)
}
