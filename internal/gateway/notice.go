package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/task"
	"postern/mime"
	"postern/mime/dsn"
	"postern/store"
	"postern/trust/reason"
)

// A notice tells a sender of ours what became of recipients of his message. The
// zero notice tells nothing.
type notice struct {
	about []mime.Address
	body  *mailbox.Draft // nil if it could not be composed
	why   reason.Code    // of the first who failed; OK is that all are late
	// success says that all were handed over.
	success bool
}

func (n notice) String() string {
	switch {
	case n.success:
		return "notice of success"
	case n.why.IsOK():
		return "notice of delay"
	}
	return "failure notice"
}

func (n notice) discard() {
	if n.body != nil {
		n.body.Discard()
	}
}

// noticeOf composes a notice (DN-23, DN-24). The store alone can make it fail: what
// cannot be said of the message is left out, and what cannot be composed at all would
// not be the next time.
func (c *Core) noticeOf(ctx context.Context, job store.Job, recipients []dsn.Recipient) (notice, error) {
	var n notice
	if len(recipients) == 0 {
		return n, nil
	}
	for _, r := range recipients {
		n.about = append(n.about, r.Final)
	}
	header, messageID, err := c.original(ctx, job)
	if err != nil {
		return n, err
	}
	envelope, err := c.asAsked(ctx, job, recipients)
	if err != nil {
		return n, err
	}
	text, err := c.composeDSN(job, recipients, header, messageID, envelope)
	if err != nil {
		c.Log.Error("a notice is composed without what others wrote", "track", job.Track, "err", err)
		text, err = c.composeDSN(job, plain(recipients), nil, "", "")
	}
	if err != nil {
		c.Log.Error("a notice cannot be composed", "track", job.Track, "err", err)
		return n, nil
	}
	body, err := mailbox.NewDraft(ctx, c.Store)
	if err != nil {
		return n, err
	}
	n.body = body
	err = c.writeOwn(body, job.Track, text)
	if err != nil {
		n.discard()
	}
	return n, err
}

