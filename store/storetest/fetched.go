package storetest

import (
	"time"

	"postern/store"
)

func fetchedTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"AMessageIsFirstReadOnce":        firstRead,
		"WhatWasReadIsFoundByTime":       readByTime,
		"AMarkGoesWithItsMessage":        readAndGone,
		"AMarkGoesAlongToOtherMailboxes": readAndCopied,
	}
}

func (s *suite) read(id store.MailboxID, uid uint32, at time.Time) (first bool) {
	s.Helper()
	s.update(func(tx store.Tx) (err error) {
		_, first, err = tx.MarkFetched(id, uid, at)
		return err
	})
	return first
}

// readBefore returns the UIDs of what was first read before a time.
func (s *suite) readBefore(id store.MailboxID, before time.Time) (uids []uint32) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		uids = nil
		return tx.EachFetched(id, before, func(m store.Message) bool {
			uids = append(uids, m.UID)
			return true
		})
	})
	return uids
}

func firstRead(s *suite) {
	box := s.mailbox(store.Inbox)
	m := s.deliver(box.ID, "text")
	s.equal(s.read(box.ID, m.UID, noon()), true)
	s.equal(s.read(box.ID, m.UID, noon().Add(time.Hour)), false)
	s.view(func(tx store.Tx) error {
		got, err := tx.Message(box.ID, m.UID)
		m.Fetched = noon()
		s.equal(got, m)
		_, _, wrong := tx.MarkFetched(box.ID, m.UID, noon())
		s.is(wrong, store.ErrReadOnly)
		return err
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error {
		_, _, err := tx.MarkFetched(box.ID, 9, noon())
		return err
	}), store.ErrNotFound)
	s.sound()
}

func readByTime(s *suite) {
	box, other := s.mailbox(store.Inbox), s.mailbox("other")
	for i := range 4 {
		s.deliver(box.ID, "text")
		s.deliver(other.ID, "text")
		s.read(other.ID, uint32(i+1), noon())
	}
	s.read(box.ID, 3, noon())
	s.read(box.ID, 1, noon().Add(2*time.Hour))
	s.read(box.ID, 4, noon().Add(time.Hour))
	s.equal(s.readBefore(box.ID, noon()), []uint32{})
	s.equal(s.readBefore(box.ID, noon().Add(2*time.Hour)), []uint32{3, 4})
	s.equal(s.readBefore(box.ID, noon().Add(3*time.Hour)), []uint32{3, 4, 1})
	s.sound()
}

func readAndGone(s *suite) {
	box := s.mailbox("a")
	for range 3 {
		m := s.deliver(box.ID, "text")
		s.read(box.ID, m.UID, noon())
	}
	s.update(func(tx store.Tx) error { return tx.Expunge(box.ID, 2) })
	s.equal(s.readBefore(box.ID, noon().Add(1)), []uint32{1, 3})
	s.sound()
	s.update(func(tx store.Tx) error { return tx.RemoveMailbox(box.ID) })
	s.equal(s.readBefore(box.ID, noon().Add(1)), []uint32{})
	s.sound()
}

func readAndCopied(s *suite) {
	box, dest := s.mailbox("a"), s.mailbox("b")
	m := s.deliver(box.ID, "text")
	s.read(box.ID, m.UID, noon())
	s.update(func(tx store.Tx) error {
		read, err := tx.Message(box.ID, m.UID)
		if err != nil {
			return err
		}
		_, err = tx.Append(dest.ID, read)
		return err
	})
	s.equal(s.readBefore(dest.ID, noon().Add(1)), []uint32{1})
	s.sound()
}
