package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"postern/internal/audit"
	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/gateway/care"
	"postern/store"
)

// alone loads the configuration for a command that puts another file in the place
// of the store. A server would go on with the one that it has open.
func (inv *invocation) alone(ctx context.Context) (*config.Config, error) {
	cfg, err := inv.loadConfig()
	if err != nil {
		return nil, err
	}
	client, err := control.Dial(ctx, cfg.Dir)
	if err == nil {
		client.Close()
		return nil, &control.Error{Kind: control.Temporary, Message: "a server runs on this store", Hint: "stop it first, and start it again afterwards"}
	}
	if !errors.Is(err, control.ErrNotServing) {
		return nil, err
	}
	return cfg, nil
}

func runStoreRestore(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("store restore")
	accept := fs.Bool("accept", false, "")
	key := fs.String("master-key", "", "")
	via := fs.String("via", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	cfg, err := inv.alone(ctx)
	if err != nil {
		return err
	}
	r, err := care.Restore(ctx, cfg.Dir, rest[0], *key, *via, audit.Operator(os.Getuid()), *accept)
	if err != nil {
		return restoreError(shortOfDisk(err, *via))
	}
	inv.warnDiffering(r.Copy, *accept)
	if inv.json {
		r.Copy.Problems, r.Reopened = listed(r.Copy.Problems), listed(r.Reopened)
		return inv.printJSON(r)
	}
	fmt.Fprintf(inv.stdout, "restored %s: %d accounts, %d messages, %d jobs\n", rest[0], r.Copy.Accounts, r.Copy.Messages, r.Copy.Jobs)
	if r.Rewrapped {
		fmt.Fprintln(inv.stdout, "it was sealed for an older master key, and is now for the present one")
	}
	if r.Kept != "" {
		fmt.Fprintf(inv.stdout, "the store that was here is now %s\n", r.Kept)
	}
	if *via != "" {
		fmt.Fprintln(inv.stdout, "the store that was here was written over")
	}
	if r.Held > 0 {
		fmt.Fprintf(inv.stdout, "outgoing jobs that are held, because they may have been sent since: %d; postern queue list --held shows them, postern queue release lets them go\n", r.Held)
	}
	if r.Unknown > 0 {
		fmt.Fprintf(inv.stdout, "sent messages whose notifications are not waited for any more, because they may have come since: %d; postern track says so of each\n", r.Unknown)
	}
	inv.tellReopened(r.Reopened)
	return nil
}

// tellReopened names the ways into accounts that a restore opened again, and what else was
// withdrawn from them.
func (inv *invocation) tellReopened(all []store.Reopened) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(inv.stdout, "ways into accounts and addresses of theirs that are open again, though they were closed since the copy was made: %d\n", len(all))
	for _, one := range all {
		fmt.Fprintf(inv.stdout, "  %s: %s\n", one.Account, reopenedLine(one))
	}
}

func reopenedLine(r store.Reopened) string {
	switch r.Closed {
	case store.ClosedRemoved:
		return "the account had been removed"
	case store.ClosedDisabled:
		return "the account had been disabled"
	case store.ClosedPassword:
		return "the account had been given another password"
	case store.ClosedRequired:
		return "a certificate had been required beside its password"
	case store.ClosedSender:
		return fmt.Sprintf("it had been withdrawn that it sends as %s", r.Address)
	case store.ClosedAlias:
		return fmt.Sprintf("its alias %s had been removed or given to another", r.Address)
	case store.ClosedGroup:
		return fmt.Sprintf("it had been taken out of the group %s", r.Address)
	}
	return fmt.Sprintf("access %s (%s) had been revoked", r.Access, oneLine(r.Name))
}

// warnDiffering tells of rows that a store was made with although they are not as its
// audit trail said, and of numbers that were counted anew for it.
func (inv *invocation) warnDiffering(r store.CheckReport, accepted bool) {
	if r.Differing == 0 && r.Miscounted == 0 {
		return
	}
	for _, p := range r.Problems {
		fmt.Fprintf(inv.stderr, "postern: warning: %s\n", oneLine(p))
	}
	if r.Miscounted > 0 {
		fmt.Fprintf(inv.stderr, "postern: warning: numbers that were not what is counted: %d; they are now, and a body that nothing refers to is gone\n", r.Miscounted)
	}
	switch {
	case r.Differing > 0 && accepted:
		fmt.Fprintf(inv.stderr, "postern: warning: rows that are not as the audit trail said: %d; they stay as they are, and the trail says so from now on\n", r.Differing)
	case r.Differing > 0:
		fmt.Fprintf(inv.stderr, "postern: warning: rows that are not as the audit trail says: %d; they stay as they are, and postern audit verify goes on telling them until they are taken into the trail by --accept\n", r.Differing)
	}
	fmt.Fprintln(inv.stderr, "postern: hint: find out who or what changed them: postern audit show has what was done before; docs/audit.md tells what else to look at")
}

// shortOfDisk names the way around a disk that has no room for two stores.
func shortOfDisk(err error, via string) error {
	if via != "" || !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrUnwritable) {
		return err
	}
	return &control.Error{Kind: control.Temporary, Message: err.Error(), Hint: "free or add disk space, or name a folder on another disk by --via: docs/operations.md says what that does"}
}

// restoreError tells what is wrong with the copy, or with what is done with it.
func restoreError(err error) error {
	if errors.Is(err, store.ErrCopy) {
		return copyError(err)
	}
	return err
}

// copyError tells what is wrong with a copy, which is not the store.
func copyError(err error) error {
	switch {
	case errors.Is(err, store.ErrMasterKey):
		return usagef("name the file of the master key that the copy was made under by --master-key", "%s", err)
	case errors.Is(err, store.ErrCorrupt):
		return &control.Error{Kind: control.Negative, Message: err.Error(), Hint: "the copy is damaged or cut off, which says nothing about the store: take another copy"}
	}
	return err
}

func runStoreCompact(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("store compact")
	accept := fs.Bool("accept", false, "")
	via := fs.String("via", "", "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	cfg, err := inv.alone(ctx)
	if err != nil {
		return err
	}
	c, err := care.Compact(ctx, cfg.Dir, *via, audit.Operator(os.Getuid()), *accept)
	if err != nil {
		return shortOfDisk(err, *via)
	}
	inv.warnDiffering(c.Store, *accept)
	c.Store.Problems = listed(c.Store.Problems)
	return inv.answer(c, "compacted from %d to %d bytes", c.Before, c.After)
}

func runStoreRotate(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("store rotate")
	discard := fs.Bool("discard-old", false, "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		r, err := c.RotateMaster(ctx, control.RotateOrder{DiscardOld: *discard})
		if err != nil {
			return err
		}
		old := "the old one is discarded: backups made before cannot be read without a copy of it"
		if r.Kept != "" {
			old = "backups made before need the old one, which is now " + r.Kept
		} else if len(r.Older) > 0 {
			old += "; still here, from earlier changes: " + strings.Join(r.Older, ", ")
		}
		return inv.answer(r, "the master key is now %s: keep a copy of it apart from backups; %s", r.New, old)
	})
}
