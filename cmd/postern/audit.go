package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/control"
)

func runAuditShow(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("audit show")
	var f control.AuditFilter
	since, until := fs.String("since", "", ""), fs.String("until", "", "")
	fs.StringVar(&f.Actor, "actor", "", "")
	fs.StringVar(&f.Action, "action", "", "")
	fs.StringVar(&f.Track, "track", "", "")
	fs.StringVar(&f.Address, "address", "", "")
	fs.IntVar(&f.Limit, "limit", 0, "")
	points := fs.Bool("checkpoints", false, "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	now := time.Now()
	f.Since, err = parseWhen("since", *since, now)
	if err == nil {
		f.Until, err = parseWhen("until", *until, now)
	}
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		if *points {
			return inv.printCheckpoints(ctx, c)
		}
		shown := false
		err := c.ShowAudit(ctx, f, func(stored []byte, e *audit.Entry) error {
			shown = true
			var err error
			switch {
			case inv.json:
				_, err = fmt.Fprintf(inv.stdout, "%s\n", stored)
			case e == nil: // whoever wrote it writes to a terminal as well
				_, err = fmt.Fprintf(inv.stdout, "cannot be read: %q\n", stored)
			default:
				_, err = fmt.Fprintln(inv.stdout, auditLine(e))
			}
			return err
		})
		if err == nil && !shown {
			err = &control.Error{Kind: control.Negative, Message: "no record is like that"}
		}
		return err
	})
}

func (inv *invocation) printCheckpoints(ctx context.Context, c *control.Client) error {
	all, err := c.AuditCheckpoints(ctx)
	if err != nil {
		return err
	}
	if inv.json {
		return inv.printJSON(all.Lines)
	}
	for _, line := range all.Lines {
		fmt.Fprintln(inv.stdout, line)
	}
	return nil
}

// auditLine tells a record to people.
func auditLine(e *audit.Entry) string {
	words := []string{fmt.Sprint(e.Number), e.At.In(time.Local).Format(clock), e.Actor, string(e.Action)}
	for _, w := range []string{e.Object, e.Track, e.Reason, e.Detail} {
		if w != "" {
			words = append(words, w)
		}
	}
	for _, p := range e.Parts {
		words = append(words, strings.TrimSpace(strings.Join([]string{p.Recipient, p.State, p.Reason}, " ")))
	}
	if e.Action == audit.Noted { // which speaks of nothing else
		const named = 8
		for _, row := range e.Rows[:min(len(e.Rows), named)] {
			words = append(words, row.Name)
		}
		if more := len(e.Rows) - named; more > 0 {
			words = append(words, fmt.Sprintf("and %d more", more))
		}
	}
	if len(e.Keys) > 0 {
		words = append(words, "keys "+strings.Join(e.Keys, " "))
	}
	if e.Cut != "" {
		words = append(words, "left out: "+e.Cut)
	}
	return strings.Join(words, "  ")
}

func runAuditVerify(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("audit verify")
	file := fs.String("checkpoint", "", "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	outside, err := readOutside(*file)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		r, err := c.VerifyAudit(ctx, outside)
		if err != nil {
			return err
		}
		if inv.json {
			err = inv.printJSON(r)
		} else {
			err = inv.printReport(r)
		}
		if err == nil && !r.Whole() {
			err = errNegative
		}
		return err
	})
}

// readOutside reads the checkpoints in a file, which may be a log.
func readOutside(name string) ([]audit.Checkpoint, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, usagef("name a file with checkpoints that were kept elsewhere", "%s", err)
	}
	defer f.Close()
	all, err := audit.ReadCheckpoints(f)
	if err != nil {
		return nil, usagef("name a file with checkpoints that were kept elsewhere", "%s: %s", name, err)
	}
	if len(all) == 0 { // it must not look as if something was proved
		return nil, usagef("the server's log has them, and postern audit show --checkpoints", "%s has no checkpoint in it", name)
	}
	return all, nil
}

func (inv *invocation) printReport(r audit.Report) error {
	if r.Problem != nil {
		_, err := fmt.Fprintln(inv.stdout, r.Problem)
		return errors.Join(err, inv.printDifferences(r))
	}
	text := "the audit trail is whole: no records"
	if r.Entries > 0 {
		text = fmt.Sprintf("the audit trail is whole: %s, %d to %d, %s", count(int(r.Entries), "record"), r.First, r.Last, count(r.Checkpoints, "checkpoint"))
	}
	if r.Outside > 0 || r.TooOld > 0 {
		text += fmt.Sprintf("; of those kept elsewhere %d agree", r.Outside)
	}
	if r.TooOld > 0 {
		text += fmt.Sprintf(", %d are of records that were pruned", r.TooOld)
	}
	if r.Witness > 0 {
		text += fmt.Sprintf("; audit.end beside the store vouches up to %d", r.Witness)
	} else {
		text += "; there is no audit.end beside the store"
	}
	if r.Rows > 0 {
		text += fmt.Sprintf("; %s of the store compared", count(r.Rows, "row"))
	}
	_, err := fmt.Fprintln(inv.stdout, text)
	return errors.Join(err, inv.printDifferences(r))
}

func (inv *invocation) printDifferences(r audit.Report) (err error) {
	for _, d := range r.Differences {
		_, one := fmt.Fprintln(inv.stdout, d.Error())
		err = errors.Join(err, one)
	}
	if more := r.Differing - len(r.Differences); more > 0 {
		_, one := fmt.Fprintf(inv.stdout, "and %d more\n", more)
		err = errors.Join(err, one)
	}
	return err
}

func runAuditKey(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("audit key"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		key, err := c.AuditKey(ctx)
		if err != nil {
			return err
		}
		return inv.answer(key, "%sid %s", key.PEM, key.ID)
	})
}
