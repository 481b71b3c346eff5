package storetest

import (
	"context"
	"fmt"
	"time"

	"postern/store"
)

func mailboxTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"InboxIsMatchedWithoutRegardToCase":      inbox,
		"MailboxesAreListedByNameInboxFirst":     mailboxList,
		"AMailboxMadeAnewHasAGreaterUIDValidity": uidValidity,
		"RenameTakesChildrenAlong":               rename,
		"RemoveMailboxTakesItsMessagesAlong":     removeMailbox,
		"AMailboxOfManyMessagesIsRemovedToo":     removeBigMailbox,
		"UIDsGrowAndAreNeverUsedAgain":           uids,
		"CountsAreKept":                          counts,
		"FlagsAreSortedAndOnce":                  flags,
		"EqualFlagsChangeNothing":                equalFlags,
		"ChangesNameEachUIDOnce":                 changes,
		"OldChangesArePruned":                    pruned,
		"WaitMailboxWakesOnAChange":              waitMailbox,
		"WaitMailboxEndsWithTheMailbox":          waitRemoved,
		"EachMessageBeginsAndEndsWhereTold":      eachMessage,
	}
}

func inbox(s *suite) {
	box := s.mailbox("inbox")
	s.equal(box.Name, "INBOX")
	s.is(s.Update(s.ctx, func(tx store.Tx) error {
		_, err := tx.CreateMailbox(s.address("DOCTOR@b.example"), "InBox")
		return err
	}), store.ErrExists)
	s.view(func(tx store.Tx) error {
		got, err := tx.MailboxByName(s.address("doctor@b.example"), "iNBOX")
		s.equal(got, box)
		return err
	})
}

func mailboxList(s *suite) {
	for _, name := range []string{"Zoo", "INBOX", "Archive", "Archive/2026"} {
		s.mailbox(name)
	}
	s.update(func(tx store.Tx) error {
		_, err := tx.CreateMailbox(s.address("doctor2@b.example"), "Other")
		return err
	})
	s.names("INBOX", "Archive", "Archive/2026", "Zoo")
}

func (s *suite) names(want ...string) {
	s.Helper()
	var names []string
	s.view(func(tx store.Tx) error {
		all, err := tx.Mailboxes(s.address("doctor@b.example"))
		for _, m := range all {
			names = append(names, m.Name)
		}
		return err
	})
	s.equal(names, want)
}

func uidValidity(s *suite) {
	last := s.mailbox("x")
	for range 3 {
		s.update(func(tx store.Tx) error { return tx.RemoveMailbox(last.ID) })
		next := s.mailbox("x")
		if next.UIDValidity <= last.UIDValidity || next.ID == last.ID {
			s.Fatalf("%+v after %+v", next, last)
		}
		last = next
	}
}

func rename(s *suite) {
	box := s.mailbox("a")
	child := s.mailbox("a/b")
	s.mailbox("ab")
	s.deliver(child.ID, "text")
	s.update(func(tx store.Tx) error { return tx.RenameMailbox(box.ID, "c/d") })
	s.names("ab", "c/d", "c/d/b")
	s.view(func(tx store.Tx) error {
		m, err := tx.MailboxByName(child.Account, "c/d/b")
		s.equal(m.ID, child.ID)
		s.equal(m.Messages, uint32(1))
		return err
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RenameMailbox(box.ID, "ab") }), store.ErrExists)
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RenameMailbox(999, "x") }), store.ErrNotFound)
	s.sound()
}

func removeMailbox(s *suite) {
	box := s.mailbox("x")
	m := s.deliver(box.ID, "text")
	s.update(func(tx store.Tx) error { return tx.RemoveMailbox(box.ID) })
	s.gone(m.Body)
	s.view(func(tx store.Tx) error {
		_, err := tx.Mailbox(box.ID)
		s.is(err, store.ErrNotFound)
		_, err = tx.Message(box.ID, m.UID)
		s.is(err, store.ErrNotFound)
		s.is(tx.EachMessage(box.ID, 0, func(store.Message) bool { return true }), store.ErrNotFound)
		_, err = tx.Changes(box.ID, 0)
		s.is(err, store.ErrNotFound)
		return nil
	})
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveMailbox(box.ID) }), store.ErrNotFound)
	s.equal(s.sound().Messages, 0)
}

func removeBigMailbox(s *suite) {
	box := s.mailbox("x")
	m := s.deliver(box.ID, "text")
	s.update(func(tx store.Tx) error {
		for range 500 {
			_, err := tx.Append(box.ID, store.Message{Body: m.Body})
			s.must(err)
		}
		return nil
	})
	s.update(func(tx store.Tx) error { return tx.RemoveMailbox(box.ID) })
	s.view(func(tx store.Tx) error {
		_, err := tx.Message(box.ID, m.UID)
		s.is(err, store.ErrNotFound)
		return nil
	})
	s.sound()
}

func uids(s *suite) {
	box := s.mailbox("x")
	for want := range uint32(3) {
		m := s.deliver(box.ID, "text")
		s.equal(m.UID, want+1)
		s.update(func(tx store.Tx) error { return tx.Expunge(box.ID, m.UID) })
	}
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.Expunge(box.ID, 3) }), store.ErrNotFound)
}

