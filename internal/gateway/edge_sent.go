package gateway

import (
	"context"
	"errors"
	"slices"
	"strings"

	"postern/httpedge"
	"postern/store"
	"postern/trust/reason"
)

// Bounds on how many tracks one question looks at, and how many recipients end a page.
const (
	tracksForPage     = 5000
	tracksOfOneID     = 100
	recipientsForPage = 1000
)

// handedIn reports whether an account handed a message in. What we send in its name is
// not its own, and what was sent before it was made is of who had the address then.
func handedIn(account store.Account, t store.Track) bool {
	if !t.Outbound || t.Automatic || !wasThere(account, t) {
		return false
	}
	return account.Address.Same(handedInBy(t))
}

// SentMessage implements httpedge.Outbox.
func (e HTTPEdge) SentMessage(ctx context.Context, l httpedge.Login, id string) (m httpedge.SentMessage, err error) {
	found := false
	err = e.Store.View(ctx, func(tx store.Tx) error {
		account, err := holderOf(tx, l)
		if err != nil {
			return err
		}
		if !strings.HasPrefix(id, "<") {
			t, err := tx.Track(store.TrackID(id))
			if err == nil && handedIn(account, t) {
				m, found = sentMessage(t), true
			}
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		}
		looked := 0
		return tx.EachTrack(store.TrackQuery{MessageID: id, Class: store.TrackSent, Address: l.Account}, func(t store.Track) bool {
			looked++
			if handedIn(account, t) {
				m, found = sentMessage(t), true
			}
			return !found && looked < tracksOfOneID
		})
	})
	if err == nil && !found {
		err = httpedge.ErrNotFound
	}
	return m, err
}

// SentMessages implements httpedge.Outbox: what the account handed in, under whatever
// address.
func (e HTTPEdge) SentMessages(ctx context.Context, l httpedge.Login, q httpedge.SentQuery) (httpedge.SentPage, error) {
	var page httpedge.SentPage
	if q.State != "" && !slices.Contains(store.TrackStates(), store.TrackState(q.State)) {
		return page, httpedge.WrongParameter("state", "it is not a state of a message")
	}
	if q.After != "" && !store.TrackID(q.After).Valid() {
		return page, httpedge.WrongParameter("after", "it is not the id of a message")
	}
	err := e.Store.View(ctx, func(tx store.Tx) error {
		page = httpedge.SentPage{}
		account, err := holderOf(tx, l)
		if err != nil {
			return err
		}
		looked, recipients := 0, 0
		ask := store.TrackQuery{Address: l.Account, After: store.TrackID(q.After), Since: q.Since, Until: q.Until}
		return tx.EachTrack(ask, func(t store.Track) bool {
			if len(page.Messages) == q.Limit || looked == tracksForPage || recipients >= recipientsForPage {
				return false
			}
			looked++
			page.Next = string(t.ID)
			if handedIn(account, t) && isAskedFor(t, q) {
				page.Messages = append(page.Messages, sentMessage(t))
				recipients += len(t.Recipients)
			}
			return true
		})
	})
	if err == nil && len(page.Messages) < q.Limit && page.Next != "" {
		page.Next, err = e.unlessLast(ctx, l, q, page.Next)
	}
	return page, err
}

// unlessLast drops a cursor that nothing is behind.
func (e HTTPEdge) unlessLast(ctx context.Context, l httpedge.Login, q httpedge.SentQuery, next string) (string, error) {
	more := false
	err := e.Store.View(ctx, func(tx store.Tx) error {
		return tx.EachTrack(store.TrackQuery{Address: l.Account, After: store.TrackID(next), Since: q.Since, Until: q.Until}, func(store.Track) bool {
			more = true
			return false
		})
	})
	if !more {
		next = ""
	}
	return next, err
}

func isAskedFor(t store.Track, q httpedge.SentQuery) bool {
	return slices.ContainsFunc(t.Recipients, func(r store.TrackRecipient) bool {
		return (q.State == "" || string(r.State) == q.State) && (q.To.IsZero() || q.To.Same(r.Address))
	})
}

func sentMessage(t store.Track) httpedge.SentMessage {
	m := httpedge.SentMessage{
		Sent: httpedge.Sent{ID: string(t.ID), MessageID: t.MessageID},
		From: t.Sender, Received: t.Received, Size: t.Size,
	}
	for _, r := range t.Recipients {
		code := reason.Code(r.Reason)
		shown := httpedge.Recipient{Address: r.Address, State: string(r.State), Code: code.String(), Updated: r.Updated}
		if code == reason.PeerRefused || code == reason.PeerDeferred { // the rest is for operators
			shown.Said = reason.Line(r.Detail, maxQuoted)
		}
		m.Recipients = append(m.Recipients, shown)
	}
	return m
}
