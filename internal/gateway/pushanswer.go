package gateway

import (
	"context"
	"time"

	"postern/mime/mdn"
	"postern/sta"
	"postern/store"
	"postern/trust/reason"
)

// How long an answer waits for the processed notification to be on its way: the time
// doubles from the first to the last.
const (
	firstAnswerWait = 2 * time.Second
	lastAnswerWait  = 5 * time.Minute
)

// answerPush tells the sender of a message what its edge made of it: dispatched, if he
// asks for it (DN-4), or failed (DN-8). Neither overtakes processed (DN-10).
func (c *Core) answerPush(ctx context.Context, job store.Job) error {
	waits, err := c.noticeWaits(ctx, job.Push.Notice)
	if err != nil {
		return err
	}
	if waits {
		job.Due = c.Steady().Add(doubled(firstAnswerWait, lastAnswerWait, job.Attempts))
		job.Attempts++
		job.Detail = waitsForProcessed
		c.putBack(ctx, job)
		return nil
	}
	p := &part{opening: &opening{Core: c, job: job, now: c.Now(), due: c.Steady()}}
	defer p.discard()
	err = p.composePushed(ctx)
	if err != nil {
		return err
	}
	var done []outcome
	err = c.Store.Update(ctx, func(tx store.Tx) error {
		done = nil
		err := standing(tx, job.ID)
		if err != nil {
			return err
		}
		p.job.Era, err = EraOf(tx, job.Track, job.Era)
		if err != nil {
			return err
		}
		for _, m := range p.mdns {
			if m.body == nil {
				continue // it could not be composed, which was logged
			}
			notice, err := p.queueMDN(tx, m, 0, false)
			if err != nil {
				return err
			}
			done = append(done, outcome{recipient: m.recipient, stage: store.StageNotify,
				detail: string(m.disposition) + " to " + m.to.String() + " as " + string(notice.Track)})
		}
		err = record(tx, job.Track, p.now, done)
		if err != nil {
			return err
		}
		return c.finish(tx, job)
	})
	if err == nil {
		c.tell(job.Track, done)
	}
	return err
}

// composePushed writes the answer, from the header of the message as it was pushed.
func (p *part) composePushed(ctx context.Context) error {
	src, err := p.stored(ctx, p.job.Body)
	if err != nil {
		return err
	}
	header, err := readHeader(src)
	if unreadable(err) {
		p.Log.Error("a pushed message cannot be read for its answer", "track", p.job.Track, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	p.opened = &sta.Opened{Header: header, Sender: p.job.Sender}
	m := ownMDN{recipient: p.job.Recipients[0], disposition: mdn.Dispatched}
	why := ""
	if p.job.Push.Ended == store.TrackFailed {
		m.disposition, why = mdn.Failed, reason.Code(p.job.Reason).Outcome().Public
	}
	return p.composeMDN(ctx, m, why)
}

// noticeWaits reports whether a notification of ours is still to be sealed or relayed.
func (c *Core) noticeWaits(ctx context.Context, id store.TrackID) (waits bool, err error) {
	if id == "" {
		return false, nil
	}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		t, _, err := trackOf(tx, id)
		waits = false
		for _, r := range t.Recipients {
			waits = waits || r.State == store.TrackQueued || r.State == store.TrackSealed
		}
		return err
	})
	return waits, err
}

// giveUpPush ends a push whose step fails although its time is over. What nobody would
// be told of goes to the mailbox after all: see commit.
func (c *Core) giveUpPush(ctx context.Context, job store.Job, why error) error {
	var done []tracked
	err := c.Store.Update(ctx, func(tx store.Tx) error {
		stored, err := tx.Job(job.ID)
		if err != nil {
			return err
		}
		if stored.Push.Ended != "" {
			return c.finish(tx, stored)
		}
		if !answers(stored) {
			e := &pushEnd{relayEnd: &relayEnd{Core: c, job: stored}}
			done, err = e.toInbox(tx, stored, reason.QueueExpired, why.Error())
			return err
		}
		o := outcome{recipient: stored.Recipients[0], state: store.TrackFailed, stage: store.StagePush, code: reason.QueueExpired, detail: why.Error()}
		done, err = c.endPush(tx, stored, store.TrackFailed, reason.QueueExpired, o)
		return err
	})
	if err == nil {
		c.tellAll(done)
	}
	return err
}
