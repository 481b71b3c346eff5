package gateway

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// relay hands a sealed message to its destination. What the far side said is
// known here alone until it is committed, so that the commit is tried again and
// never the sending. A crash between the far side's 250 and our commit sends it
// again: the far side's own duplicate check is then what keeps it single
// (RFC 1047).
func (c *Core) relay(ctx context.Context, job store.Job) error {
	defer c.sending.begin(job.ID)()
	err := c.checkWritable(ctx, job)
	if err != nil {
		return err
	}
	e, expired := c.expiredWhileDown(job)
	if !expired {
		results, err := c.attempt(ctx, job)
		if err != nil {
			return err
		}
		stopping := ctx.Err() != nil
		e = c.relayEnd(job, results, stopping)
		// Stopping is not the far side's failure: the attempt does not count.
		e.cut = stopping && len(e.again) == len(job.Recipients)
		if e.cut && !results[0].Unanswered {
			return ctx.Err()
		}
		if !stopping {
			c.observe(job, results)
		}
	}
	err = c.insist(ctx, job, func() error {
		// What the far side took must be written down even while stopping.
		return e.commit(context.WithoutCancel(ctx))
	})
	if err == nil {
		c.tell(job.Track, e.outcomes)
	}
	return err
}

// writtenLately is how long ago a commit may be that shows that one can be made.
const writtenLately = time.Second

// checkWritable writes the track of a job as it is, unless something was written
// just now. While nothing can be written, nothing may be sent: that it was sent
// would not be known. Nor is sent what an operator has held or dropped; after this
// he can no longer, for transactions follow each other also when they only read.
func (c *Core) checkWritable(ctx context.Context, job store.Job) error {
	known := c.Store.WroteWithin(writtenLately)
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		err := standing(tx, job.ID)
		if err != nil || known {
			return err
		}
		return record(tx, job.Track, c.Now(), nil)
	})
	if err != nil {
		return fmt.Errorf("checking the store before sending: %w", err)
	}
	return nil
}

// A relayEnd is what becomes of a relay job after an attempt.
type relayEnd struct {
	*Core
	job      store.Job
	due      time.Time // the present by the clock of the queue
	outcomes []outcome
	failed   []failure
	again    []failure
	down     bool // the destination gave no service
	cut      bool // nothing was decided: the job stays as it is
}

func (c *Core) relayEnd(job store.Job, results []smtp.Result, stopping bool) *relayEnd {
	e := &relayEnd{Core: c, job: job, due: c.Steady(), outcomes: elsewhere(job, results)}
	down := func(r smtp.Result) (since time.Time) {
		if r.Down {
			_, since, _ = c.whyDown(relayLane(job))
		}
		return since
	}
	for _, r := range results {
		o := outcome{recipient: r.Recipient, state: store.TrackRelayed, stage: store.StageRelay, host: r.Host, code: r.Code, detail: describeResult(r)}
		e.down = e.down || r.Down
		f := relayFailure(r)
		switch {
		case r.Code.IsOK():
			o.relayed = e.due
		case r.Code.Outcome().Retry && (stopping || e.due.Before(job.Expires)):
			o.state = store.TrackSealed
			e.again = append(e.again, f)
		default:
			if r.Code.Outcome().Retry {
				f = f.expired(down(r))
			}
			o.state, o.code = store.TrackFailed, f.code
			e.failed = append(e.failed, f)
		}
		e.outcomes = append(e.outcomes, o)
	}
	return e
}

// elsewhere are the hosts that were tried in vain in an attempt, before or after the
// one whose answer counts.
func elsewhere(job store.Job, results []smtp.Result) []outcome {
	var all []outcome
	for _, r := range results[0].Others {
		all = append(all, outcome{stage: store.StageRelay, host: r.Host, code: r.Code, detail: "for " + job.Destination.String() + ": " + describeResult(r)})
	}
	return all
}

