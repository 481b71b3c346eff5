package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"postern/mime"
	"postern/store"
)

// A GroupOrder is an address whose mail goes to several accounts.
type GroupOrder struct {
	Address string   `json:"address"`
	Members []string `json:"members"`
}

// A GroupInfo is what is shown of a group.
type GroupInfo struct {
	GroupOrder
	Created time.Time `json:"created"`
	// Damaged says that its record cannot be read, and that it may be an alias.
	Damaged bool `json:"damaged,omitempty"`
}

// A MemberChange adds to what is in a list, and removes from it; both empty change
// nothing.
type MemberChange struct {
	Address string   `json:"address"`
	Add     []string `json:"add"`
	Remove  []string `json:"remove"`
}

func (m MemberChange) isNone() bool { return len(m.Add) == 0 && len(m.Remove) == 0 }

func (m MemberChange) deed(object, what string) deed {
	d := deed{object: object}
	switch {
	case len(m.Remove) == 0:
		d.detail = what + " added: " + addressList(m.Add)
	case len(m.Add) == 0:
		d.detail = what + " removed: " + addressList(m.Remove)
	default:
		d.detail = what + " added: " + addressList(m.Add) + "; removed: " + addressList(m.Remove)
	}
	return d
}

// changeList is changeTold, or reads where nothing is to be changed.
func (s *Service) changeList(ctx context.Context, in MemberChange, fn func(store.Tx) (deed, error)) error {
	if !in.isNone() {
		return s.changeTold(ctx, fn)
	}
	return s.Core.Store.View(ctx, func(tx store.Tx) error {
		_, err := fn(tx)
		return err
	})
}

func groupInfo(a store.Alias) GroupInfo {
	info := GroupInfo{GroupOrder: GroupOrder{Address: a.Address.String(), Members: []string{}}, Created: a.Created, Damaged: a.Damaged}
	for _, m := range a.Members {
		info.Members = append(info.Members, m.String())
	}
	return info
}

func (s *Service) addGroup(ctx context.Context, in GroupOrder) (None, error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return None{}, err
	}
	if len(in.Members) == 0 {
		return None{}, &Error{Kind: Invalid, Message: "a group has one member at least"}
	}
	return None{}, s.change(ctx, "group "+address.String(), "added, of "+addressList(in.Members), func(tx store.Tx) error {
		err := requireFree(tx, address)
		if err != nil {
			return err
		}
		err = s.Core.WithdrawTaken(tx, address)
		if err != nil {
			return err
		}
		group := store.Alias{Address: address, Group: true, Created: s.Core.Now()}
		group.Members, err = groupMembers(tx, in.Members)
		if err != nil {
			return err
		}
		return putGroup(tx, group)
	})
}

// groupMembers reads accounts that may be in a group. One that a patient controls may
// not: whoever writes to a group knows the certificate of its domain, and that never
// speaks for a patient (BB-35).
func groupMembers(tx store.Tx, names []string) ([]mime.Address, error) {
	var all []mime.Address
	for _, name := range names {
		address, err := mime.ParseAddress(name)
		if err != nil {
			return nil, err
		}
		a, err := accountOf(tx, address)
		if err != nil {
			return nil, err
		}
		if a.Patient {
			return nil, &Error{Kind: Negative, Message: fmt.Sprintf("a patient controls %s, which can be in no group", address),
				Hint: "what is sealed to a group is not sealed to the patient's own certificate"}
		}
		all = append(all, a.Address)
	}
	return all, nil
}

func putGroup(tx store.Tx, group store.Alias) error {
	if len(group.Members) > store.MaxMembers {
		return &Error{Kind: Invalid, Message: fmt.Sprintf("a group has %d members at most", store.MaxMembers)}
	}
	return tx.PutAlias(group)
}

func (s *Service) listGroups(ctx context.Context, _ None) (all []GroupInfo, err error) {
	err = s.eachAlias(ctx, func() { all = nil }, func(a store.Alias) {
		if a.Group || a.Damaged { // which may have been one
			all = append(all, groupInfo(a))
		}
	})
	return all, err
}

// changeGroup changes the members of a group, and tells who they are.
func (s *Service) changeGroup(ctx context.Context, in MemberChange) (info GroupInfo, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return GroupInfo{}, err
	}
	err = s.changeList(ctx, in, func(tx store.Tx) (deed, error) {
		group, err := aliasOf(tx, address, true)
		if err != nil {
			return deed{}, err
		}
		if !in.isNone() {
			err = regroup(&group, tx, in)
			if err != nil {
				return deed{}, err
			}
			group, err = tx.Alias(address)
		}
		info = groupInfo(group)
		return in.deed("group "+address.String(), "members"), err
	})
	return info, err
}

// regroup puts a group with other members.
func regroup(group *store.Alias, tx store.Tx, in MemberChange) error {
	for _, name := range in.Remove {
		gone, err := mime.ParseAddress(name)
		if err != nil {
			return err
		}
		if !group.Has(gone) {
			return &Error{Kind: Negative, Message: fmt.Sprintf("%s is no member of %s", gone, group.Address)}
		}
		group.Members = slices.DeleteFunc(group.Members, gone.Same)
	}
	added, err := groupMembers(tx, in.Add)
	if err != nil {
		return err
	}
	for _, a := range added {
		if !group.Has(a) {
			group.Members = append(group.Members, a)
		}
	}
	if len(group.Members) == 0 {
		return &Error{Kind: Negative, Message: fmt.Sprintf("nobody would be left in %s", group.Address), Hint: "postern group remove " + group.Address.String() + " ends it"}
	}
	return putGroup(tx, *group)
}

// checkPatientAliases refuses an account that a patient is to control while it is in a
// group, or has an alias that has no certificate of its own.
func checkPatientAliases(tx store.Tx, account mime.Address, now time.Time) error {
	all, err := tx.Aliases()
	if err != nil {
		return err
	}
	for _, a := range all {
		switch {
		case !a.Has(account):
		case a.Group:
			return &Error{Kind: Negative, Message: fmt.Sprintf("%s is in the group %s, where a patient's address cannot be", account, a.Address),
				Hint: fmt.Sprintf("postern group members %s --remove %s", a.Address, account)}
		default:
			err := checkPatient(tx, a.Address, now)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// behind returns the account behind an alias of one; ErrNotFound if it is none.
func behind(tx store.Tx, address mime.Address) (store.Account, error) {
	alias, err := tx.Alias(address)
	if err != nil {
		return store.Account{}, err
	}
	if alias.Group || len(alias.Members) == 0 {
		return store.Account{}, fmt.Errorf("alias %s: %w", address, store.ErrNotFound)
	}
	return tx.Account(alias.Members[0])
}

// ownerAccount returns the account that an address belongs to: of that name, or behind
// its alias.
func ownerAccount(tx store.Tx, address mime.Address) (store.Account, error) {
	a, err := tx.Account(address)
	if errors.Is(err, store.ErrNotFound) {
		return behind(tx, address)
	}
	return a, err
}