func counts(s *suite) {
	box := s.mailbox("x")
	s.deliver(box.ID, "12345")
	s.deliver(box.ID, "123", `\Seen`)
	s.deliver(box.ID, "1")
	s.update(func(tx store.Tx) error {
		_, err := tx.SetFlags(box.ID, 1, []string{`\Seen`, `\Flagged`})
		s.must(err)
		return tx.Expunge(box.ID, 2)
	})
	s.view(func(tx store.Tx) error {
		m, err := tx.Mailbox(box.ID)
		s.equal([]int64{int64(m.Messages), int64(m.Unseen), m.Bytes, int64(m.UIDNext)}, []int64{2, 1, 6, 4})
		return err
	})
	s.sound()
}

func flags(s *suite) {
	box := s.mailbox("x")
	m := s.deliver(box.ID, "text", `\Seen`, "work", `\Answered`, "work")
	s.equal(m.Flags, []string{`\Answered`, `\Seen`, "work"})
	s.equal(m.Size, int64(4))
	s.view(func(tx store.Tx) error {
		got, err := tx.Message(box.ID, m.UID)
		s.equal(got, m)
		return err
	})
}

func equalFlags(s *suite) {
	box := s.mailbox("x")
	m := s.deliver(box.ID, "text", "a", "b")
	s.update(func(tx store.Tx) error {
		same, err := tx.SetFlags(box.ID, m.UID, []string{"b", "a", "a"})
		s.equal(same, m)
		return err
	})
	s.update(func(tx store.Tx) error {
		other, err := tx.SetFlags(box.ID, m.UID, []string{"b"})
		if other.ModSeq <= m.ModSeq {
			s.Errorf("ModSeq %d after %d", other.ModSeq, m.ModSeq)
		}
		return err
	})
}

func changes(s *suite) {
	box := s.mailbox("x")
	for range 4 {
		s.deliver(box.ID, "text")
	}
	var mid store.Mailbox
	s.view(func(tx store.Tx) (err error) {
		mid, err = tx.Mailbox(box.ID)
		return err
	})
	s.update(func(tx store.Tx) error {
		_, err := tx.SetFlags(box.ID, 1, []string{`\Seen`})
		s.must(err)
		s.must(tx.Expunge(box.ID, 2))
		_, err = tx.SetFlags(box.ID, 1, []string{`\Flagged`})
		s.must(err)
		_, err = tx.SetFlags(box.ID, 3, []string{`\Flagged`})
		s.must(err)
		return tx.Expunge(box.ID, 3)
	})
	s.deliver(box.ID, "text")
	n := mid.ModSeq
	late := []store.Change{
		{ModSeq: n + 2, UID: 2, Expunged: true}, {ModSeq: n + 3, UID: 1},
		{ModSeq: n + 5, UID: 3, Expunged: true}, {ModSeq: n + 6, UID: 5},
	}
	s.view(func(tx store.Tx) error {
		got, err := tx.Changes(box.ID, n)
		s.must(err)
		s.equal(got, late)
		got, err = tx.Changes(box.ID, 0)
		s.must(err)
		s.equal(got, append([]store.Change{{ModSeq: n, UID: 4}}, late...))
		got, err = tx.Changes(box.ID, n+6)
		s.must(err)
		s.equal(len(got), 0)
		box, err := tx.Mailbox(box.ID)
		s.equal(box.ModSeq, n+6)
		return err
	})
	s.sound()
}

func pruned(s *suite) {
	const tooMany = 20_000
	box := s.mailbox("x")
	m := s.deliver(box.ID, "text")
	for left := tooMany; left > 0; left -= 1000 {
		s.update(func(tx store.Tx) error {
			for range 1000 {
				m, err := tx.Append(box.ID, store.Message{Body: m.Body})
				s.must(err)
				s.must(tx.Expunge(box.ID, m.UID))
			}
			return nil
		})
	}
	s.view(func(tx store.Tx) error {
		_, err := tx.Changes(box.ID, 1)
		s.is(err, store.ErrPruned)
		now, err := tx.Mailbox(box.ID)
		s.must(err)
		last, err := tx.Changes(box.ID, now.ModSeq-1)
		s.equal(last, []store.Change{{ModSeq: now.ModSeq, UID: now.UIDNext - 1, Expunged: true}})
		return err
	})
	s.sound()
}

func waitMailbox(s *suite) {
	box := s.mailbox("x")
	other := s.mailbox("y")
	s.must(s.WaitMailbox(s.ctx, box.ID, 0))
	done := make(chan error)
	go func() { done <- s.WaitMailbox(s.ctx, box.ID, box.ModSeq) }()
	s.deliver(other.ID, "text")
	select {
	case err := <-done:
		s.Fatalf("woken by another mailbox: %v", err)
	default:
	}
	s.deliver(box.ID, "text")
	s.must(<-done)
	ctx, cancel := context.WithTimeout(s.ctx, time.Millisecond)
	defer cancel()
	s.is(s.WaitMailbox(ctx, box.ID, 1000), context.DeadlineExceeded)
}

func waitRemoved(s *suite) {
	box := s.mailbox("x")
	done := make(chan error)
	go func() { done <- s.WaitMailbox(s.ctx, box.ID, box.ModSeq) }()
	s.update(func(tx store.Tx) error { return tx.RemoveMailbox(box.ID) })
	s.is(<-done, store.ErrNotFound)
}

func eachMessage(s *suite) {
	box := s.mailbox("x")
	s.deliver(s.mailbox("y").ID, "text")
	for range 5 {
		s.deliver(box.ID, "text")
	}
	got := ""
	s.view(func(tx store.Tx) error {
		return tx.EachMessage(box.ID, 2, func(m store.Message) bool {
			got += fmt.Sprint(m.UID)
			return m.UID < 4
		})
	})
	s.equal(got, "234")
}
