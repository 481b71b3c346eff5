package gateway

import (
	"context"
	"fmt"
	"io"
	"slices"

	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// relay hands a sealed message to its destination. A crash between the far
// side's 250 and our commit sends it again: the far side's own duplicate check
// is then what keeps it single (RFC 1047).
func (c *Core) relay(ctx context.Context, job store.Job) error {
	results, err := c.attempt(ctx, job)
	if err != nil {
		return err
	}
	now := c.Now()
	var outcomes []outcome
	var failed, again []failure
	stopping := ctx.Err() != nil
	for _, r := range results {
		o := outcome{recipient: r.Recipient, state: store.TrackRelayed, stage: "relay", code: r.Code, detail: describeResult(r)}
		f := failure{recipient: r.Recipient, code: r.Code, detail: o.detail, status: r.Enhanced}
		switch {
		case r.Code.IsOK():
		case r.Code.Outcome().Retry && (stopping || now.Before(job.Expires)):
			o.state = store.TrackSealed
			again = append(again, f)
		default:
			if r.Code.Outcome().Retry {
				f.code, f.status = reason.QueueExpired, ""
			}
			o.state, o.code = store.TrackFailed, f.code
			failed = append(failed, f)
		}
		outcomes = append(outcomes, o)
	}
	if stopping && len(again) == len(job.Recipients) {
		// Stopping is not the far side's failure: the attempt does not count.
		return ctx.Err()
	}
	notice, err := c.failureNotice(ctx, job, failed)
	if err != nil {
		return err
	}
	if notice != nil {
		defer notice.Discard()
	}
	// What the far side took must be written down even while stopping.
	err = c.Store.Update(context.WithoutCancel(ctx), func(tx store.Tx) error {
		err := c.deliverNotice(tx, job, notice)
		if err != nil {
			return err
		}
		err = record(tx, job.Track, now, outcomes)
		if err != nil {
			return err
		}
		if len(again) == 0 {
			return tx.Finish(job.ID)
		}
		return tx.Reschedule(retry(job, again, now))
	})
	if err == nil {
		c.tell(job.Track, outcomes)
	}
	return err
}

// attempt sends the message and returns a result for each recipient. One that can
// no longer be read and whose time is over was sent to nobody.
func (c *Core) attempt(ctx context.Context, job store.Job) ([]smtp.Result, error) {
	src, err := c.stored(ctx, job.Body)
	if err != nil {
		if ctx.Err() != nil || c.Now().Before(job.Expires) {
			return nil, err
		}
		return complete(nil, job.Recipients), nil
	}
	results := c.Sender.Send(ctx, smtp.Delivery{
		From: job.Sender, To: job.Recipients, Destination: job.Destination, Size: src.Size(),
		Message: func() (io.Reader, error) { return src.Open() },
	})
	return complete(results, job.Recipients), nil
}

// complete adds what a Sender left out: without a result nobody took the
// message, and it must not be lost.
func complete(results []smtp.Result, to []mime.Address) []smtp.Result {
	for _, a := range to {
		known := slices.ContainsFunc(results, func(r smtp.Result) bool { return r.Recipient.Same(a) })
		if !known {
			results = append(results, smtp.Result{Recipient: a, Code: reason.Internal, Text: "there was no result"})
		}
	}
	return results
}

// describeResult says for the track what the far side did, in its own words.
func describeResult(r smtp.Result) string {
	tls := "without TLS"
	if r.TLS {
		tls = "with TLS"
	}
	switch {
	case r.Host == "":
		return r.Text
	case r.Reply == 0:
		return fmt.Sprintf("%s: %s", r.Host, r.Text)
	}
	return fmt.Sprintf("%s %s: %d %s %s", r.Host, tls, r.Reply, r.Enhanced, r.Text)
}