// expiredWhileDown ends a job whose time is over while its destination is left
// alone, by all or by its sender: he is told what the destination said last, and there is
// no attempt, for which there would be no time if many such jobs end at once.
func (c *Core) expiredWhileDown(job store.Job) (*relayEnd, bool) {
	e := &relayEnd{Core: c, job: job, due: c.Steady()}
	if e.due.Before(job.Expires) {
		return nil, false
	}
	why, since, down := c.whyDown(relayLane(job))
	if !down {
		why, since, down = c.whyDown(failedLane(job, true, false))
	}
	if !down {
		return nil, false
	}
	detail := fmt.Sprintf("left alone since %s, not tried again: %s", since.UTC().Format(time.RFC3339), why.detail)
	for _, a := range job.Recipients {
		f := why.expired(since)
		f.recipient, f.detail = a, detail
		e.failed = append(e.failed, f)
		e.outcomes = append(e.outcomes, outcome{recipient: a, state: store.TrackFailed, stage: store.StageRelay, code: reason.QueueExpired, detail: detail})
	}
	return e, true
}

func relayLane(job store.Job) laneID {
	return laneID{kind: job.Kind, lane: string(job.Destination)} // of a PushJob too
}

// failedLane is what gave no service in a failure: the destination, or for this
// sender the destination if it put off what he sends and talks on.
func failedLane(job store.Job, slow, down bool) laneID {
	id := relayLane(job)
	if slow && !down {
		id.flow = job.Flow
	}
	return id
}

// observe tells the breaker of a destination how an attempt went. A reply to what
// was said of a message or a recipient, whichever, is a destination at work.
func (c *Core) observe(job store.Job, results []smtp.Result) {
	worked := func(r smtp.Result) bool { return r.Code.IsOK() || r.Reply != 0 && !r.Down && !r.Slow }
	if slices.ContainsFunc(results, worked) {
		c.laneWorked(relayLane(job))
		c.flowTaken(failedLane(job, true, false))
		return
	}
	i := slices.IndexFunc(results, func(r smtp.Result) bool { return r.Down || r.Slow && paced(job) })
	if i < 0 {
		return
	}
	id := failedLane(job, results[i].Slow, results[i].Down)
	if id.flow != "" {
		c.laneWorked(relayLane(job))
	}
	c.laneFailed(id, relayFailure(results[i]))
}

// paced reports whether it is the destination's doing if a message is put off for its
// rate.
func paced(job store.Job) bool { return job.Ordered < mostPaced }

// later is the job with those that are tried again. What the destination puts off for
// its rate makes no wait longer.
func (e *relayEnd) later() store.Job {
	j := retry(e.job, e.again, e.due, e.uneven)
	if e.again[0].slow && paced(j) {
		j.Ordered++
	} else if e.again[0].slow && !e.down {
		return j
	}
	return e.inLane(failedLane(j, e.again[0].slow, e.down), j, e.due)
}

// relayFailure is why a recipient was not served, with the far side's last words.
func relayFailure(r smtp.Result) failure {
	f := failure{recipient: r.Recipient, code: r.Code, detail: describeResult(r), status: r.Enhanced, slow: r.Slow}
	if r.Reply != 0 {
		f.said = fmt.Sprintf("%d %s %s", r.Reply, r.Enhanced, r.Text)
	}
	return f
}

// commit ends the attempt in one transaction. It may be called again after it
// failed.
func (e *relayEnd) commit(ctx context.Context) error {
	end := ending{job: e.job, at: e.Now(), done: e.outcomes, failed: e.failed}
	return e.endOutgoing(ctx, end, func(tx store.Tx) error {
		switch {
		case e.cut:
			return nil
		case len(e.again) == 0:
			return e.finish(tx, e.job)
		}
		return putAgain(tx, e.later())
	})
}

// attempt sends the message and returns a result for each recipient. One that can
// no longer be read and whose time is over was sent to nobody.
func (c *Core) attempt(ctx context.Context, job store.Job) ([]smtp.Result, error) {
	src, err := c.stored(ctx, job.Body)
	if err != nil {
		if ctx.Err() != nil || c.Steady().Before(job.Expires) {
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
