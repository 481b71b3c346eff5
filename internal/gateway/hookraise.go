package gateway

import (
	"errors"
	"fmt"
	"slices"

	"postern/internal/audit"
	"postern/mime"
	"postern/store"
)

// raise queues an event for the web hooks of an account that ask for it. It belongs
// into the transaction of what the event tells.
func (c *Core) raise(tx store.Tx, account mime.Address, e store.HookEvent) error {
	hooks, err := c.hooksOf(tx, account)
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if h.Disabled != "" || !slices.Contains(h.Events, e.Type) {
			continue
		}
		err := c.raiseFor(tx, h, e)
		if err != nil {
			return err
		}
	}
	return nil
}

// hooksOf are the hooks of an account, and tells of those that are damaged: mail waits for
// none of them, and so not for such a one either.
func (c *Core) hooksOf(tx store.Tx, account mime.Address) ([]store.Hook, error) {
	hooks, err := tx.HooksOf(account)
	for _, h := range hooks {
		if h.Disabled == store.HookDamaged {
			c.Log.Error("a web hook is damaged and is told nothing; postern hook remove makes room for it anew", "account", account, "hook", h.ID)
		}
	}
	return hooks, err
}

// hookState is how deliveries to a hook go; what cannot be read begins anew.
func hookState(tx store.Tx, account mime.Address, id string) (store.HookState, error) {
	s, err := tx.HookState(account, id)
	if errors.Is(err, store.ErrCorrupt) {
		return store.HookState{}, nil
	}
	return s, err
}

func (c *Core) raiseFor(tx store.Tx, h store.Hook, e store.HookEvent) error {
	s, err := hookState(tx, h.Account, h.ID)
	if err != nil {
		return err
	}
	now := c.Now()
	if s.Waiting >= maxHookWaiting {
		s.Lost++
		s.LostAt = now
		err := tx.PutHookState(h.Account, h.ID, s)
		if err != nil {
			return err
		}
		return tx.Audit(audit.Record{
			At: now, Actor: audit.System, Action: audit.Dropped, Track: string(e.Message), Object: hookObject(h),
			Detail: fmt.Sprintf("%s: %d events wait", e.Type, s.Waiting),
		})
	}
	id, err := store.NewTrackID(now, c.Rand)
	if err != nil {
		return fmt.Errorf("naming an event: %w", err)
	}
	e.ID, e.At = string(id), now.UTC()
	due := c.Steady()
	_, err = tx.Enqueue(store.Job{
		Kind: store.HookJob, Track: e.Message, Sender: h.Account, Recipients: []mime.Address{h.Account},
		Destination: mime.Domain(hookHost(h.URL)), Lane: hookLane(h), Flow: flowOf(h.Account), Hook: h.ID, Event: e, Era: store.Now,
		Created: due, Due: due, Expires: due.Add(c.RetryFor),
	})
	return err
}

// arrived tells of a message that was put into an INBOX.
func (c *Core) arrived(tx store.Tx, inbox store.Mailbox, m store.Message, notification bool) error {
	return c.raise(tx, inbox.Account, store.HookEvent{
		Type: store.HookArrived, Message: m.Track, Recipient: inbox.Account,
		UID: m.UID, UIDValidity: inbox.UIDValidity, Notification: notification,
	})
}

// announce tells of what became of recipients of a message of ours, once of each final
// answer, and reports whether it changed the track. That is marked there also where there
// is no hook, so that none which is made later is told of it, whatever clocks say.
func (c *Core) announce(tx store.Tx, t *store.Track) (changed bool, err error) {
	if !t.Outbound || t.Automatic {
		return false, nil
	}
	// Who handed the message in is told, and nobody else who may use its address.
	account := handedInBy(*t)
	holder, held, err := holderIn(c.book(tx), account, t.Era)
	if errors.Is(err, store.ErrCorrupt) {
		c.Log.Error("whose a message is cannot be read: no web hook is told of it", "account", account, "track", t.ID, "err", err)
		return false, nil
	}
	if err != nil || !held || !wasThere(holder, *t) {
		return false, err
	}
	hooks, err := c.hooksOf(tx, account)
	if err != nil {
		return false, err
	}
	for i := range t.Recipients {
		r := &t.Recipients[i]
		e, ok := eventOf(*t, *r)
		if !ok || r.Announced == e.Type {
			continue
		}
		r.Announced, changed = e.Type, true
		for _, h := range hooks {
			if h.Disabled != "" || !slices.Contains(h.Events, e.Type) || wasBefore(*t, *r, h) {
				continue
			}
			err := c.raiseFor(tx, h, e)
			if err != nil {
				return changed, err
			}
		}
	}
	return changed, nil
}

// wasBefore reports whether a recipient of a message from before there were such marks
// stood as he does before a hook was made. Of others the marks tell.
func wasBefore(t store.Track, r store.TrackRecipient, h store.Hook) bool {
	return t.Era == 0 && r.Updated.Before(h.Created)
}

// eventOf is what is told of a recipient where he stands.
func eventOf(t store.Track, r store.TrackRecipient) (e store.HookEvent, ok bool) {
	e = store.HookEvent{Message: t.ID, Recipient: r.Address}
	switch {
	case r.Told == store.ToldFailure:
		e.Type, e.Reason = store.HookFailed, r.Reason
	case r.Told == store.ToldSuccess, r.Told == "" && r.State == store.TrackProcessed && !t.Timely:
		e.Type = store.HookDelivered
	default:
		return e, false
	}
	return e, true
}
