package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/internal/control"
	"postern/mime"
)

// clock is how times are shown to people.
const clock = "2006-01-02 15:04:05.000"

func addresses(all []mime.Address) string {
	var texts []string
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func runQueueList(ctx context.Context, inv *invocation, args []string) error {
	_, err := parse(inv.flags("queue list"), args, 0, 0)
	if err != nil {
		return err
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		jobs, err := c.Queue(ctx)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(listed(jobs))
		}
		for _, j := range jobs {
			fmt.Fprintf(inv.stdout, "%d  %s  %s  from %s to %s, %d bytes, attempt %d, due %s", j.ID, j.Kind, j.Track,
				or(j.Sender.String(), "<>"), addresses(j.Recipients), j.Size, j.Attempts+1, j.Due.In(time.Local).Format(clock))
			if j.Reason != "" {
				fmt.Fprintf(inv.stdout, "  %s", j.Reason)
			}
			fmt.Fprintln(inv.stdout)
		}
		return nil
	})
}
