package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"postern/mime"
)

// Alias implements AliasTx.
func (t *tx) Alias(a mime.Address) (Alias, error) {
	alias, err := getRow[Alias](t, bucketAliases, []byte(a.Key()))
	if err != nil {
		return Alias{}, fmt.Errorf("alias %s: %w", a, err)
	}
	return alias, nil
}

// Aliases implements AliasTx.
func (t *tx) Aliases() ([]Alias, error) { return listRows(t, bucketAliases, nil, damagedAlias) }

// PutAlias implements AliasTx.
func (t *tx) PutAlias(a Alias) error {
	if a.Address.IsZero() {
		return errors.New("an alias needs an address")
	}
	if t.exists(bucketAccounts, []byte(a.Address.Key())) {
		return fmt.Errorf("an account %s: %w", a.Address, ErrExists)
	}
	a.Created, a.Members = a.Created.UTC(), inOrder(a.Members)
	err := t.checkMembers(a)
	if err != nil {
		return err
	}
	a.Era, err = t.aliasEra(a)
	if err != nil {
		return err
	}
	return t.putDirectory(bucketAliases, []byte(a.Address.Key()), a)
}

// inOrder sorts addresses by key, each once.
func inOrder(all []mime.Address) []mime.Address {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b mime.Address) int { return strings.Compare(a.Key(), b.Key()) })
	return slices.CompactFunc(all, mime.Address.Same)
}

func (t *tx) checkMembers(a Alias) error {
	most := 1
	if a.Group {
		most = MaxMembers
	}
	if len(a.Members) == 0 || len(a.Members) > most {
		return fmt.Errorf("alias %s: %d members, of which there may be 1 to %d", a.Address, len(a.Members), most)
	}
	for _, m := range a.Members {
		if !t.exists(bucketAccounts, []byte(m.Key())) {
			return fmt.Errorf("alias %s: account %s: %w", a.Address, m, ErrNotFound)
		}
	}
	return nil
}

// RemoveAlias implements AliasTx.
func (t *tx) RemoveAlias(a mime.Address) error {
	err := t.endAlias(a)
	if err != nil {
		return err
	}
	is := func(name string) bool { return name == a.Key() }
	return errors.Join(t.removeKeys(is), t.withdrawSenders(is))
}

// endAlias leaves its keys, and what accounts may send as.
func (t *tx) endAlias(a mime.Address) error {
	_, err := t.leaveAlias(a)
	if err != nil {
		return err
	}
	return t.removeDirectory(bucketAliases, []byte(a.Key()))
}

// leaveAliases takes an account out of the aliases and groups that it is behind. Those
// that have nobody else end, and are returned.
func (t *tx) leaveAliases(account mime.Address) (gone []mime.Address, err error) {
	all, err := t.Aliases()
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		switch rest := a.without(account); {
		case len(rest.Members) == len(a.Members):
		case len(rest.Members) == 0:
			gone = append(gone, a.Address)
			err = t.endAlias(a.Address)
		default:
			err = t.putDirectory(bucketAliases, []byte(a.Address.Key()), rest)
		}
		if err != nil {
			return nil, err
		}
	}
	return gone, nil
}

// leaveDomain ends the aliases of a domain, and takes it out of the Senders of all
// accounts, so that nothing of them comes back with the name.
func (t *tx) leaveDomain(name mime.Domain) error {
	aliases, err := t.Aliases()
	if err != nil {
		return err
	}
	for _, a := range aliases {
		if a.Address.Domain() != name {
			continue
		}
		err := t.endAlias(a.Address)
		if err != nil {
			return err
		}
	}
	err = t.withdrawSenders(func(s string) bool { return strings.HasSuffix(s, "@"+string(name)) })
	if err != nil {
		return err
	}
	return t.removeSentAs(func(s SentAs) bool { return s.Address.Domain() == name })
}

// withdrawSenders takes some of the Senders from all accounts.
func (t *tx) withdrawSenders(of func(string) bool) error {
	accounts, err := t.Accounts()
	if err != nil {
		return err
	}
	for _, a := range accounts {
		if !slices.ContainsFunc(a.Senders, of) {
			continue
		}
		a.Senders = slices.DeleteFunc(a.Senders, of)
		err := t.putDirectory(bucketAccounts, []byte(a.Address.Key()), a)
		if err != nil {
			return err
		}
	}
	return nil
}

// checkSenders demands of Senders the form in which they are compared.
func checkSenders(a Account) error {
	if len(a.Senders) > MaxSenders {
		return fmt.Errorf("account %s: more than %d senders", a.Address, MaxSenders)
	}
	for _, s := range a.Senders {
		if !isSender(s) {
			return fmt.Errorf("account %s: %q is neither an address in lower case nor a domain after an @", a.Address, s)
		}
	}
	return nil
}

func isSender(s string) bool {
	domain, whole := strings.CutPrefix(s, "@")
	if whole {
		d, err := mime.ParseDomain(domain)
		return err == nil && string(d) == domain
	}
	a, err := mime.ParseAddress(s)
	return err == nil && a.Key() == s
}

// removeAll removes what a walk found, which must not change its bucket itself.
func (t *tx) removeAll(bucket string, keys [][]byte) error {
	for _, k := range keys {
		err := t.remove(bucket, k)
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) removeSentAs(of func(SentAs) bool) error {
	var keys [][]byte
	err := t.each(bucketSentAs, nil, nil, func(k, v []byte) (bool, error) {
		s, err := decodeRow[SentAs](bucketSentAs, k, v)
		if errors.Is(err, ErrCorrupt) { // whose it is is not known, but of what address
			s.Address, err = mime.ParseAddress(string(k))
		}
		if err == nil && of(s) {
			keys = append(keys, bytes.Clone(k))
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return t.removeAll(bucketSentAs, keys)
}
