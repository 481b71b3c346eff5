package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"postern/internal/control"
)

func runCertCSR(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("cert csr")
	key := fs.String("key", "", "")
	use := fs.String("use", "", "")
	out := fs.String("out", "", "")
	list := fs.Bool("list", false, "")
	forget := fs.String("forget", "", "")
	rest, err := parse(fs, args, 0, 1)
	if err != nil {
		return err
	}
	if (*list || *forget != "") && (len(rest) > 0 || *key+*use+*out != "" || *list && *forget != "") {
		return wrongUse(fs, "--list and --forget stand alone")
	}
	switch {
	case *list:
		return inv.listRequests(ctx)
	case *forget != "":
		return inv.forgetRequest(ctx, *forget)
	case len(rest) == 0:
		return wrongUse(fs, "an argument is missing")
	}
	return inv.makeRequest(ctx, control.KeyOrder{Owner: rest[0], Key: *key, Use: *use}, *out)
}

func (inv *invocation) makeRequest(ctx context.Context, order control.KeyOrder, out string) error {
	return inv.withClient(ctx, func(c *control.Client) error {
		made, err := c.MakeKeyRequest(ctx, order)
		if err != nil {
			return err
		}
		if out != "" {
			err := os.WriteFile(out, []byte(made.PEM), 0o644)
			if err != nil {
				return usagef("postern cert csr --forget "+made.ID[:16]+" removes the key that was made for it", "writing the request: %s", err)
			}
		}
		if inv.json {
			return inv.printJSON(made)
		}
		if out == "" {
			fmt.Fprint(inv.stdout, made.PEM)
		} else {
			fmt.Fprintf(inv.stdout, "request: %s, in %s\n", requestLine(made.KeyRequestInfo), out)
		}
		fmt.Fprintln(inv.stderr, "postern: the key waits in the store; when the authority has answered: postern cert import FILE, and then postern publish check")
		return nil
	})
}

func requestLine(r control.KeyRequestInfo) string {
	use := ""
	if r.Use != "" {
		use = r.Use + ", "
	}
	return fmt.Sprintf("%s  %s  %s%s, since %s", r.ID[:16], r.Owner, use, r.Key, r.Created.Format(time.DateOnly))
}

func (inv *invocation) listRequests(ctx context.Context) error {
	return inv.withClient(ctx, func(c *control.Client) error {
		all, err := c.KeyRequests(ctx)
		if err != nil {
			return err
		}
		return printList(inv, all, requestLine)
	})
}

func (inv *invocation) forgetRequest(ctx context.Context, id string) error {
	return inv.withClient(ctx, func(c *control.Client) error {
		forgotten, err := c.ForgetKeyRequest(ctx, control.RequestName{ID: id})
		if err != nil {
			return err
		}
		return inv.answer(forgotten, "forgotten: %s", requestLine(forgotten))
	})
}
