package gateway

import (
	"errors"
	"log/slog"
	"slices"

	"postern/internal/gateway/proof"
	"postern/mime"
	"postern/store"
)

// accesses are the ways into our accounts.
type accesses struct {
	ofAccount map[string][]store.Access // by Address.Key, with their keys
	byID      map[string]store.Access   // but that of passwords
	// certificates says that some client shows one.
	certificates bool
	// scram says that each account that has a password can prove it by SCRAM: offered
	// before, it would shut out clients that prefer it. One whose keys are damaged does not
	// keep it from all others.
	scram bool
}

// Access implements proof.Source.
func (a *accesses) Access(account mime.Address, id string) (store.Access, error) {
	all := a.ofAccount[account.Key()]
	i := slices.IndexFunc(all, func(a store.Access) bool { return a.ID == id })
	if i < 0 {
		return store.Access{}, store.ErrNotFound
	}
	return all[i], nil
}

// readAccesses reads them. Opening the seal of a thousand takes a while, so those that
// the old Directory knows are taken over. One that is damaged lets nobody in.
func (d *Directory) readAccesses(tx store.Tx, old *Directory, log *slog.Logger) error {
	all, err := tx.Accesses()
	if err != nil {
		return err
	}
	d.ofAccount, d.byID = make(map[string][]store.Access), make(map[string]store.Access)
	unproven := make(map[string]bool) // accounts of which what SCRAM needs of the password is damaged
	for _, a := range all {
		if !a.Damaged {
			a.Keys, err = keysOf(tx, old, a)
		}
		if a.Damaged || errors.Is(err, store.ErrCorrupt) {
			mend := "postern access revoke removes it"
			if a.ID == store.PasswordAccess {
				mend = "postern account passwd makes it anew, and so does a login by the password itself"
				unproven[a.Account.Key()] = true
			}
			log.Error("a way into an account is damaged and is not used; "+mend, "account", a.Account, "access", a.ID)
			continue
		}
		if err != nil {
			return err
		}
		d.ofAccount[a.Account.Key()] = append(d.ofAccount[a.Account.Key()], a)
		if a.ID != store.PasswordAccess {
			d.byID[a.ID] = a
		}
		d.certificates = d.certificates || a.Kind == store.Certificate
	}
	d.scram = true
	for _, a := range d.accounts {
		d.scram = d.scram && (a.Disabled || a.Password == "" || unproven[a.Address.Key()] || d.provesPassword(a))
	}
	return nil
}

func keysOf(tx store.Tx, old *Directory, a store.Access) (store.ScramKeys, error) {
	if a.Kind != store.PasswordKind && a.Kind != store.AppPassword {
		return store.ScramKeys{}, nil
	}
	if old != nil {
		known, err := old.Access(a.Account, a.ID)
		if err == nil && known.Sum == a.Sum && known.Created.Equal(a.Created) {
			return known.Keys, nil
		}
	}
	a, err := tx.Access(a.Account, a.ID)
	return a.Keys, err
}

// provesPassword reports whether an account can prove its password by SCRAM.
func (d *Directory) provesPassword(a store.Account) bool {
	access, err := d.Access(a.Address, store.PasswordAccess)
	return err == nil && access.Sum == proof.SumOfPassword(a) && len(access.Keys.StoredKey) > 0
}

// knownAccounts are those of a Directory, as a proof.Source.
type knownAccounts struct{ *Directory }

// Account implements proof.Source.
func (k knownAccounts) Account(a mime.Address) (store.Account, error) {
	account, known := k.Directory.Account(a)
	if !known {
		return store.Account{}, store.ErrNotFound
	}
	return account, nil
}
