package care

import (
	"context"
	"errors"
	"fmt"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/mime"
	"postern/store"
)

const (
	messagesAtOnce = 100 // removed in one transaction
	accountsAtOnce = 100 // looked at in one
	unreadAtOnce   = 1000
)

// A retained mailbox is one of a domain that keeps mail for a time only.
type retained struct {
	store.Mailbox
	domain mime.Domain
	keep   time.Duration
}

// expireMail takes messages out of the mailboxes that were first read longer ago
// than their domain keeps them. What nobody has read stays.
func (k *Keeper) expireMail(ctx context.Context) error {
	return k.eachRetained(ctx, func(b retained) error {
		return atLeisure(ctx, func() (bool, error) { return k.expireSome(ctx, b) })
	})
}

// eachRetained calls fn for the mailboxes of all domains that keep mail for a time
// only.
func (k *Keeper) eachRetained(ctx context.Context, fn func(retained) error) error {
	keep := make(map[mime.Domain]time.Duration)
	var accounts []store.Account
	err := k.Store.View(ctx, func(tx store.Tx) error {
		domains, err := tx.Domains()
		for _, d := range domains {
			if d.Retention > 0 {
				keep[d.Name] = d.Retention
			}
		}
		if err != nil || len(keep) == 0 {
			return err
		}
		accounts, err = tx.Accounts()
		return err
	})
	if err != nil {
		return fmt.Errorf("reading how long mail is kept: %w", err)
	}
	for len(accounts) > 0 && ctx.Err() == nil {
		n := min(accountsAtOnce, len(accounts))
		boxes, err := k.retainedBy(ctx, accounts[:n], keep)
		if err != nil {
			return fmt.Errorf("listing mailboxes: %w", err)
		}
		for _, b := range boxes {
			err := fn(b)
			if err != nil {
				return err
			}
		}
		accounts = accounts[n:]
	}
	return ctx.Err()
}

func (k *Keeper) retainedBy(ctx context.Context, accounts []store.Account, keep map[mime.Domain]time.Duration) ([]retained, error) {
	var all []retained
	err := k.Store.View(ctx, func(tx store.Tx) error {
		all = nil
		for _, a := range accounts {
			domain := a.Address.Domain()
			if keep[domain] == 0 {
				continue
			}
			boxes, err := tx.Mailboxes(a.Address)
			if err != nil {
				return err
			}
			for _, b := range boxes {
				all = append(all, retained{b, domain, keep[domain]})
			}
		}
		return nil
	})
	return all, err
}

// expireSome is one transaction of expireMail, if there is anything to do.
func (k *Keeper) expireSome(ctx context.Context, b retained) (more bool, err error) {
	var old []store.Message
	before := k.Steady().Add(-b.keep)
	find := func(tx store.Tx) error {
		old = nil
		return tx.EachFetched(b.ID, before, func(m store.Message) bool {
			old = append(old, m)
			return len(old) < messagesAtOnce
		})
	}
	err = k.Store.View(ctx, find)
	if err != nil || len(old) == 0 {
		return false, err
	}
	err = k.Store.Update(ctx, func(tx store.Tx) error {
		err := find(tx) // the owner may have been quicker
		if err != nil {
			return err
		}
		return mailbox.Expire(tx, b.Mailbox, old, k.Now(), "read more than "+Days(b.keep)+" ago")
	})
	if err != nil {
		return false, fmt.Errorf("removing what was read long ago: %w", err)
	}
	k.tidying.expired.Add(uint64(len(old)))
	return len(old) == messagesAtOnce, nil
}

// Days writes how long mail is kept, in days where it is full ones; 0 is forever.
func Days(d time.Duration) string {
	switch {
	case d == 0:
		return "forever"
	case d%day == 0:
		return fmt.Sprintf("%dd", d/day)
	}
	return d.String()
}

// reportUnread tells once a day of mail that nobody has read for longer than its
// domain keeps what was read: it stays, and somebody should know.
func (k *Keeper) reportUnread(ctx context.Context) error {
	now := k.Steady()
	if !k.tidying.told.IsZero() && now.Sub(k.tidying.told) < day {
		return nil
	}
	unread := make(map[string]int)
	err := k.eachRetained(ctx, func(b retained) error {
		n, err := k.unreadSince(ctx, b, k.cautiousNow().Add(-b.keep))
		if n > 0 {
			unread[b.domain.String()] += n
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("counting unread mail: %w", err)
	}
	k.tidying.told = now
	k.tidying.unread.Store(&unread)
	for domain, n := range unread {
		k.Log.Warn("mail that nobody has read is older than its domain keeps what was read", "domain", domain, "messages", n)
	}
	return nil
}

// unreadSince counts the messages of a mailbox that came before a time and were
// never read.
func (k *Keeper) unreadSince(ctx context.Context, b retained, before time.Time) (int, error) {
	n, from := 0, uint32(1)
	err := atLeisure(ctx, func() (bool, error) {
		seen := 0
		err := k.Store.View(ctx, func(tx store.Tx) error {
			return tx.EachMessage(b.ID, from, func(m store.Message) bool {
				if m.Fetched.IsZero() && m.Received.Before(before) {
					n++
				}
				from, seen = m.UID+1, seen+1
				return seen < unreadAtOnce
			})
		})
		if errors.Is(err, store.ErrNotFound) {
			return false, nil // the mailbox is gone
		}
		return seen == unreadAtOnce, err
	})
	return n, err
}
