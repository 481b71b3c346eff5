package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postern/internal/control"
	"postern/mime"
	"postern/store"
)

// queueFilter declares the flags that say which messages under way are meant.
func queueFilter(fs *flag.FlagSet, f *control.QueueFilter) {
	fs.StringVar(&f.To, "to", "", "")
	fs.StringVar(&f.From, "from", "", "")
}

func runQueueList(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("queue list")
	var f control.QueueFilter
	queueFilter(fs, &f)
	fs.BoolVar(&f.Held, "held", false, "")
	fs.BoolVar(&f.Kept, "kept", false, "")
	all := fs.Bool("all", false, "")
	_, err := parse(fs, args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		if *all {
			return inv.listJobs(ctx, c, f)
		}
		sum, err := c.QueueSummary(ctx, f)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(sum)
		}
		printQueue(inv, sum)
		return nil
	})
}

// listJobs prints each message under way as it comes: there may be very many.
func (inv *invocation) listJobs(ctx context.Context, c *control.Client, f control.QueueFilter) error {
	if !inv.json {
		return c.EachQueued(ctx, f, func(j store.Job) error {
			_, err := fmt.Fprintln(inv.stdout, jobLine(j))
			return err
		})
	}
	separator := "["
	err := c.EachQueued(ctx, f, func(j store.Job) error {
		text, err := json.Marshal(j)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(inv.stdout, "%s\n  %s", separator, text)
		separator = ","
		return err
	})
	if err != nil {
		return err
	}
	end := "\n]\n"
	if separator == "[" {
		end = "[]\n"
	}
	_, err = fmt.Fprint(inv.stdout, end)
	return err
}

// jobLine tells of one job.
func jobLine(j store.Job) string {
	line := fmt.Sprintf("%d  %s  %s  from %s to %s, %d bytes, %s", j.ID, j.Kind, j.Track,
		or(j.Sender.String(), "<>"), addresses(served(j)), j.Size, dueText(j))
	if j.Reason != "" {
		line += "  " + j.Reason
	}
	return line
}

// served are the addresses that a job is for, each once: of a push those that came while
// it waits as well.
func served(j store.Job) []mime.Address {
	all := slices.Clone(j.Recipients)
	for _, n := range j.Push.Also {
		if !slices.ContainsFunc(all, n.Address.Same) {
			all = append(all, n.Address)
		}
	}
	return all
}

func dueText(j store.Job) string {
	kept := j.Kind == store.KeptJob
	switch {
	case kept && j.Idle():
		return "kept until it is released"
	case kept:
		return "kept until " + dateTime(j.Due)
	case j.Idle():
		return fmt.Sprintf("attempt %d, held", j.Attempts+1)
	}
	return fmt.Sprintf("attempt %d, due %s", j.Attempts+1, dateTime(j.Due))
}

// triedUntil says when a message is given up: not while it is held.
func triedUntil(j store.Job) string {
	switch {
	case j.Held:
		return "its time does not end while it is held"
	case j.Waits:
		return "its time does not end before its turn has come"
	}
	return dateTime(j.Expires)
}

func dateTime(t time.Time) string { return t.In(time.Local).Format(clock) }

// printQueue prints a line for each destination and state, and what is down.
func printQueue(inv *invocation, sum control.QueueSummary) {
	for _, g := range sum.Groups {
		fmt.Fprintf(inv.stdout, "%-5s %-24s %6d %-8s %11d bytes, oldest %s", g.Kind, or(g.Destination, "-"), g.Jobs, g.State, g.Bytes, dateTime(g.Oldest))
		if !g.Next.IsZero() {
			next := "next"
			if g.State == control.QueueKept {
				next = "the first until"
			}
			fmt.Fprintf(inv.stdout, ", %s %s", next, dateTime(g.Next))
		}
		fmt.Fprintln(inv.stdout)
	}
	for _, d := range sum.Down {
		how := "down"
		if d.Slow {
			how = "slow"
		}
		fmt.Fprintf(inv.stdout, "%s: %s %s, since %s, next try %s  %s  %s\n", how, doing(d.Kind), d.Lane, dateTime(d.Since), dateTime(d.Next), d.Reason, oneLine(d.Detail))
	}
}

// doing says what is done for jobs of a kind, in front of what they wait for.
func doing(kind store.JobKind) string {
	switch kind {
	case store.SealJob:
		return "looking up"
	case store.PushJob:
		return "delivery to the edge of"
	case store.HookJob:
		return "events for web hook"
	}
	return "delivery to"
}

func runQueueShow(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("queue show")
	original := fs.String("original", "", "")
	rest, err := parse(fs, args, 1, 1)
	if err != nil {
		return err
	}
	if *original != "" {
		return inv.takeOriginal(ctx, rest[0], *original)
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		e, err := c.ShowQueued(ctx, rest[0])
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(e)
		}
		printEntry(inv, e)
		return nil
	})
}

// takeOriginal writes the sealed message of a job to a new file, or with "-" to
// standard output.
func (inv *invocation) takeOriginal(ctx context.Context, id, path string) error {
	var taken control.TakenOriginal
	take := func(w io.Writer) error {
		return inv.withClient(ctx, func(c *control.Client) (err error) {
			taken, err = c.TakeOriginal(ctx, id, w)
			return err
		})
	}
	if path == "-" {
		return take(inv.stdout)
	}
	err := fillNew(path, 0o600, take)
	if err != nil {
		return err
	}
	return inv.answer(taken, "%s: %d bytes, sealed, from %s to %s; postern open judges it",
		path, taken.Bytes, or(taken.Sender.String(), "<>"), addresses(taken.Recipients))
}

func printEntry(inv *invocation, e control.QueueEntry) {
	t := teller{inv.stdout}
	for _, j := range e.Jobs {
		fmt.Fprintln(inv.stdout, jobLine(j))
		t.say(1, "message", string(j.Track))
		for _, n := range j.Push.Also {
			t.say(1, "and", fmt.Sprintf("%s to %s", n.Track, n.Address))
		}
		if j.Kind == store.KeptJob {
			t.say(1, "refused because", strings.TrimSpace(j.Reason+" "+oneLine(j.Detail)))
			continue
		}
		t.say(1, "waits for", or(j.Destination.String(), j.Lane))
		t.say(1, "since", dateTime(j.Created))
		t.say(1, "tried until", triedUntil(j))
		why := "last attempt"
		if j.Idle() && j.Attempts == 0 {
			why = "held because"
		}
		t.say(1, why, oneLine(j.Detail))
	}
	if e.Track == nil {
		return
	}
	for _, r := range e.Track.Recipients {
		fmt.Fprintf(inv.stdout, "  %s: %s", r.Address, r.State)
		if r.Reason != "" && r.Reason != "ok" {
			fmt.Fprintf(inv.stdout, ", %s (%s)", r.Reason, r.Detail)
		}
		fmt.Fprintln(inv.stdout)
	}
}
