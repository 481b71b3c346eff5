package gateway

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/internal/webhook"
	"postern/mime"
	"postern/store"
)

// AddHook makes a web hook for an account, in the name of an actor of the audit trail,
// and returns it with the secret that events are signed by, as its receiver needs it.
// Nobody is told the secret again. Errors are those of CheckHook, ErrHooksEnough, and
// store.ErrNotFound where there is no such account.
func (c *Core) AddHook(ctx context.Context, actor string, in HookOrder) (h HookInfo, secret string, err error) {
	return hookEditor{c, actor, nil}.add(ctx, in)
}

// RemoveHook ends a web hook. What waits for it is not sent.
func (c *Core) RemoveHook(ctx context.Context, actor string, account mime.Address, id string) error {
	return hookEditor{c, actor, nil}.remove(ctx, account, id)
}

// EnableHook has a web hook told again that was disabled.
func (c *Core) EnableHook(ctx context.Context, actor string, account mime.Address, id string) error {
	return hookEditor{c, actor, nil}.enable(ctx, account, id)
}

// RotateHook gives a web hook another secret, and returns the hook with it. The one before
// it signs beside it until the hook's PreviousUntil.
func (c *Core) RotateHook(ctx context.Context, actor string, account mime.Address, id string) (h HookInfo, secret string, err error) {
	return hookEditor{c, actor, nil}.rotate(ctx, account, id)
}

// A hookEditor changes web hooks in the name of an actor of the audit trail.
type hookEditor struct {
	*Core
	actor string
	// may is asked in the transaction of each change; an operator may, who has nil.
	may func(store.Tx) error
}

func (e hookEditor) add(ctx context.Context, in HookOrder) (h HookInfo, secret string, err error) {
	err = CheckHook(in.URL, in.Events)
	if err != nil {
		return h, "", err
	}
	key, err := webhook.NewKey(e.Rand)
	if err != nil {
		return h, "", err
	}
	id, err := e.newHookID()
	if err != nil {
		return h, "", err
	}
	h.Hook = store.Hook{ID: id, Account: in.Account, URL: in.URL, Events: slices.Clone(in.Events), Secret: key, Created: e.Now().UTC()}
	err = e.change(ctx, h.Hook, "added, to "+hookHost(h.URL)+" for "+hookEvents(h.Events), func(tx store.Tx) error {
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

func (e hookEditor) remove(ctx context.Context, account mime.Address, id string) error {
	return e.change(ctx, store.Hook{ID: id, Account: account}, "removed", func(tx store.Tx) error {
		return tx.RemoveHook(account, id)
	})
}

func (e hookEditor) enable(ctx context.Context, account mime.Address, id string) error {
	_, err := e.edit(ctx, account, id, "enabled", func(h *store.Hook) { h.Disabled = "" })
	return err
}

func (e hookEditor) rotate(ctx context.Context, account mime.Address, id string) (h HookInfo, secret string, err error) {
	key, err := webhook.NewKey(e.Rand)
	if err != nil {
		return h, "", err
	}
	h, err = e.edit(ctx, account, id, "another secret", func(h *store.Hook) {
		h.Previous, h.PreviousUntil, h.Secret = h.Secret, e.Now().Add(hookOverlap).UTC(), key
	})
	return h, webhook.Secret(key), err
}

// edit returns what it made of a hook, without its secrets. All of the answer is from the
// transaction: nobody reads a second time behind it, and loses what is told once.
func (e hookEditor) edit(ctx context.Context, account mime.Address, id, how string, edit func(*store.Hook)) (h HookInfo, err error) {
	err = e.change(ctx, store.Hook{ID: id, Account: account}, how, func(tx store.Tx) error {
		h.Hook, err = tx.Hook(account, id)
		if err != nil {
			return err
		}
		edit(&h.Hook)
		err = e.putHook(tx, h.Hook)
		if err != nil {
			return err
		}
		h.State, err = hookState(tx, account, id)
		return err
	})
	h.Secret, h.Previous = nil, nil
	return h, err
}

// putHook stores a hook, and not the secret before its own when the time of that is over.
func (c *Core) putHook(tx store.Tx, h store.Hook) error {
	if !c.Now().Before(h.PreviousUntil) {
		h.Previous, h.PreviousUntil = nil, time.Time{}
	}
	return tx.PutHook(h)
}

// change does a change with its record.
func (e hookEditor) change(ctx context.Context, h store.Hook, detail string, do func(store.Tx) error) error {
	return e.Store.Update(ctx, func(tx store.Tx) error {
		if e.may != nil {
			err := e.may(tx)
			if err != nil {
				return err
			}
		}
		err := do(tx)
		if err != nil {
			return err
		}
		return tx.Audit(audit.Record{At: e.Now(), Actor: e.actor, Action: audit.Changed, Object: hookObject(h), Detail: detail})
	})
}
