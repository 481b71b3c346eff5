package gateway

import (
	"bufio"
	"context"
	"io"

	"postern/internal/audit"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// A Backbone is where other agents deliver: the backend of the backbone
// server. What it answers depends on the envelope alone, never on what is in
// the message (ground rule 3).
type Backbone struct{ *Core }

// CheckRecipient takes our own addresses and nothing else: this is no relay.
func (b Backbone) CheckRecipient(ctx context.Context, to mime.Address) error {
	dir, err := b.Directory(ctx)
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	if !dir.IsOurs(to.Domain()) {
		return reason.New(reason.NotOurDomain, "%s is not ours", to.Domain())
	}
	return b.checkLocal(ctx, dir, to)
}

// Accept commits the message to the queue as it came and returns. One that is refused for
// good, such as for its line ends, has a track as well.
func (b Backbone) Accept(ctx context.Context, e smtp.Envelope, message io.Reader) (string, error) {
	err := b.begin(ctx, e)
	if err != nil {
		return "", err
	}
	body, err := b.Store.NewBody(ctx)
	if err != nil {
		return "", storeError(err)
	}
	defer body.Discard()
	messageID, err := copyWithID(body, roomy{message, b.Core})
	if err != nil {
		err = acceptError(err, "spooling")
		return string(b.refuse(ctx, e, messageID, err)), err
	}
	dir, err := b.Directory(ctx)
	if err != nil {
		return "", storeError(err)
	}
	now, due := b.Now(), b.Steady()
	track, err := b.newTrack(store.Now, messageID, e.From, e.To, body.Size(), now)
	if err != nil {
		return "", err
	}
	err = b.Store.Update(ctx, func(tx store.Tx) error {
		err := b.stillOurs(tx, dir, e.To)
		if err != nil {
			return err
		}
		id, err := tx.PutBody(body)
		if err != nil {
			return err
		}
		err = beginTrack(tx, audit.Accepted, peerActor(e.Remote), track, store.Event{At: now, Stage: store.StageAccept, Detail: "from " + e.Remote.Addr().String()})
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(store.Job{
			Kind: store.OpenJob, Track: track.ID, Era: store.Now, Body: id, Size: body.Size(),
			Sender: e.From, Recipients: e.To, Flow: networkOf(e),
			Created: due, Due: due, Expires: due.Add(b.RetryFor),
			Trace: b.received(e, track.ID, now),
		})
		return err
	})
	if err != nil {
		return "", storeError(err)
	}
	b.unopened.add(networkOf(e), body.Size())
	b.Log.Info("message", "track", track.ID, "stage", store.StageAccept, "from", e.From, "rcpts", len(e.To), "size", body.Size(), "peer", e.Remote.Addr())
	return string(track.ID), nil
}

// stillOurs refuses, for the moment, a message of which a recipient went while it was
// transferred: an address goes, with its certificates, when nothing waits for it, and what is
// taken later would be refused in silence (AS-66). RCPT TO says then which it is.
func (c *Core) stillOurs(tx store.Tx, dir *Directory, to []mime.Address) error {
	current, err := dir.IsOf(tx)
	if err != nil {
		return err
	}
	for _, a := range to {
		if current && dir.IsOurs(a.Domain()) && dir.find(a).exists() {
			continue
		}
		ours, err := c.isOurs(tx, a)
		if err != nil {
			return err
		}
		if !ours {
			return reason.New(reason.Busy, "%s went while the message came", a)
		}
	}
	return nil
}

// isOurs reports whether somebody of ours has an address, or sent as it, to a transaction.
func (c *Core) isOurs(tx store.Tx, a mime.Address) (bool, error) {
	known, err := hasDomain(tx, a.Domain())
	if err != nil || !known {
		return false, err
	}
	t, err := find(c.book(tx), a)
	if err != nil || t.exists() || t.isDamaged() {
		return true, err
	}
	_, known, err = unlessMissing(tx.SentAs(a))
	return known, err
}

// wentSince reports whether an address of an era that was found went since, by what lookUp
// goes by: else the next run would find it again, and so on for ever.
func (c *Core) wentSince(tx store.Tx, a mime.Address, e store.Era) (bool, error) {
	known, err := hasDomain(tx, a.Domain())
	if err != nil || !known {
		return true, err
	}
	t, err := findIn(c.book(tx), a, e)
	return t.isGone(), err
}

// hasDomain reports whether a domain is ours, also one that is damaged, as its key says.
func hasDomain(tx store.Tx, d mime.Domain) (bool, error) {
	_, known, err := thereAtAll(unlessMissing(tx.Domain(d)))
	return known, err
}

// copyWithID copies a message byte for byte and returns the Message-ID of its
// outer header, also of one that breaks off behind that, or "" when the header cannot be
// read: such a message is judged later like any other.
func copyWithID(w io.Writer, r io.Reader) (string, error) {
	tee := io.TeeReader(r, w)
	in := bufio.NewReaderSize(tee, 32<<10)
	header, headerErr := mime.ReadHeader(in, mime.Limits{})
	_, err := io.Copy(io.Discard, in)
	if headerErr != nil {
		return "", err
	}
	return header.MessageID(), err
}
