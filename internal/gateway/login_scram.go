package gateway

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"

	"postern/internal/audit"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// Offers implements login.Backend.
func (c *Core) Offers(ctx context.Context) login.Offer {
	dir, err := c.Directory(ctx)
	scram := err == nil && dir.scram
	return login.Offer{Scram: scram, Plus: scram && c.ChannelBinding}
}

// Verifiers implements login.Backend. All secrets of an account have one salt, which
// follows from its name, and so do those of accounts that there are not: nothing tells
// the two apart (RFC 5802 §9). Whether a proof may
// be looked at is asked when it is there, by Login.
func (c *Core) Verifiers(ctx context.Context, a login.Attempt) (login.Verifiers, error) {
	dir, err := c.Directory(ctx)
	if err != nil {
		return login.Verifiers{}, reason.New(reason.Internal, "%w", err)
	}
	salt, err := c.Salt(ctx, a.User)
	if err != nil {
		return login.Verifiers{}, reason.New(reason.Busy, "%w", err)
	}
	v := login.Verifiers{Salt: salt, Iterations: c.ScramIterations}
	name, err := mime.ParseAddress(a.User)
	if err != nil {
		return v, nil
	}
	account, _ := dir.Account(name)
	for _, access := range dir.ofAccount[name.Key()] {
		mark, ok := markOf(account, access, a.Service)
		keys := access.Keys
		if ok && !access.Ended(c.Now()) && keys.Iterations == v.Iterations && bytes.Equal(keys.Salt, salt) {
			v.Credentials = append(v.Credentials, login.Credential{Mark: mark, StoredKey: keys.StoredKey, ServerKey: keys.ServerKey})
		}
	}
	return v, nil
}

// markOf says what the knowledge of a secret proves, if it is good for a service.
func markOf(account store.Account, access store.Access, service login.Service) (mark string, ok bool) {
	switch access.Kind {
	case store.PasswordKind:
		return proof.OfPassword(account), access.Sum == proof.SumOfPassword(account)
	case store.AppPassword:
		return proof.OfAccess(access), slices.Contains(access.Scopes, string(service))
	}
	return "", false
}

// Salt is that of all secrets of a user, for SCRAM.
func (c *Core) Salt(ctx context.Context, user string) ([]byte, error) {
	key, err := c.loginKey.of(ctx, c.Store)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	name, err := mime.ParseAddress(user)
	if err == nil {
		user = name.Key()
	}
	mac.Write([]byte("scram salt\x00" + user))
	return mac.Sum(nil)[:login.SaltLength], nil
}

// Keys derives from a secret of an account what SCRAM needs. It takes tens of
// milliseconds.
func (c *Core) Keys(ctx context.Context, account mime.Address, secret string) (store.ScramKeys, error) {
	salt, err := c.Salt(ctx, account.Key())
	if err != nil {
		return store.ScramKeys{}, err
	}
	k := store.ScramKeys{Salt: salt, Iterations: c.ScramIterations}
	k.StoredKey, k.ServerKey, err = login.KeysOf(secret, salt, k.Iterations)
	return k, err
}

// PasswordAccess is what is to be stored beside an account with a new password.
func (c *Core) PasswordAccess(ctx context.Context, account store.Account, password string) (store.Access, error) {
	keys, err := c.Keys(ctx, account.Address, password)
	return store.Access{
		ID: store.PasswordAccess, Kind: store.PasswordKind, Account: account.Address,
		Sum: proof.SumOfPassword(account), Created: c.Now(), Keys: keys,
	}, err
}

// learn makes what SCRAM needs of a password that was right, once, for accounts whose
// password was set before it was made then. One at a time: the others are let in
// without, and learnt from the next time.
func (c *Core) learn(ctx context.Context, dir *Directory, account store.Account, password string) {
	if dir.provesPassword(account) || !c.learning.TryLock() {
		return
	}
	defer c.learning.Unlock()
	access, err := c.PasswordAccess(ctx, account, password)
	if err == nil {
		err = c.Store.Update(ctx, func(tx store.Tx) error {
			now, err := tx.Account(account.Address)
			if err != nil || now.Password != account.Password {
				return err // another one was set meanwhile
			}
			return errors.Join(tx.PutAccess(access), tx.Audit(audit.Record{
				Actor: audit.System, Action: audit.Changed, Object: "account " + account.Address.String(), Detail: "its password can be proven by SCRAM",
			}))
		})
	}
	if err != nil {
		c.Log.Warn("what SCRAM needs of a password could not be kept", "err", err)
	}
}

// A loginKey is the secret of the store that salts follow from, once it is known.
type loginKey struct {
	mu  sync.Mutex
	key []byte
}

func (k *loginKey) of(ctx context.Context, s store.Store) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != nil {
		return k.key, nil
	}
	var key []byte
	read := func(tx store.Tx) (err error) { key, err = tx.LoginKey(); return err }
	err := s.View(ctx, read)
	if errors.Is(err, store.ErrNotFound) {
		err = s.Update(ctx, read)
	}
	if err != nil {
		return nil, err
	}
	k.key = key
	return key, nil
}
