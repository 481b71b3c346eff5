package store

import (
	"encoding/json"
	"errors"
	"fmt"

	"postern/mime"
)

// A hookRecord is a Hook at rest, with its secrets sealed.
type hookRecord struct {
	Hook
	Sealed []byte `json:"sealed"` // hookSecrets
}

type hookSecrets struct {
	Secret   []byte `json:"secret"`
	Previous []byte `json:"previous,omitempty"`
}

const hookPurpose purpose = "web hook"

func hookKey(account mime.Address, id string) []byte { return joined(account.Key(), id) }

// Hook implements HookTx.
func (t *tx) Hook(account mime.Address, id string) (Hook, error) {
	record, err := getRow[hookRecord](t, bucketHooks, hookKey(account, id))
	if err != nil {
		return Hook{}, fmt.Errorf("hook %s of %s: %w", id, account, err)
	}
	return t.unsealHook(record)
}

func (t *tx) unsealHook(r hookRecord) (Hook, error) {
	var secrets hookSecrets
	plain, err := t.db.ring.Load().openRecord(hookPurpose, hookKey(r.Account, r.ID), r.Sealed)
	if err == nil && json.Unmarshal(plain, &secrets) != nil {
		err = fmt.Errorf("%w: its secrets", ErrCorrupt) // the decoder's words could tell of them
	}
	if err != nil {
		return Hook{}, fmt.Errorf("hook %s of %s: %w", r.ID, r.Account, err)
	}
	r.Secret, r.Previous = secrets.Secret, secrets.Previous
	return r.Hook, nil
}

// HooksOf implements HookTx.
func (t *tx) HooksOf(account mime.Address) ([]Hook, error) {
	return t.listHooks(joined(account.Key(), ""))
}

// Hooks implements HookTx.
func (t *tx) Hooks() ([]Hook, error) { return t.listHooks(nil) }

func (t *tx) listHooks(prefix []byte) ([]Hook, error) {
	records, err := listRows(t, bucketHooks, prefix, damagedHook)
	if err != nil {
		return nil, err
	}
	var all []Hook
	for _, r := range records {
		_, err := t.unsealHook(r)
		if errors.Is(err, ErrCorrupt) {
			r.Disabled = HookDamaged
		} else if err != nil {
			return nil, err
		}
		all = append(all, r.Hook)
	}
	return all, nil
}

// PutHook implements HookTx.
func (t *tx) PutHook(h Hook) error {
	if !t.writable {
		return ErrReadOnly
	}
	err := checkText("the id of a hook", h.ID)
	if err != nil {
		return err
	}
	if h.ID == "" || h.Account.IsZero() || h.URL == "" || len(h.Secret) == 0 {
		return errors.New("a hook needs an id, an account, a URL and a secret")
	}
	plain, err := json.Marshal(hookSecrets{h.Secret, h.Previous})
	if err != nil {
		return errors.New("encoding the secrets of a hook")
	}
	key := hookKey(h.Account, h.ID)
	sealed, err := t.db.ring.Load().sealRecord(hookPurpose, key, plain)
	if err != nil {
		return fmt.Errorf("sealing the secrets of a hook: %w", err)
	}
	h.Created, h.PreviousUntil = h.Created.UTC(), h.PreviousUntil.UTC()
	return t.putDirectory(bucketHooks, key, hookRecord{Hook: h, Sealed: sealed})
}

// RemoveHook implements HookTx.
func (t *tx) RemoveHook(account mime.Address, id string) error {
	key := hookKey(account, id)
	err := t.removeDirectory(bucketHooks, key)
	if err != nil {
		return fmt.Errorf("hook %s of %s: %w", id, account, err)
	}
	return t.remove(bucketHookStates, key)
}

// removeHooks removes all hooks of an account.
func (t *tx) removeHooks(account mime.Address) error {
	all, err := t.HooksOf(account) // also those that are damaged
	for _, h := range all {
		err = errors.Join(err, t.RemoveHook(account, h.ID))
	}
	return err
}

// HookState implements HookTx.
func (t *tx) HookState(account mime.Address, id string) (HookState, error) {
	s, err := getRecord[HookState](t, bucketHookStates, hookKey(account, id))
	if errors.Is(err, ErrNotFound) {
		return HookState{}, nil
	}
	if err != nil {
		return HookState{}, fmt.Errorf("the state of hook %s of %s: %w", id, account, err)
	}
	return s, nil
}

// PutHookState implements HookTx.
func (t *tx) PutHookState(account mime.Address, id string, s HookState) error {
	old, err := t.HookState(account, id)
	if err != nil && !errors.Is(err, ErrCorrupt) { // a damaged one begins anew
		return err
	}
	s.Waiting = old.Waiting
	return t.putHookState(hookKey(account, id), s)
}

func (t *tx) putHookState(key []byte, s HookState) error {
	s.LostAt, s.LastAt, s.FailingSince = s.LostAt.UTC(), s.LastAt.UTC(), s.FailingSince.UTC()
	return t.putRecord(bucketHookStates, key, s)
}

// countHook keeps how many events of a hook wait, as jobs come (1) and go (-1). Those
// of a hook that is gone are not counted.
func (t *tx) countHook(j Job, by int) error {
	if j.Kind != HookJob {
		return nil
	}
	key := hookKey(j.Sender, j.Hook)
	if !t.exists(bucketHooks, key) {
		return nil
	}
	s, err := t.HookState(j.Sender, j.Hook)
	if errors.Is(err, ErrCorrupt) {
		err = nil // it begins anew, and is counted by who counts anew
	}
	if err != nil {
		return err
	}
	s.Waiting = max(s.Waiting+by, 0)
	return t.putHookState(key, s)
}
