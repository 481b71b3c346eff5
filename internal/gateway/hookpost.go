package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"postern/internal/audit"
	"postern/internal/fetch"
	"postern/internal/gateway/mailbox"
	"postern/internal/webhook"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// hookTime bounds one attempt at a web hook: who does more than note the event should
// answer first.
const (
	hookTime    = 15 * time.Second
	hookConnect = 5 * time.Second
)

// A Poster hands a document over to a server by HTTPS.
type Poster interface {
	Post(ctx context.Context, p fetch.Post) (fetch.Reply, error)
}

// A HookAttempt is what a receiver made of an event.
type HookAttempt struct {
	Status int    `json:"status"`          // of HTTP; 0 is no answer
	Error  string `json:"error,omitempty"` // what went wrong, in our words; "" is nothing
	// Took is from the first look-up to the answer.
	Took time.Duration `json:"took"`

	retryAfter time.Duration
	down       bool // nothing of what is asked there is answered
}

// Taken reports whether the receiver has the event.
func (a HookAttempt) Taken() bool { return a.Error == "" }

// TestHook sends a ping to a web hook, at once and past the queue, and tells what came
// back. It changes nothing, and may be asked of one that is disabled.
func (c *Core) TestHook(ctx context.Context, actor string, account mime.Address, id string) (HookAttempt, error) {
	h, err := c.hookOf(ctx, account, id)
	if err != nil {
		return HookAttempt{}, err
	}
	now := c.Now()
	name, err := store.NewTrackID(now, c.Rand)
	if err != nil {
		return HookAttempt{}, fmt.Errorf("naming an event: %w", err)
	}
	a := c.post(ctx, h.Hook, store.HookEvent{ID: string(name), Type: store.HookPing, At: now})
	detail := "tested: " + a.String()
	return a, c.Audit(ctx, audit.Record{At: c.Now(), Actor: actor, Action: audit.Notified, Object: hookObject(h.Hook), Detail: detail})
}

// told is what the account may know of an attempt beside the status: a reason code, and
// "" where nothing went wrong. It names the URL, so that words of the network would tell
// it what is where in ours.
func (a HookAttempt) told() string {
	switch {
	case a.Taken():
		return ""
	case a.Status == 0:
		return reason.PeerUnreachable.String()
	}
	return reason.PeerDeferred.String()
}

// String tells of an attempt without repeating what the receiver said.
func (a HookAttempt) String() string {
	switch {
	case a.Status != 0:
		return fmt.Sprintf("HTTP %d", a.Status)
	case a.Error != "":
		return a.Error
	}
	return "no answer"
}

// post makes one attempt.
func (c *Core) post(ctx context.Context, h store.Hook, e store.HookEvent) HookAttempt {
	body, err := documentOf(h, e).Encode()
	if err != nil {
		return HookAttempt{Error: err.Error()}
	}
	now := c.Now()
	keys := [][]byte{h.Secret}
	if len(h.Previous) > 0 && now.Before(h.PreviousUntil) {
		keys = append(keys, h.Previous)
	}
	header := http.Header{"Content-Type": {"application/json"}}
	header.Set(webhook.HeaderID, e.ID)
	header.Set(webhook.HeaderTimestamp, webhook.Timestamp(now))
	header.Set(webhook.HeaderSignature, webhook.Sign(e.ID, now, body, keys...))
	began := c.Steady()
	reply, err := c.Poster.Post(ctx, fetch.Post{URL: h.URL, Header: header, Body: body, Time: hookTime, Connect: hookConnect})
	a := HookAttempt{Status: reply.Status, Took: c.Steady().Sub(began), retryAfter: reply.RetryAfter}
	switch {
	case err != nil:
		a.Error = clip(err.Error())
		a.down = errors.Is(err, fetch.ErrUnanswered) || errors.Is(err, fetch.ErrBroken)
	case reply.Status/100 != 2:
		a.Error = fmt.Sprintf("the receiver answers %d %s", reply.Status, http.StatusText(reply.Status))
	}
	return a
}

// documentOf is what a hook is told of an event.
func documentOf(h store.Hook, e store.HookEvent) webhook.Event {
	d := webhook.Event{ID: e.ID, Type: string(e.Type), At: e.At, Data: webhook.Data{
		Account: h.Account.String(), Message: string(e.Message), Recipient: e.Recipient.String(), Reason: e.Reason,
		UID: e.UID, Notification: e.Notification,
	}}
	if e.UID != 0 {
		d.Data.Mailbox = store.Inbox
	}
	if e.UIDValidity != 0 {
		d.Data.InboxID = mailbox.MessageID(e.UIDValidity, e.UID)
	}
	return d
}
