package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"postern/bundle"
	"postern/internal/control"
)

func runBundleAdd(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("bundle add")
	preset := fs.String("preset", "", "")
	signer := fs.String("signer", "", "")
	direction := fs.String("direction", "", "")
	every := fs.String("every", "", "")
	var domains repeated
	fs.Var(&domains, "domain", "")
	rest, err := parse(fs, args, 0, 2)
	if err != nil {
		return err
	}
	order := control.BundleOrder{Domains: domains, Direction: *direction}
	err = inv.nameBundle(fs, &order, *preset, rest)
	if err != nil {
		return err
	}
	order.Every, err = parseEvery(*every)
	if err != nil {
		return err
	}
	order.Signer, err = inv.readSigner(*signer)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		added, err := c.AddBundle(ctx, order)
		if err != nil {
			return err
		}
		return inv.tellAdded(added, order.Signer != nil)
	})
}

// nameBundle fills in which bundle is meant and where it is: from the arguments
// NAME [URL], or from a preset, which NAME may call otherwise.
func (inv *invocation) nameBundle(fs *flag.FlagSet, order *control.BundleOrder, preset string, rest []string) error {
	switch {
	case preset == "" && len(rest) == 0:
		return wrongUse(fs, "an argument is missing")
	case preset != "" && len(rest) == 2:
		return wrongUse(fs, "a preset has its own URL")
	}
	if len(rest) > 0 {
		order.Name = rest[0]
	}
	if len(rest) == 2 {
		order.URL = rest[1]
	}
	if preset == "" {
		return nil
	}
	p, err := inv.preset(preset)
	if err != nil {
		return err
	}
	order.Name, order.URL, order.Usual = or(order.Name, p.Name), p.URL, p.Direction
	return nil
}

// parseEvery reads an interval; "" is none, and "0" is never by itself.
func parseEvery(text string) (*time.Duration, error) {
	if text == "" {
		return nil, nil
	}
	every, err := time.ParseDuration(text)
	if err != nil {
		return nil, usagef("--every takes 1m to 720h, such as 24h; with 0 it is fetched by postern bundle refresh alone", "%q is no interval", text)
	}
	return &every, nil
}

// readSigner reads the file of a pinned signer; "" is none.
func (inv *invocation) readSigner(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	data, err := inv.readInput(file, bundle.MaxSize)
	if err != nil {
		return nil, err
	}
	certificates, bad, err := bundle.Read(data)
	if err != nil {
		return nil, usagef("--signer takes one certificate in PEM or DER", "%s: %s", file, err)
	}
	if len(certificates)+len(bad) != 1 {
		return nil, usagef("--signer takes one certificate: that of the signer, or of the authority that issued it",
			"%s holds %d certificates", file, len(certificates)+len(bad))
	}
	return certificates[0].Raw, nil
}

// tellAdded tells what was stored and how the first fetch went. That a bundle
// could not be fetched is the command's failure, though a new one stays.
func (inv *invocation) tellAdded(a control.AddedBundle, signer bool) error {
	inv.warn(a.Warnings)
	if inv.json {
		err := inv.printJSON(a)
		if err != nil {
			return err
		}
		return addedError(a)
	}
	done := "kept"
	switch {
	case a.New:
		done = "added"
	case a.Kept:
		done = "kept as it was"
	}
	fmt.Fprintf(inv.stdout, "%s: %s\n", done, bundleLine(a.Bundle))
	for _, change := range a.Changes {
		fmt.Fprintf(inv.stdout, "  changed: %s\n", change)
	}
	if signer && a.Bundle.Signer != nil && !a.Kept {
		fmt.Fprintf(inv.stdout, "  signer: %s\n  sha256: %s\n  compare this fingerprint with the community by another way than the bundle came\n",
			a.Bundle.Signer.Subject, a.Bundle.Signer.SHA256)
	}
	if a.Refresh.Fresh {
		inv.printRefresh(a.Refresh)
		inv.warnBad(a.Bundle.BadCertificates)
	}
	return addedError(a)
}

func addedError(a control.AddedBundle) error {
	if a.Refresh.Fresh {
		return nil
	}
	kind := control.Negative
	if a.Refresh.Temporary {
		kind = control.Temporary
	}
	hint := fmt.Sprintf("the bundle stays; postern bundle refresh %s tries again", a.Bundle.Name)
	if a.Kept {
		hint = "nothing was changed: another URL or signer counts with what is fetched by it"
	}
	if a.Refresh.Hint != "" {
		hint = a.Refresh.Hint + "; " + hint
	}
	return &control.Error{Kind: kind, Message: refreshFailure(a.Refresh), Hint: hint}
}