// writeOwn writes a message that we put into a mailbox ourselves, with what we say of
// it in front.
func (c *Core) writeOwn(w io.Writer, track store.TrackID, text []byte) error {
	fields, err := c.ownFields(track)
	if err != nil {
		return fmt.Errorf("telling what was verified: %w", err)
	}
	_, err = fields.WriteFields(w)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func (c *Core) composeDSN(job store.Job, recipients []dsn.Recipient, header *mime.Header, messageID, envelope string) (text []byte, err error) {
	postmaster, err := mime.NewAddress("postmaster", job.Sender.Domain())
	if err != nil {
		return nil, fmt.Errorf("naming the postmaster: %w", err)
	}
	n := dsn.Notification{
		From: postmaster, To: job.Sender, Date: c.Now(), MessageID: mime.NewMessageID(c.Hostname, c.Rand),
		ReportingMTA: c.Hostname, OriginalMessageID: messageID, EnvelopeID: envelope, Original: header, Recipients: recipients,
	}
	err = task.Contained(func() (err error) {
		text, err = n.Compose(c.Rand)
		return err
	})
	return text, err
}

// original returns the header that a notice quotes from, and the Message-ID of
// the message. The sealed copy of a relay job has the same outside. A message that
// can no longer be read, or is not there any more, is known by its track alone.
func (c *Core) original(ctx context.Context, job store.Job) (header *mime.Header, messageID string, err error) {
	if job.Body != 0 {
		err = task.Contained(func() error {
			src, err := c.stored(ctx, job.Body)
			if err == nil {
				header, err = readHeader(src)
			}
			return err
		})
		if err == nil {
			return header, header.MessageID(), nil
		}
		if ctx.Err() != nil {
			return nil, "", ctx.Err()
		}
		c.Log.Error("a failed message cannot be read for its notice", "track", job.Track, "err", err)
	}
	err = c.Store.View(ctx, func(tx store.Tx) error {
		t, _, err := trackOf(tx, job.Track)
		messageID = t.MessageID
		return err
	})
	return nil, messageID, err
}

// deliverNotice puts a notice into the sender's INBOX, and tells the track so. It
// needs no S/MIME: it never leaves the house (DN-26). One that cannot be composed, or
// put there, is recorded in its stead.
func (c *Core) deliverNotice(tx store.Tx, job store.Job, n notice) error {
	if len(n.about) == 0 {
		return nil
	}
	e := store.Event{At: c.Now(), Stage: store.StageNotify, Reason: n.why.String()}
	inbox, err := c.noticeBox(tx, job)
	switch {
	case errors.Is(err, store.ErrNotFound):
		e.Detail = fmt.Sprintf("no %s: %s has no mailbox any more", n, job.Sender)
		return addEvent(tx, job.Track, e)
	case errors.Is(err, store.ErrCorrupt), err == nil && n.body == nil:
		e.Detail = fmt.Sprintf("no %s: it could not be made for %s", n, job.Sender)
		return errors.Join(addEvent(tx, job.Track, e), auditUntold(tx, e.At, job.Track, job.Sender, n))
	case err != nil:
		return err
	}
	id, err := n.body.Put(tx)
	if err != nil {
		return err
	}
	edge, pushed, damage := noticeEdge(tx, inbox.Account)
	if damage != nil && !errors.Is(damage, store.ErrCorrupt) {
		return damage
	}
	if pushed {
		return c.pushNotice(tx, job, n, inbox.Account, edge, id)
	}
	m, err := tx.Append(inbox.ID, store.Message{Body: id, Size: n.body.Size(), Received: e.At, Track: job.Track})
	if err != nil {
		return err
	}
	e.Detail = fmt.Sprintf("%s to %s, INBOX, UID %d", n, inbox.Account, m.UID)
	if damage != nil {
		e.Detail += ", whether it has an edge or not: " + damage.Error()
	}
	err = errors.Join(addEvent(tx, job.Track, e), c.arrived(tx, inbox, m, true))
	if err != nil {
		return err
	}
	return auditNotice(tx, e.At, job.Track, inbox.Account, n)
}

// noticeBox finds the INBOX for a notice of ours.
func (c *Core) noticeBox(tx store.Tx, job store.Job) (store.Mailbox, error) {
	account, err := c.mailboxOf(tx, job)
	if err != nil {
		return store.Mailbox{}, err
	}
	return tx.MailboxByName(account, store.Inbox)
}

// noticeEdge is the edge that the notices for an account go to, if it has one. For one
// whose record, or whose edge's, is damaged they are put into its INBOX and nothing waits:
// what they tell has ended.
func noticeEdge(tx store.Tx, account mime.Address) (edge store.Edge, pushed bool, err error) {
	_, err = tx.Account(account)
	if err != nil {
		return store.Edge{}, false, err
	}
	return store.EdgeFor(tx, account)
}

// errMoved ends a transaction that found another state than its notice was
// composed for.
var errMoved = errors.New("the message moved while its sender was about to be told")

// maxRewrites bounds how often a transaction is prepared anew because of what
// others did meanwhile.
const maxRewrites = 5

// An ending is what a step does to recipients of an outgoing job.
type ending struct {
	job    store.Job
	at     time.Time
	done   []outcome
	failed []failure // those of done that failed, unless the sender is not to know
	keys   []string  // that were used
}

// endOutgoing writes down what a step did, in one transaction with what write does and
// with the notice to the sender of what failed (AS-75, DN-19). The notice is about
// exactly those of whom he has to be told then: if that is not who it was composed for,
// it is composed anew.
func (c *Core) endOutgoing(ctx context.Context, e ending, write func(store.Tx) error) error {
	for range maxRewrites {
		n, err := c.failureNotice(ctx, e.job, e.failed)
		if err != nil {
			return err
		}
		err = c.Store.Update(ctx, func(tx store.Tx) error { return c.end(tx, e, n, write) })
		n.discard()
		if !errors.Is(err, errMoved) {
			return err
		}
	}
	return errMoved
}

// end is the transaction of endOutgoing.
func (c *Core) end(tx store.Tx, e ending, n notice, write func(store.Tx) error) error {
	s, err := c.settle(tx, e.job, e.failed)
	if err != nil {
		return err
	}
	if !n.tells(s) {
		return errMoved
	}
	err = record(tx, e.job.Track, e.at, s.over(e.done), e.keys...)
	if err != nil {
		return err
	}
	err = write(tx)
	if err != nil {
		return err
	}
	err = c.rewatch(tx, e.job.Track)
	if err != nil {
		return err
	}
	return c.tellOf(tx, e.job, s, e.at, n)
}

// tellOf gives the sender a notice of failures, and the other copies of the message
// that answer.
func (c *Core) tellOf(tx store.Tx, job store.Job, s settling, at time.Time, n notice) error {
	err := c.share(tx, s, at)
	if err != nil {
		return err
	}
	return c.deliverNotice(tx, job, n)
}

// failureNotice composes the notice about those of whom the sender has to be told.
func (c *Core) failureNotice(ctx context.Context, job store.Job, failed []failure) (notice, error) {
	if len(failed) == 0 {
		return notice{}, nil
	}
	var s settling
	err := c.Store.View(ctx, func(tx store.Tx) (err error) {
		s, err = c.settle(tx, job, failed)
		return err
	})
	if err != nil || len(s.tell) == 0 {
		return notice{}, err
	}
	var recipients []dsn.Recipient
	for _, f := range s.tell {
		recipients = append(recipients, failedRecipient(f))
	}
	n, err := c.noticeOf(ctx, job, recipients)
	n.why = s.tell[0].code
	return n, err
}

// tells reports whether a notice of failures is about those of whom the sender has to
// be told.
func (n notice) tells(s settling) bool {
	return slices.EqualFunc(s.tell, n.about, func(f failure, a mime.Address) bool { return f.recipient.Same(a) })
}
