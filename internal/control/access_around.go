package control

import (
	"errors"

	"postern/store"
)

// around finds what leads to an account, and where its mail goes on to.
func (d *AccountDetails) around(tx store.Tx, a store.Account) error {
	d.Aliases, d.Groups, d.Hooks = []string{}, []string{}, []string{}
	aliases, err := tx.Aliases()
	if err != nil {
		return err
	}
	for _, alias := range aliases {
		switch {
		case !alias.Has(a.Address):
		case alias.Group:
			d.Groups = append(d.Groups, alias.Address.String())
		default:
			d.Aliases = append(d.Aliases, alias.Address.String())
		}
	}
	edge, ok, err := store.EdgeFor(tx, a.Address)
	if errors.Is(err, store.ErrCorrupt) {
		edge, ok, err = store.Edge{Damaged: true}, true, nil
	}
	if err != nil {
		return err
	}
	if ok {
		info := edgeInfo(edge)
		d.Edge = &info
	}
	hooks, err := tx.HooksOf(a.Address)
	for _, h := range hooks {
		d.Hooks = append(d.Hooks, h.ID)
	}
	return err
}
