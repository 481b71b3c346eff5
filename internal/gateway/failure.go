package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/mime"
	"postern/mime/dsn"
	"postern/store"
	"postern/trust/reason"
)

// failureNotice composes the DSN that tells a sender of ours which recipients
// were not served and why (AS-75, DN-19). It returns nil when there is nothing
// to tell or when the message was itself a notification (AS-86).
func (c *Core) failureNotice(ctx context.Context, job store.Job, failed []failure) (store.BodyWriter, error) {
	if len(failed) == 0 || job.Automatic || job.Sender.IsZero() {
		return nil, nil
	}
	header, messageID, err := c.original(ctx, job)
	if err != nil {
		return nil, err
	}
	return c.composeNotice(ctx, job, failed, header, messageID)
}

// composeNotice is failureNotice with what is known of the message; header may
// be nil. Whoever had his final answer is not told another (DN-21).
func (c *Core) composeNotice(ctx context.Context, job store.Job, failed []failure, header *mime.Header, messageID string) (store.BodyWriter, error) {
	failed, err := c.untold(ctx, job.Track, failed)
	if err != nil || len(failed) == 0 {
		return nil, err
	}
	var recipients []dsn.Recipient
	for _, f := range failed {
		recipients = append(recipients, failedRecipient(f))
	}
	return c.composeDSN(ctx, job, recipients, header, messageID)
}

// untold leaves those of whom the sender had no final answer yet. The far side may
// have taken a message, and told so, of which we did not learn before the line
// broke.
func (c *Core) untold(ctx context.Context, id store.TrackID, failed []failure) ([]failure, error) {
	err := c.Store.View(ctx, func(tx store.Tx) error {
		t, err := tx.Track(id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		failed = slices.DeleteFunc(slices.Clone(failed), func(f failure) bool {
			return slices.ContainsFunc(t.Recipients, func(r store.TrackRecipient) bool {
				return r.Address.Same(f.recipient) && r.Told != ""
			})
		})
		return err
	})
	return failed, err
}

// composeDSN writes a notice to the sender of a message (DN-23, DN-24).
func (c *Core) composeDSN(ctx context.Context, job store.Job, recipients []dsn.Recipient, header *mime.Header, messageID string) (store.BodyWriter, error) {
	postmaster, err := mime.NewAddress("postmaster", job.Sender.Domain())
	if err != nil {
		return nil, err
	}
	n := dsn.Notification{
		From: postmaster, To: job.Sender, Date: c.Now(), MessageID: mime.NewMessageID(c.Hostname, c.Rand),
		ReportingMTA: c.Hostname, OriginalMessageID: messageID, Original: header, Recipients: recipients,
	}
	text, err := n.Compose(c.Rand)
	if err != nil {
		return nil, fmt.Errorf("composing a notice to the sender: %w", err)
	}
	body, err := c.Store.NewBody(ctx)
	if err != nil {
		return nil, err
	}
	_, err = body.Write(text)
	if err != nil {
		body.Discard()
		return nil, err
	}
	return body, nil
}

// lateRecipient is one that the message was not handed over to yet, though it
// should have been. It is tried until a time (RFC 3464 §2.3.3, §2.3.9).
func lateRecipient(a mime.Address, until time.Time) dsn.Recipient {
	return dsn.Recipient{
		Final: a, Action: dsn.Delayed, Status: "4.4.7", RetryUntil: until,
		Sentence: "the message could not be handed over yet",
		Hint:     "it is tried again; you need not send it anew",
	}
}

// original returns the header that a notice quotes from, and the Message-ID of
// the message. The sealed copy of a relay job has the same outside. A message that
// can no longer be read is known by its track alone.
func (c *Core) original(ctx context.Context, job store.Job) (*mime.Header, string, error) {
	src, err := c.stored(ctx, job.Body)
	if err == nil {
		var header *mime.Header
		header, err = readHeader(src)
		if err == nil {
			return header, header.MessageID(), nil
		}
	}
	if ctx.Err() != nil {
		return nil, "", ctx.Err()
	}
	c.Log.Error("a failed message cannot be read for its notice", "track", job.Track, "err", err)
	messageID, err := c.trackedID(ctx, job)
	return nil, messageID, err
}

// trackedID is the Message-ID that a message's track knows, or "".
func (c *Core) trackedID(ctx context.Context, job store.Job) (string, error) {
	messageID := ""
	err := c.Store.View(ctx, func(tx store.Tx) error {
		t, err := tx.Track(job.Track)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		messageID = t.MessageID
		return err
	})
	return messageID, err
}

func failedRecipient(f failure) dsn.Recipient {
	o := f.code.Outcome()
	hint := o.Hint
	if o.Retry {
		hint = reason.QueueExpired.Outcome().Hint // it says "tried again", which is over
	}
	status := f.status
	if status == "" || status[0] != '5' {
		// An expired retry has a 4.x.x of its own; a failure is final (DN-23).
		status = finalStatus(o.Enhanced)
	}
	return dsn.Recipient{
		Final: f.recipient, Action: dsn.Failed, Status: status,
		Diagnostic: diagnostic(f), Sentence: o.Public, Hint: hint,
	}
}

// diagnostic is why a recipient was not served: the last words of a far side that
// said something (RFC 3464 §2.3.6), else a reason code of ours.
func diagnostic(f failure) string {
	if f.said != "" {
		return "smtp; " + f.said
	}
	return "x-postern; " + f.code.String()
}

func finalStatus(e reason.Enhanced) string {
	e[0] = 5
	return e.String()
}

// deliverNotice puts a failure notice into the sender's INBOX. It needs no
// S/MIME: it never leaves the house (DN-26).
func (c *Core) deliverNotice(tx store.Tx, job store.Job, notice store.BodyWriter) error {
	if notice == nil {
		return nil
	}
	inbox, err := tx.MailboxByName(job.Sender, store.Inbox)
	if errors.Is(err, store.ErrNotFound) {
		return nil // the account is gone; the track tells whoever asks
	}
	if err != nil {
		return err
	}
	id, err := tx.PutBody(notice)
	if err != nil {
		return err
	}
	_, err = tx.Append(inbox.ID, store.Message{Body: id, Size: notice.Size(), Received: c.Now(), Track: job.Track})
	if err != nil {
		return err
	}
	return auditNotice(tx, c.Now(), job.Track, job.Sender)
}
