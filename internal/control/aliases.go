package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"postern/mime"
	"postern/store"
)

// An AliasOrder is another address of an account.
type AliasOrder struct {
	Address string `json:"address"`
	Account string `json:"account"`
}

// An AliasInfo is what is shown of an alias.
type AliasInfo struct {
	AliasOrder
	Created time.Time `json:"created"`
	// Damaged says that its record cannot be read, and that it may be a group.
	Damaged bool `json:"damaged,omitempty"`
}

func (s *Service) handleAliases(mux *http.ServeMux) {
	handle(mux, commandBytes, "alias/add", s.addAlias)
	handle(mux, commandBytes, "alias/list", s.listAliases)
	handle(mux, commandBytes, "alias/remove", func(ctx context.Context, in Removal) (None, error) { return s.removeAlias(ctx, in, false) })
	handle(mux, commandBytes, "group/add", s.addGroup)
	handle(mux, commandBytes, "group/list", s.listGroups)
	handle(mux, commandBytes, "group/members", s.changeGroup)
	handle(mux, commandBytes, "group/remove", func(ctx context.Context, in Removal) (None, error) { return s.removeAlias(ctx, in, true) })
	handle(mux, commandBytes, "account/senders", s.changeSenders)
}

func (s *Service) addAlias(ctx context.Context, in AliasOrder) (None, error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return None{}, err
	}
	account, err := mime.ParseAddress(in.Account)
	if err != nil {
		return None{}, err
	}
	return None{}, s.change(ctx, "alias "+address.String(), "added, of "+account.String(), func(tx store.Tx) error {
		err := requireFree(tx, address)
		if err != nil {
			return err
		}
		err = s.Core.WithdrawTaken(tx, address)
		if err != nil {
			return err
		}
		a, err := accountOf(tx, account)
		if err != nil {
			return err
		}
		if a.Patient {
			// It is the patient's address like the account's own (BB-35).
			err = checkPatient(tx, address, s.Core.Now())
			if err != nil {
				return err
			}
		}
		return tx.PutAlias(store.Alias{Address: address, Members: []mime.Address{a.Address}, Created: s.Core.Now()})
	})
}

// requireFree refuses an address that is not ours, or is used.
func requireFree(tx store.Tx, address mime.Address) error {
	err := requireOurs(tx, address.Domain())
	if err != nil {
		return err
	}
	_, err = tx.Account(address)
	if err == nil {
		return &Error{Kind: Negative, Message: fmt.Sprintf("%s is an account", address), Hint: "an address is an account, an alias or a group, never two of them"}
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return requireNoAlias(tx, address)
}

// requireNoAlias refuses an address that is an alias or a group.
func requireNoAlias(tx store.Tx, address mime.Address) error {
	a, err := tx.Alias(address)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return &Error{Kind: Negative, Message: fmt.Sprintf("%s is %s already", address, kindOf(a)),
		Hint: "an address is an account, an alias or a group, never two of them"}
}

// kindOf says what an address is.
func kindOf(a store.Alias) string {
	if a.Group {
		return "a group"
	}
	return "an alias of " + a.Members[0].String()
}

func (s *Service) listAliases(ctx context.Context, _ None) (all []AliasInfo, err error) {
	err = s.eachAlias(ctx, func() { all = nil }, func(a store.Alias) {
		switch {
		case a.Damaged:
			all = append(all, AliasInfo{AliasOrder: AliasOrder{Address: a.Address.String()}, Damaged: true})
		case !a.Group:
			all = append(all, AliasInfo{AliasOrder: AliasOrder{a.Address.String(), a.Members[0].String()}, Created: a.Created})
		}
	})
	return all, err
}

// eachAlias calls fn for the aliases and groups, and begin before that: there may be
// more than one try.
func (s *Service) eachAlias(ctx context.Context, begin func(), fn func(store.Alias)) error {
	return s.Core.Store.View(ctx, func(tx store.Tx) error {
		begin()
		all, err := tx.Aliases()
		for _, a := range all {
			if len(a.Members) > 0 || a.Damaged {
				fn(a)
			}
		}
		return err
	})
}

// removeAlias removes an alias, or a group, and not the other one.
func (s *Service) removeAlias(ctx context.Context, in Removal, group bool) (None, error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return None{}, err
	}
	object := "alias "
	if group {
		object = "group "
	}
	r := removal{
		object: object + address.String(), detail: "removed, with its keys",
		untold: in.Untold, instead: "remove it when they are through",
	}
	return None{}, s.remove(ctx, r, func(v *view) error {
		_, err := aliasOf(v, address, group)
		if err != nil && !errors.Is(err, store.ErrCorrupt) { // one that is damaged can go
			return err
		}
		err = v.RemoveAlias(address)
		if err != nil {
			return err
		}
		return s.Core.WithdrawDetails(v, address)
	})
}

// aliasesIn returns the aliases and groups of a domain; never nil.
func aliasesIn(tx store.Tx, domain mime.Domain) ([]string, error) {
	all, err := tx.Aliases()
	names := []string{}
	for _, a := range all {
		if a.Address.Domain() == domain {
			names = append(names, a.Address.String())
		}
	}
	return names, err
}

// aliasOf returns an alias, or a group.
func aliasOf(tx store.Tx, address mime.Address, group bool) (store.Alias, error) {
	a, err := tx.Alias(address)
	what := "alias"
	if group {
		what = "group"
	}
	if errors.Is(err, store.ErrNotFound) || err == nil && a.Group != group {
		return a, &Error{Kind: Negative, Message: fmt.Sprintf("there is no %s %s", what, address), Hint: "postern " + what + " list shows them"}
	}
	return a, err
}

// toldAddresses bounds the addresses that a record names.
const toldAddresses = 50

// addressList names addresses for a record.
func addressList(all []string) string {
	if len(all) == 0 {
		return "nobody"
	}
	text := strings.Join(all[:min(len(all), toldAddresses)], " ")
	if len(all) > toldAddresses {
		text += fmt.Sprintf(" and %d more", len(all)-toldAddresses)
	}
	return text
}
