package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/mime"
	"postern/store"
)

// A DomainName names a domain.
type DomainName struct {
	Name string `json:"name"`
}

// An AccountInfo is what may be shown of an account.
type AccountInfo struct {
	Address  string    `json:"address"`
	Disabled bool      `json:"disabled"`
	Patient  bool      `json:"patient"`  // a patient controls the address
	Used     int64     `json:"used"`     // bytes in its mailboxes
	Quota    int64     `json:"quota"`    // bytes that may be there; 0 is no limit
	Standard bool      `json:"standard"` // the quota is that of all, limits.mailbox_bytes
	Senders  []string  `json:"senders"`  // what it may send as beside its own addresses
	Created  time.Time `json:"created"`
	// Damaged says that its record cannot be read: nobody gets into it, and what comes to
	// it waits.
	Damaged bool `json:"damaged,omitempty"`
	Logins
}

// An AccountSecret is an account and its new password.
type AccountSecret struct {
	Address  string `json:"address"`
	Password []byte `json:"password"`
}

// An AddedAccount is an account that was made.
type AddedAccount struct {
	AccountName
	// Warnings are of what is not known where a damaged record stood in its place; never
	// nil.
	Warnings []string `json:"warnings"`
}

// An AccountOrder is an account to be made.
type AccountOrder struct {
	Address  string `json:"address"`
	Password []byte `json:"password"`
	Patient  bool   `json:"patient"` // a patient controls the address (BB-35)
}

// An AccountName names an account.
type AccountName struct {
	Address string `json:"address"`
}

func (s *Service) handleDirectory(mux *http.ServeMux) {
	handle(mux, commandBytes, "domain/add", s.addDomain)
	handle(mux, commandBytes, "domain/list", s.showDomains)
	handle(mux, commandBytes, "domain/retention", s.setRetention)
	handle(mux, commandBytes, "domain/remove", s.removeDomain)
	handle(mux, commandBytes, "account/add", s.addAccount)
	handle(mux, commandBytes, "account/list", s.listAccounts)
	handle(mux, commandBytes, "account/passwd", s.changePassword)
	handle(mux, commandBytes, "account/disable", func(ctx context.Context, a AccountName) (None, error) { return s.setDisabled(ctx, a, true) })
	handle(mux, commandBytes, "account/enable", func(ctx context.Context, a AccountName) (None, error) { return s.setDisabled(ctx, a, false) })
	handle(mux, commandBytes, "account/patient", s.setPatient)
	handle(mux, commandBytes, "account/quota", s.setQuota)
	handle(mux, commandBytes, "account/remove", s.removeAccount)
}

func (s *Service) addDomain(ctx context.Context, in DomainName) (None, error) {
	name, err := mime.ParseDomain(in.Name)
	if err != nil {
		return None{}, err
	}
	return None{}, s.change(ctx, "domain "+name.String(), "added", func(tx store.Tx) error {
		_, err := tx.Domain(name)
		if err == nil {
			return &Error{Kind: Negative, Message: fmt.Sprintf("the domain %s is there already", name), Hint: "postern domain list shows ours"}
		}
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return tx.PutDomain(store.Domain{Name: name, Created: s.Core.Now()})
	})
}

func (s *Service) listDomains(ctx context.Context, _ None) (all []store.Domain, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		all, err = tx.Domains()
		return err
	})
	return all, err
}

func (s *Service) addAccount(ctx context.Context, in AccountOrder) (added AddedAccount, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return added, err
	}
	hash, err := s.hash(ctx, in.Password)
	if err != nil {
		return added, err
	}
	access, err := s.Core.PasswordAccess(ctx, store.Account{Address: address, Password: hash}, string(in.Password))
	if err != nil {
		return added, err
	}
	err = s.changeTold(ctx, func(tx store.Tx) (deed, error) {
		anew, err := s.makeRoom(tx, address, in)
		if err != nil {
			return deed{}, err
		}
		err = tx.PutAccount(store.Account{Address: address, Password: hash, Patient: in.Patient, Created: s.Core.Now()})
		added = AddedAccount{AccountName{address.String()}, []string{}}
		if anew {
			added.Warnings = unknownOf(in)
		}
		return deed{object: accountObject(address), detail: addedHow(in, anew)}, errors.Join(err, tx.PutAccess(access))
	})
	return added, err
}

// makeRoom checks that an account can be made, and ends what must not be its. anew reports
// whether it takes the place of one that is damaged: whether that was shut out is not known,
// and so nothing leads into it any more.
func (s *Service) makeRoom(tx store.Tx, address mime.Address, in AccountOrder) (anew bool, err error) {
	err = requireOurs(tx, address.Domain())
	if err != nil {
		return false, err
	}
	_, err = tx.Account(address)
	anew = errors.Is(err, store.ErrCorrupt)
	if err == nil {
		return false, &Error{Kind: Negative, Message: fmt.Sprintf("the account %s is there already", address),
			Hint: "postern account passwd changes its password"}
	}
	if !anew && !errors.Is(err, store.ErrNotFound) {
		return false, err
	}
	err = requireNoAlias(tx, address)
	if err != nil {
		return false, err
	}
	if in.Patient {
		err = checkPatient(tx, address, s.Core.Now())
		if err != nil {
			return false, err
		}
	}
	if anew {
		err = endAccesses(tx, address)
		if err != nil {
			return false, err
		}
	}
	return anew, s.Core.WithdrawTaken(tx, address)
}

