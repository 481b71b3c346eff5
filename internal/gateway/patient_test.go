package gateway

import (
	"testing"

	"postern/store"
)

// A patient's address has its own certificates alone: without one that is in use
// nothing signs for it, and nobody encrypts to it.
func TestBB35_TheDomainDoesNotSpeakForAPatient(t *testing.T) {
	w := newWorld(t)
	s := w.bare("a.example")
	s.addKey("a.example", w.root.Leaf("a.example"))
	s.accounts("alice@a.example", "bob@a.example")
	patient := func(is bool) {
		s.update(func(tx store.Tx) error {
			a, err := tx.Account(addr(t, "alice@a.example"))
			a.Patient = is
			if err != nil {
				return err
			}
			return tx.PutAccount(a)
		})
	}
	patient(true)
	equal(t, "signers", signersOf(s, "Alice@a.example"), nil)
	equal(t, "encrypted to", encryptedTo(s, "Alice@a.example"), nil)
	equal(t, "signers of another", signersOf(s, "bob@a.example"), []string{"a.example"})

	own := w.root.Leaf("alice@a.example")
	s.addKey("alice@a.example", own)
	equal(t, "signers", signersOf(s, "alice@a.example"), []string{"alice@a.example"})
	equal(t, "encrypted to", encryptedTo(s, "alice@a.example"), []string{"alice@a.example"})

	s.addKey("alice@a.example", own, func(k *store.Key) { k.Retired = s.Now() })
	equal(t, "signers, retired", signersOf(s, "alice@a.example"), nil)
	equal(t, "encrypted to, retired", encryptedTo(s, "alice@a.example"), nil)
	patient(false)
	equal(t, "signers of one who is no patient", signersOf(s, "alice@a.example"), []string{"a.example"})
}
