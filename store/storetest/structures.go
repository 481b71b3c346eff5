package storetest

import (
	"errors"

	"postern/store"
)

func structureTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"AMailboxKeepsItsUse":             mailboxUse,
		"AStructureComesBack":             structureKept,
		"AStructureGoesWithItsBody":       structureGone,
		"AStructureNeedsABody":            structureAlone,
		"AStructureMayComeWithItsBody":    structureAtOnce,
		"AStructureThatIsTooLongIsNoMore": structureLong,
	}
}

func (s *suite) structure(id store.BodyID) (got []byte, err error) {
	s.Helper()
	viewed := s.View(s.ctx, func(tx store.Tx) error {
		got, err = tx.Structure(id)
		return nil
	})
	return got, errors.Join(viewed, err)
}

func structureKept(s *suite) {
	m := s.deliver(s.mailbox(store.Inbox).ID, "text")
	_, err := s.structure(m.Body)
	s.is(err, store.ErrNotFound)
	for _, want := range []string{"first", "", "another one that is longer"} {
		s.update(func(tx store.Tx) error { return tx.PutStructure(m.Body, []byte(want)) })
		got, err := s.structure(m.Body)
		s.must(err)
		s.equal(string(got), want)
	}
	s.view(func(tx store.Tx) error {
		s.is(tx.PutStructure(m.Body, nil), store.ErrReadOnly)
		return nil
	})
	s.sound()
}

func structureGone(s *suite) {
	box, other := s.mailbox(store.Inbox), s.mailbox("other")
	m := s.deliver(box.ID, "text")
	s.update(func(tx store.Tx) error {
		_, err := tx.Append(other.ID, m)
		return errors.Join(err, tx.PutStructure(m.Body, []byte("it")))
	})
	s.update(func(tx store.Tx) error { return tx.Expunge(box.ID, m.UID) })
	_, err := s.structure(m.Body)
	s.must(err)
	s.update(func(tx store.Tx) error { return tx.RemoveMailbox(other.ID) })
	_, err = s.structure(m.Body)
	s.is(err, store.ErrNotFound)
	s.gone(m.Body)
	s.sound()
}

func structureAlone(s *suite) {
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.PutStructure(7, []byte("it")) }), store.ErrNotFound)
}

func structureAtOnce(s *suite) {
	box := s.mailbox(store.Inbox)
	w := s.body([]byte("text"))
	defer w.Discard()
	var id store.BodyID
	s.update(func(tx store.Tx) (err error) {
		id, err = tx.PutBody(w)
		if err != nil {
			return err
		}
		_, err = tx.Append(box.ID, store.Message{Body: id})
		return errors.Join(err, tx.PutStructure(id, []byte("it")))
	})
	got, err := s.structure(id)
	s.must(err)
	s.equal(string(got), "it")
	s.sound()
}

func structureLong(s *suite) {
	m := s.deliver(s.mailbox(store.Inbox).ID, "text")
	s.update(func(tx store.Tx) error { return tx.PutStructure(m.Body, make([]byte, store.MaxStructure)) })
	if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutStructure(m.Body, make([]byte, store.MaxStructure+1)) }) == nil {
		s.Error("a structure of any length is kept")
	}
	s.sound()
}

func mailboxUse(s *suite) {
	box := s.mailbox("Out")
	s.update(func(tx store.Tx) error {
		return errors.Join(tx.UseMailbox(box.ID, `\Sent`), tx.RenameMailbox(box.ID, "Gone"))
	})
	s.view(func(tx store.Tx) error {
		got, err := tx.Mailbox(box.ID)
		s.equal(got.Use, `\Sent`)
		s.is(tx.UseMailbox(box.ID, ""), store.ErrReadOnly)
		return err
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.UseMailbox(99, "") }), store.ErrNotFound)
	s.sound()
}
