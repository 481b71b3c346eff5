package care

import (
	"errors"
	"strings"
	"testing"
	"time"

	"postern/mime"
	"postern/store"
)

// deliver puts n messages to an account's mailbox, each with a track.
func (s *rig) deliver(account, box string, n int) {
	s.t.Helper()
	body, err := s.Store.NewBody(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer body.Discard()
	_, err = body.Write([]byte("Jane Doe"))
	if err != nil {
		s.t.Fatal(err)
	}
	var tracks []store.TrackID
	for range n {
		tracks = append(tracks, s.life(s.Now(), store.TrackDelivered))
	}
	s.update(func(tx store.Tx) error {
		id, err := tx.PutBody(body)
		if err != nil {
			return err
		}
		m, err := tx.MailboxByName(addr(s.t, account), box)
		if errors.Is(err, store.ErrNotFound) {
			m, err = tx.CreateMailbox(addr(s.t, account), box)
		}
		for _, track := range tracks {
			_, appendErr := tx.Append(m.ID, store.Message{Body: id, Received: s.Now(), Track: track})
			err = errors.Join(err, appendErr)
		}
		return err
	})
}

// read marks a message of INBOX as read now.
func (s *rig) read(account, box string, uids ...uint32) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		m, err := tx.MailboxByName(addr(s.t, account), box)
		for _, uid := range uids {
			_, _, markErr := tx.MarkFetched(m.ID, uid, s.Steady())
			err = errors.Join(err, markErr)
		}
		return err
	})
}

func (s *rig) left(account, box string) (n int) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		m, err := tx.MailboxByName(addr(s.t, account), box)
		n = int(m.Messages)
		return err
	})
	return n
}

func (s *rig) retain(d mime.Domain, keep time.Duration) {
	s.t.Helper()
	s.update(func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: d, Retention: keep}) })
}

// What was read leaves after the time of its domain; what was not stays and is told.
func TestMailLeavesAfterItWasRead(t *testing.T) {
	s := newRig(t)
	s.accounts("alice@a.example", "bob@b.example")
	s.retain("a.example", 10*day)
	s.deliver("alice@a.example", store.Inbox, 3)
	s.deliver("alice@a.example", "Archive/Jane Doe", 2)
	s.deliver("bob@b.example", store.Inbox, 2)
	var first store.Message
	s.view(func(tx store.Tx) error {
		box, err := tx.MailboxByName(addr(t, "alice@a.example"), store.Inbox)
		if err != nil {
			return err
		}
		first, err = tx.Message(box.ID, 1)
		return err
	})
	s.clock.Advance(20 * day)
	s.read("alice@a.example", store.Inbox, 1)
	s.read("alice@a.example", "Archive/Jane Doe", 1, 2)
	s.read("bob@b.example", store.Inbox, 1, 2)
	s.tidied()
	equal(t, "read only now", s.left("alice@a.example", store.Inbox), 3)
	equal(t, "unread", s.Stats(t.Context()).Unread, 2)

	s.clock.Advance(10*day + time.Second)
	s.log.Take()
	s.tidied()
	equal(t, "alice's INBOX", s.left("alice@a.example", store.Inbox), 2)
	equal(t, "her archive", s.left("alice@a.example", "Archive/Jane Doe"), 0)
	equal(t, "bob's INBOX", s.left("bob@b.example", store.Inbox), 2)
	equal(t, "counted", s.Stats(t.Context()).Expired, 3)
	if !strings.Contains(s.log.String(), "messages=2") || strings.Contains(s.log.String(), "Jane") {
		t.Errorf("the log: %s", s.log.String())
	}
	s.clock.Advance(time.Hour)
	s.log.Take()
	s.tidied()
	equal(t, "told again the same day", s.log.String(), "")

	s.view(func(tx store.Tx) error {
		events, err := tx.Events(first.Track)
		equal(t, "events", events[len(events)-1].Detail, "left the mailbox: read more than 10d ago, UID 1")
		return err
	})
}

// Many messages go in several transactions.
func TestMuchMailLeaves(t *testing.T) {
	s := newRig(t)
	s.accounts("alice@a.example")
	s.retain("a.example", day)
	const n = 2*messagesAtOnce + 7
	s.deliver("alice@a.example", store.Inbox, n)
	var uids []uint32
	for uid := range uint32(n) {
		uids = append(uids, uid+1)
	}
	s.read("alice@a.example", store.Inbox, uids...)
	s.clock.Advance(2 * day)
	s.tidied()
	equal(t, "left", s.left("alice@a.example", store.Inbox), 0)
}

func TestDays(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "forever", 90 * day: "90d", 36 * time.Hour: "36h0m0s"} {
		equal(t, "text", Days(d), want)
	}
}
