package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"postern/internal/fetch"
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
			s, err := hookState(tx, h.Account, h.ID)
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
