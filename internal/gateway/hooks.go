package gateway

import (
	"context"
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/fetch"
	"postern/internal/webhook"
	"postern/mime"
	"postern/store"
)

// Bounds of web hooks.
const (
	maxHooks       = 10   // of an account
	maxHookWaiting = 1000 // events for one hook; more are lost
	// hookOverlap is how long the secret before the present one signs beside it.
	hookOverlap = 24 * time.Hour
)

// Why a hook is not made.
var (
	ErrHookURL     = errors.New("the URL is not one for a web hook")
	ErrHookEvents  = errors.New("a web hook needs events to be told of")
	ErrHooksEnough = errors.New("the account has enough web hooks")
)

// A HookOrder is a web hook to be made.
type HookOrder struct {
	Account mime.Address
	URL     string                // https, at the public internet unless network.allow_private
	Events  []store.HookEventType // at least one, each once
}

// A HookInfo is a web hook without its secrets, and how its deliveries go.
type HookInfo struct {
	store.Hook
	State store.HookState `json:"state"`
}

// CheckHook tells whether a web hook may be made of a URL and of events: nil, or an
// error that wraps ErrHookURL or ErrHookEvents.
func CheckHook(raw string, events []store.HookEventType) error {
	err := fetch.ParseHTTPS(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHookURL, err)
	}
	if len(events) == 0 {
		return ErrHookEvents
	}
	for i, e := range events {
		_, err := store.ParseHookEventType(string(e))
		if err != nil {
			return fmt.Errorf("%w: %w", ErrHookEvents, err)
		}
		if slices.Contains(events[:i], e) {
			return fmt.Errorf("%w: %s is named twice", ErrHookEvents, e)
		}
	}
	return nil
}

// AddHook makes a web hook for an account, in the name of an actor of the audit trail,
// and returns it with the secret that events are signed by, as its receiver needs it.
// Nobody is told the secret again. Errors are those of CheckHook, ErrHooksEnough, and
// store.ErrNotFound where there is no such account.
func (c *Core) AddHook(ctx context.Context, actor string, in HookOrder) (h HookInfo, secret string, err error) {
	err = CheckHook(in.URL, in.Events)
	if err != nil {
		return h, "", err
	}
	key, err := webhook.NewKey(c.Rand)
	if err != nil {
		return h, "", err
	}
	id, err := c.newHookID()
	if err != nil {
		return h, "", err
	}
	h.Hook = store.Hook{ID: id, Account: in.Account, URL: in.URL, Events: slices.Clone(in.Events), Secret: key, Created: c.Now().UTC()}
	err = c.changeHook(ctx, actor, h.Hook, "added, to "+hookHost(h.URL)+" for "+hookEvents(h.Events), func(tx store.Tx) error {
		account, err := tx.Account(in.Account)
		if err != nil {
			return err
		}
		h.Account = account.Address
		all, err := tx.HooksOf(in.Account)
		if err != nil {
			return err
		}
		if len(all) >= maxHooks {
			return fmt.Errorf("%w: %d", ErrHooksEnough, len(all))
		}
		return tx.PutHook(h.Hook)
	})
	h.Secret = nil
	return h, webhook.Secret(key), err
}

func (c *Core) newHookID() (string, error) {
	var id [10]byte
	_, err := io.ReadFull(c.Rand, id[:])
	if err != nil {
		return "", fmt.Errorf("naming a hook: %w", err)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(id[:])), nil
}

// changeHook does a change with its record.
func (c *Core) changeHook(ctx context.Context, actor string, h store.Hook, detail string, do func(store.Tx) error) error {
	return c.Store.Update(ctx, func(tx store.Tx) error {
		err := do(tx)
		if err != nil {
			return err
		}
		return tx.Audit(audit.Record{At: c.Now(), Actor: actor, Action: audit.Changed, Object: hookObject(h), Detail: detail})
	})
}

func hookObject(h store.Hook) string { return "hook " + h.ID + " of " + h.Account.String() }

// hookHost is where a hook is, without what of its URL may be a secret.
func hookHost(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// hookLane names what the events of a hook wait for. Where others have hooks at its host,
// theirs do not wait for it: what stands behind a path that is its account's own, such as
// one that takes every connection and never answers, says nothing of theirs.
func hookLane(h store.Hook) string { return laneAt(h.ID+" of "+h.Account.Key(), hookHost(h.URL)) }

func hookEvents(all []store.HookEventType) string {
	var words []string
	for _, e := range all {
		words = append(words, string(e))
	}
	return strings.Join(words, ", ")
}

// Hooks returns the web hooks of an account, of all with the null address.
func (c *Core) Hooks(ctx context.Context, account mime.Address) (infos []HookInfo, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		infos = nil
		list := tx.Hooks
		if !account.IsZero() {
			list = func() ([]store.Hook, error) { return tx.HooksOf(account) }
		}
		all, err := list()
		if err != nil {
			return err
		}
		for _, h := range all {
			s, err := tx.HookState(h.Account, h.ID)
			if err != nil {
				return err
			}
			infos = append(infos, HookInfo{h, s})
		}
		return nil
	})
	return infos, err
}

// Hook returns one web hook of an account, or store.ErrNotFound.
func (c *Core) Hook(ctx context.Context, account mime.Address, id string) (HookInfo, error) {
	h, err := c.hookOf(ctx, account, id)
	h.Secret, h.Previous = nil, nil
	return h, err
}

func (c *Core) hookOf(ctx context.Context, account mime.Address, id string) (info HookInfo, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		info.Hook, err = tx.Hook(account, id)
		if err != nil {
			return err
		}
		info.State, err = tx.HookState(account, id)
		return err
	})
	return info, err
}

// RemoveHook ends a web hook. What waits for it is not sent.
func (c *Core) RemoveHook(ctx context.Context, actor string, account mime.Address, id string) error {
	return c.changeHook(ctx, actor, store.Hook{ID: id, Account: account}, "removed", func(tx store.Tx) error {
		return tx.RemoveHook(account, id)
	})
}

// EnableHook has a web hook told again that was disabled.
func (c *Core) EnableHook(ctx context.Context, actor string, account mime.Address, id string) error {
	return c.editHook(ctx, actor, account, id, "enabled", func(h *store.Hook) { h.Disabled = "" })
}

// RotateHook gives a web hook another secret, and returns it. The one before it signs
// beside it until a time.
func (c *Core) RotateHook(ctx context.Context, actor string, account mime.Address, id string) (secret string, until time.Time, err error) {
	key, err := webhook.NewKey(c.Rand)
	if err != nil {
		return "", time.Time{}, err
	}
	until = c.Now().Add(hookOverlap).UTC()
	err = c.editHook(ctx, actor, account, id, "another secret", func(h *store.Hook) {
		h.Previous, h.PreviousUntil, h.Secret = h.Secret, until, key
	})
	return webhook.Secret(key), until, err
}

func (c *Core) editHook(ctx context.Context, actor string, account mime.Address, id, how string, edit func(*store.Hook)) error {
	return c.changeHook(ctx, actor, store.Hook{ID: id, Account: account}, how, func(tx store.Tx) error {
		h, err := tx.Hook(account, id)
		if err != nil {
			return err
		}
		edit(&h)
		return tx.PutHook(h)
	})
}