// endAccesses ends all that leads into an account, also what is damaged.
func endAccesses(tx store.Tx, account mime.Address) error {
	all, err := tx.AccessesOf(account)
	for _, a := range all {
		err = errors.Join(err, tx.RemoveAccess(account, a.ID))
	}
	return err
}

// unknownOf says what is not known of an account that is made anew over a damaged record.
func unknownOf(in AccountOrder) []string {
	all := []string{
		"its record was damaged: whether it was disabled, required a certificate, or had a quota or senders of its own is not known, and it has none of that now",
		"its app passwords, tokens and clients' certificates are revoked",
	}
	if !in.Patient {
		all = append(all, "whether it was a patient's is not known: postern account patient says that it is one's")
	}
	return all
}

func (s *Service) hash(ctx context.Context, password []byte) (string, error) {
	_, _, made := login.AppPassword(string(password))
	_, _, token := login.TokenSum(string(password))
	if made || token {
		return "", invalid(errors.New("the password has the form of an app password or of a token"), "choose another password; postern access add makes app passwords and tokens")
	}
	hash, err := s.Core.Hasher.Hash(ctx, password)
	if err != nil {
		return "", invalid(err, "choose another password")
	}
	return hash, nil
}

// requireOurs refuses what is for a domain that is not ours.
func requireOurs(tx store.Tx, name mime.Domain) error {
	_, err := tx.Domain(name)
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: Negative, Message: fmt.Sprintf("the domain %s is not one of ours", name), Hint: "add it first: postern domain add " + string(name)}
	}
	return err
}

func (s *Service) listAccounts(ctx context.Context, _ None) (all []AccountInfo, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		accounts, err := tx.Accounts()
		all = nil
		if err != nil {
			return err
		}
		for _, a := range accounts {
			info, err := s.accountInfo(tx, a)
			if err == nil {
				info.Logins, err = s.loginsOf(tx, a)
			}
			if err != nil {
				return err
			}
			all = append(all, info)
		}
		return nil
	})
	return all, err
}

func (s *Service) accountInfo(tx store.Tx, a store.Account) (AccountInfo, error) {
	if a.Damaged {
		return AccountInfo{Address: a.Address.String(), Disabled: true, Senders: []string{}, Damaged: true}, nil
	}
	used, limit, err := mailbox.Usage(tx, a.Address, s.Core.MailboxBytes)
	return AccountInfo{
		Address: a.Address.String(), Disabled: a.Disabled, Patient: a.Patient,
		Used: used, Quota: limit, Standard: a.Quota == 0, Senders: append([]string{}, a.Senders...), Created: a.Created,
	}, err
}

func (s *Service) changePassword(ctx context.Context, in AccountSecret) (None, error) {
	hash, err := s.hash(ctx, in.Password)
	if err != nil {
		return None{}, err
	}
	return None{}, s.setPassword(ctx, in, hash)
}

func (s *Service) setDisabled(ctx context.Context, in AccountName, off bool) (None, error) {
	how := "enabled"
	if off {
		how = "disabled"
	}
	return None{}, s.editAccount(ctx, in.Address, how, func(a *store.Account) { a.Disabled = off })
}

func (s *Service) editAccount(ctx context.Context, text, how string, edit func(*store.Account)) error {
	address, err := mime.ParseAddress(text)
	if err != nil {
		return err
	}
	return s.change(ctx, accountObject(address), how, func(tx store.Tx) error {
		a, err := accountOf(tx, address)
		if err != nil {
			return err
		}
		edit(&a)
		return tx.PutAccount(a)
	})
}

func accountObject(a mime.Address) string { return "account " + a.String() }

func addedHow(in AccountOrder, anew bool) string {
	how := "added"
	if in.Patient {
		how += ", a patient's"
	}
	if anew {
		how += ", over a damaged record; all that led into it is revoked"
	}
	return how
}

// accountOf returns the account of an address, or says what the address is instead.
func accountOf(tx store.Tx, a mime.Address) (store.Account, error) {
	account, err := tx.Account(a)
	if !errors.Is(err, store.ErrNotFound) {
		return account, err
	}
	alias, err := tx.Alias(a)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return account, &Error{Kind: Negative, Message: fmt.Sprintf("there is no account %s", a), Hint: "postern account list shows them"}
	case err != nil:
		return account, err
	case alias.Group:
		return account, &Error{Kind: Negative, Message: fmt.Sprintf("%s is no account but a group", a),
			Hint: fmt.Sprintf("postern group members %s shows the accounts behind it: name one of them", a)}
	}
	return account, &Error{Kind: Negative, Message: fmt.Sprintf("%s is no account but %s", a, kindOf(alias)), Hint: "name the account itself"}
}
