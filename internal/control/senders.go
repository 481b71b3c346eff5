package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/mime"
	"postern/store"
)

// A SendersInfo is what an account may send as.
type SendersInfo struct {
	Address string `json:"address"`
	// Own are its address and its aliases.
	Own []string `json:"own"`
	// Senders are further addresses, and domains with an "@" in front.
	Senders []string `json:"senders"`
}

// changeSenders changes what an account may send as beside its own addresses, and tells
// what that is.
func (s *Service) changeSenders(ctx context.Context, in MemberChange) (info SendersInfo, err error) {
	address, err := mime.ParseAddress(in.Address)
	if err != nil {
		return SendersInfo{}, err
	}
	err = s.changeList(ctx, in, func(tx store.Tx) (deed, error) {
		a, err := accountOf(tx, address)
		if err != nil {
			return deed{}, err
		}
		if !in.isNone() {
			err = changedSenders(tx, &a, in)
			if err == nil {
				err = tx.PutAccount(a)
			}
			if err != nil {
				return deed{}, err
			}
		}
		info, err = sendersInfo(tx, a)
		return in.deed(accountObject(address), "senders"), err
	})
	return info, err
}

func sendersInfo(tx store.Tx, a store.Account) (SendersInfo, error) {
	info := SendersInfo{Address: a.Address.String(), Own: []string{a.Address.String()}, Senders: append([]string{}, a.Senders...)}
	all, err := tx.Aliases()
	for _, alias := range all {
		if !alias.Group && alias.Has(a.Address) {
			info.Own = append(info.Own, alias.Address.String())
		}
	}
	return info, err
}

func changedSenders(tx store.Tx, a *store.Account, in MemberChange) error {
	for _, text := range in.Remove {
		sender, _, err := parseSender(text)
		if err != nil {
			return err
		}
		if !slices.Contains(a.Senders, sender) {
			return &Error{Kind: Negative, Message: fmt.Sprintf("%s is not among the senders of %s", text, a.Address),
				Hint: "postern account senders " + a.Address.String() + " shows them"}
		}
		a.Senders = slices.DeleteFunc(slices.Clone(a.Senders), func(s string) bool { return s == sender })
	}
	for _, text := range in.Add {
		sender, address, err := parseSender(text)
		if err != nil {
			return err
		}
		err = checkSender(tx, sender, address)
		if err != nil {
			return err
		}
		if !slices.Contains(a.Senders, sender) {
			a.Senders = append(slices.Clone(a.Senders), sender)
		}
	}
	if len(a.Senders) > store.MaxSenders {
		return &Error{Kind: Invalid, Message: fmt.Sprintf("an account has %d senders at most", store.MaxSenders), Hint: "a whole domain is one: @b.example"}
	}
	slices.Sort(a.Senders)
	return nil
}

// parseSender reads an address, or a domain after an "@", into the form in which they
// are compared; of a domain the address is zero.
func parseSender(text string) (string, mime.Address, error) {
	name, whole := strings.CutPrefix(text, "@")
	if whole {
		d, err := mime.ParseDomain(name)
		return "@" + string(d), mime.Address{}, err
	}
	a, err := mime.ParseAddress(text)
	return a.Key(), a, err
}

// checkSender refuses what is not ours, and what a patient controls: nobody else speaks
// for that (BB-35).
func checkSender(tx store.Tx, sender string, address mime.Address) error {
	if address.IsZero() {
		return requireOurs(tx, mime.Domain(sender[1:]))
	}
	err := requireOurs(tx, address.Domain())
	if err != nil {
		return err
	}
	owner, err := ownerAccount(tx, address)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err == nil && owner.Patient:
		return &Error{Kind: Negative, Message: fmt.Sprintf("a patient controls %s, and nobody else sends as it", address)}
	}
	return err
}
