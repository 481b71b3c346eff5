package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"postern/internal/control"
	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

func runHookAdd(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("hook add")
	events := fs.String("events", "arrived,delivered,failed", "")
	rest, err := parse(fs, args, 2, 2)
	if err != nil {
		return err
	}
	address, err := mime.ParseAddress(rest[0])
	if err != nil {
		return err
	}
	in := control.HookOrder{Address: address.String(), URL: rest[1]}
	for word := range strings.SplitSeq(*events, ",") {
		_, err := store.ParseHookEventType(strings.TrimSpace(word))
		if err != nil {
			return wrongUse(fs, "%s", err)
		}
		in.Events = append(in.Events, strings.TrimSpace(word))
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		made, err := c.AddHook(ctx, in)
		if err != nil {
			return err
		}
		return inv.answer(made, "hook %s of %s\nsecret %s\nThe secret is shown this once: the receiver checks by it that events come from here.", made.ID, made.Account, made.Secret)
	})
}

func runHookList(ctx context.Context, inv *invocation, args []string) error {
	return runListOf(ctx, inv, "hook list", args, (*control.Client).Hooks, func(h gateway.HookInfo) string {
		return fmt.Sprintf("%s  %s  %s  %s  %s", h.ID, h.Account, oneLine(h.URL), wordsOf(h.Events), hookHealth(h))
	})
}

func wordsOf(events []store.HookEventType) string {
	var words []string
	for _, e := range events {
		words = append(words, string(e))
	}
	return strings.Join(words, ",")
}

// hookHealth says in a few words how a web hook does.
func hookHealth(h gateway.HookInfo) string {
	var words []string
	switch s := h.State; {
	case h.Disabled == store.HookGone:
		words = append(words, "disabled: the receiver wants no more events")
	case h.Disabled != "":
		words = append(words, "disabled: "+h.Disabled)
	case !s.FailingSince.IsZero():
		why := s.LastError
		if s.LastStatus != 0 {
			why += fmt.Sprintf(" (HTTP %d)", s.LastStatus)
		}
		words = append(words, fmt.Sprintf("failing since %s: %s", dateTime(s.FailingSince), oneLine(why)))
	case s.LastAt.IsZero():
		words = append(words, "not used yet")
	default:
		words = append(words, "last taken "+dateTime(s.LastAt))
	}
	words = append(words, fmt.Sprintf("%d taken", h.State.Delivered))
	if n := h.State.Waiting; n > 0 {
		words = append(words, fmt.Sprintf("%d waiting", n))
	}
	if n := h.State.Lost; n > 0 {
		words = append(words, fmt.Sprintf("%d lost, last %s", n, dateTime(h.State.LostAt)))
	}
	return strings.Join(words, ", ")
}

func runHookShow(ctx context.Context, inv *invocation, args []string) error {
	return inv.onHook(ctx, "hook show", args, func(c *control.Client, in control.HookName) error {
		h, err := c.ShowHook(ctx, in)
		if err != nil {
			return err
		}
		if inv.json {
			return inv.printJSON(h)
		}
		t := teller{inv.stdout}
		fmt.Fprintf(inv.stdout, "%s  %s\n", h.ID, h.Account)
		t.say(1, "URL", oneLine(h.URL))
		t.say(1, "events", wordsOf(h.Events))
		t.say(1, "since", dateTime(h.Created))
		t.say(1, "state", hookHealth(h))
		t.say(1, "secret before", secretBefore(h, time.Now()))
		return nil
	})
}

// secretBefore tells of the secret before a hook's own, while that signs.
func secretBefore(h gateway.HookInfo, now time.Time) string {
	if !now.Before(h.PreviousUntil) {
		return ""
	}
	return "signs beside it until " + dateTime(h.PreviousUntil)
}

func runHookRemove(ctx context.Context, inv *invocation, args []string) error {
	return inv.onHook(ctx, "hook remove", args, func(c *control.Client, in control.HookName) error {
		err := c.RemoveHook(ctx, in)
		if err != nil {
			return err
		}
		return inv.answer(in, "hook %s of %s is gone", in.ID, in.Address)
	})
}

func runHookEnable(ctx context.Context, inv *invocation, args []string) error {
	return inv.onHook(ctx, "hook enable", args, func(c *control.Client, in control.HookName) error {
		err := c.EnableHook(ctx, in)
		if err != nil {
			return err
		}
		return inv.answer(in, "hook %s of %s is told again", in.ID, in.Address)
	})
}

func runHookRotate(ctx context.Context, inv *invocation, args []string) error {
	return inv.onHook(ctx, "hook rotate", args, func(c *control.Client, in control.HookName) error {
		made, err := c.RotateHook(ctx, in)
		if err != nil {
			return err
		}
		return inv.answer(made, "secret %s\nIt is shown this once. The one before it signs beside it until %s.", made.Secret, dateTime(made.Until))
	})
}

func runHookTest(ctx context.Context, inv *invocation, args []string) error {
	return inv.onHook(ctx, "hook test", args, func(c *control.Client, in control.HookName) error {
		a, err := c.TestHook(ctx, in)
		if err != nil {
			return err
		}
		if inv.json {
			err = inv.printJSON(a)
		} else if a.Taken() {
			_, err = fmt.Fprintf(inv.stdout, "taken: HTTP %d after %s\n", a.Status, a.Took.Round(1e6))
		} else {
			_, err = fmt.Fprintf(inv.stdout, "not taken: %s\n", oneLine(a.Error))
		}
		if err == nil && !a.Taken() {
			return errNegative
		}
		return err
	})
}

// onHook does something to the web hook that two arguments name.
func (inv *invocation) onHook(ctx context.Context, name string, args []string, do func(*control.Client, control.HookName) error) error {
	return inv.onOneOf(ctx, name, args, func(c *control.Client, address, id string) error {
		return do(c, control.HookName{Address: address, ID: id})
	})
}
