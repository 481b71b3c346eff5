package gateway

import (
	"context"
	"errors"
	"fmt"

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
// be nil.
func (c *Core) composeNotice(ctx context.Context, job store.Job, failed []failure, header *mime.Header, messageID string) (store.BodyWriter, error) {
	postmaster, err := mime.NewAddress("postmaster", job.Sender.Domain())
	if err != nil {
		return nil, err
	}
	n := dsn.Notification{
		From: postmaster, To: job.Sender, Date: c.Now(), MessageID: mime.NewMessageID(c.Hostname, c.Rand),
		ReportingMTA: c.Hostname, OriginalMessageID: messageID, Original: header,
	}
	for _, f := range failed {
		n.Recipients = append(n.Recipients, failedRecipient(f))
	}
	text, err := n.Compose(c.Rand)
	if err != nil {
		return nil, fmt.Errorf("composing a failure notice: %w", err)
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
	return err
}
