package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"postern/internal/control"
	"postern/store"
)

// mostListed bounds a list of messages, and usuallyListed is its length.
const (
	usuallyListed = 100
	mostListed    = 10_000
)

// A trackOrder is what track was asked for.
type trackOrder struct {
	control.TrackQuery
	list bool // several, not the life of one
}

func runTrack(ctx context.Context, inv *invocation, args []string) error {
	o, err := inv.parseTrack(args)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		if o.list {
			return inv.listTracks(ctx, c, o.TrackQuery)
		}
		found, err := c.Track(ctx, o.MessageID)
		if err != nil {
			return err
		}
		if inv.json {
			err = inv.printJSON(found.Lives)
		} else {
			for _, l := range found.Lives {
				printLife(inv, l)
			}
		}
		if found.Left > 0 {
			left := fmt.Sprint(found.Left)
			if found.Left == control.MostLeft {
				left += " or more"
			}
			fmt.Fprintf(inv.stderr, "postern: %s others of that Message-ID are left out\npostern: hint: postern track %s --limit %d lists them\n", left, strings.Trim(o.MessageID, " <>"), mostListed)
		}
		return err
	})
}

func (inv *invocation) parseTrack(args []string) (trackOrder, error) {
	var o trackOrder
	fs := inv.flags("track")
	fs.StringVar(&o.Address, "address", "", "")
	fs.StringVar(&o.State, "state", "", "")
	fs.StringVar(&o.Reason, "reason", "", "")
	since, until := fs.String("since", "", ""), fs.String("until", "", "")
	in, out := fs.Bool("in", false, ""), fs.Bool("out", false, "")
	fs.IntVar(&o.Limit, "limit", usuallyListed, "")
	rest, err := parse(fs, args, 0, 1)
	if err != nil {
		return o, err
	}
	now := time.Now()
	o.Since, err = parseWhen("since", *since, now)
	if err == nil {
		o.Until, err = parseWhen("until", *until, now)
	}
	switch {
	case err != nil:
		return o, err
	case *in && *out:
		return o, wrongUse(fs, "--in and --out exclude each other")
	case o.Limit < 1 || o.Limit > mostListed:
		return o, wrongUse(fs, "--limit is from 1 to %d", mostListed)
	case *in:
		o.Way = control.WayIn
	case *out:
		o.Way = control.WayOut
	}
	o.list = len(rest) == 0 || o != trackOrder{TrackQuery: control.TrackQuery{Limit: usuallyListed}}
	if len(rest) == 1 {
		o.MessageID = rest[0]
	}
	if len(rest) == 0 && len(args) == 0 {
		return o, wrongUse(fs, "an argument is missing")
	}
	return o, nil
}

// parseWhen reads a moment: as RFC 3339 has it, as a day, which begins by the clock
// of this machine, or as how long ago it was.
func parseWhen(name, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err == nil {
		return at, nil
	}
	at, err = time.ParseInLocation(time.DateOnly, text, now.Location())
	if err == nil {
		return at, nil
	}
	days, isDays := strings.CutSuffix(text, "d")
	if isDays {
		n, err := strconv.ParseUint(days, 10, 16)
		if err == nil {
			return now.AddDate(0, 0, -int(n)), nil
		}
	}
	ago, err := time.ParseDuration(text)
	if err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	return time.Time{}, usagef("write it as 2026-03-01, as 2026-03-01T12:00:00Z, or as 90m, 2h or 3d ago", "--%s %q is no time", name, text)
}

func (inv *invocation) listTracks(ctx context.Context, c *control.Client, q control.TrackQuery) error {
	all, more, err := c.Tracks(ctx, q)
	if err != nil {
		return err
	}
	if inv.json {
		err = inv.printJSON(all)
	} else {
		for _, l := range all {
			fmt.Fprintln(inv.stdout, trackLine(l))
		}
	}
	if err == nil && more {
		fmt.Fprintf(inv.stderr, "postern: %d are shown, and there may be more\npostern: hint: narrow it down, or ask for more with --limit\n", len(all))
	}
	if err == nil && len(all) == 0 {
		return &control.Error{Kind: control.Negative, Message: "no message is like that"}
	}
	return err
}

// trackLine is one message of a list.
func trackLine(l control.TrackLine) string {
	var to []string
	for _, r := range l.Recipients {
		s := or(r.Address, "nobody known") + " " + r.State
		if r.Reason != "" && r.Reason != "ok" {
			s += " " + r.Reason
		}
		to = append(to, s)
	}
	if l.More > 0 {
		to = append(to, fmt.Sprintf("and %d more", l.More))
	}
	return fmt.Sprintf("%s  %s  %-3s  %s  from %s to %s", l.Received.In(time.Local).Format(clock), l.ID, l.Way,
		or(l.MessageID, "-"), or(l.Sender, "<>"), strings.Join(to, ", "))
}

// printLife prints all that is known of one message.
func printLife(inv *invocation, l control.Life) {
	way := "in"
	if l.Outbound {
		way = "out"
	}
	if l.Automatic {
		way += ", a notification"
	}
	fmt.Fprintf(inv.stdout, "%s  %s  %s, from %s, %d bytes\n", l.ID, or(l.MessageID, "-"), way, or(l.Sender.String(), "<>"), l.Size)
	if l.Timely {
		fmt.Fprintln(inv.stdout, "  its sender asked for notice of final delivery")
	}
	for _, r := range l.Recipients {
		fmt.Fprintf(inv.stdout, "  %s: %s", or(r.Address.String(), "nobody known"), r.State)
		if r.Reason != "" && r.Reason != "ok" {
			fmt.Fprintf(inv.stdout, ", %s (%s)", r.Reason, r.Detail)
		}
		switch r.Told {
		case "":
		case store.ToldUnasked:
			fmt.Fprint(inv.stdout, ", the sender was not told, as he asked")
		case store.ToldSilent:
			fmt.Fprint(inv.stdout, ", the sender was not told")
		default:
			fmt.Fprintf(inv.stdout, ", the sender was told of %s", r.Told)
		}
		fmt.Fprintln(inv.stdout)
	}
	for _, e := range l.Events {
		printEvent(inv, e)
	}
}

func printEvent(inv *invocation, e store.Event) {
	if e.Omitted > 0 {
		fmt.Fprintf(inv.stdout, "  … %d events are no longer kept\n", e.Omitted)
	}
	fmt.Fprintf(inv.stdout, "  %s  %-8s %s", e.At.In(time.Local).Format(clock), e.Stage, or(e.Recipient.String(), "all"))
	if e.Reason != "" && e.Reason != "ok" {
		fmt.Fprintf(inv.stdout, "  %s", e.Reason)
	}
	if e.Detail != "" {
		fmt.Fprintf(inv.stdout, "  %s", e.Detail)
	}
	fmt.Fprintln(inv.stdout)
}
