package main

import (
	"context"
	"fmt"

	"postern/internal/control"
)

// A queueVerb is a command that changes messages under way.
type queueVerb struct {
	name string
	done string // of messages, as in "2 held"
	all  bool   // it takes --all
	do   func(*control.Client, context.Context, control.QueueOrder) (control.QueueChanged, error)
}

func runQueueRetry(ctx context.Context, inv *invocation, args []string) error {
	return inv.changeQueue(ctx, args, queueVerb{"queue retry", "due now", true, (*control.Client).RetryQueued})
}

func runQueueHold(ctx context.Context, inv *invocation, args []string) error {
	return inv.changeQueue(ctx, args, queueVerb{"queue hold", "held", false, (*control.Client).HoldQueued})
}

func runQueueRelease(ctx context.Context, inv *invocation, args []string) error {
	return inv.changeQueue(ctx, args, queueVerb{"queue release", "released", true, (*control.Client).ReleaseQueued})
}

// changeQueue reads which messages are meant: ids, or --to and --from, or --all.
func (inv *invocation) changeQueue(ctx context.Context, args []string, verb queueVerb) error {
	fs := inv.flags(verb.name)
	var f control.QueueFilter
	queueFilter(fs, &f)
	fs.BoolVar(&f.Kept, "kept", false, "")
	all := false
	if verb.all {
		fs.BoolVar(&all, "all", false, "")
	}
	ids, err := parse(fs, args, 0, maxNamed)
	if err != nil {
		return err
	}
	order := control.QueueOrder{IDs: ids, To: f.To, From: f.From, All: all, Kept: f.Kept}
	if !order.Clear() {
		return wrongUse(fs, "say which messages, in one way")
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		changed, err := verb.do(c, ctx, order)
		if err != nil {
			return err
		}
		judged := ""
		if changed.Judged > 0 {
			judged = fmt.Sprintf(", %d of them to be judged again", changed.Judged)
		}
		return inv.answer(changed, "%d %s%s", changed.Jobs, verb.done, judged)
	})
}

func runQueueDrop(ctx context.Context, inv *invocation, args []string) error {
	fs := inv.flags("queue drop")
	silent := fs.Bool("silent", false, "")
	var f control.QueueFilter
	queueFilter(fs, &f)
	fs.BoolVar(&f.Held, "held", false, "")
	fs.BoolVar(&f.Kept, "kept", false, "")
	ids, err := parse(fs, args, 0, maxNamed)
	if err != nil {
		return err
	}
	order := control.QueueOrder{IDs: ids, To: f.To, From: f.From, Held: f.Held, Kept: f.Kept, Silent: *silent}
	if !order.Clear() {
		return wrongUse(fs, "say which messages, in one way")
	}
	return inv.withClient(ctx, func(c *control.Client) error {
		changed, err := c.DropQueued(ctx, order)
		if err != nil {
			return err
		}
		err = inv.answer(changed, "%d dropped", changed.Jobs)
		if len(changed.InWork) == 0 || err != nil {
			return err
		}
		inv.complain(fmt.Sprintf("%d not dropped: they are being sent at this moment", len(changed.InWork)), "try again, or look into postern track")
		return errLater
	})
}
