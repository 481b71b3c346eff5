package mailbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/audit"
	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/mime"
	"postern/pickup"
	"postern/store"
)

// A reading is a store with mail for alice, of which the audit records are kept.
type reading struct {
	store.Store
	t       *testing.T
	account mime.Address
	now     time.Time
	fails   error
	updates int
	trail   []audit.Record
}

// Update notes the records of those transactions that were committed.
func (r *reading) Update(ctx context.Context, fn func(store.Tx) error) error {
	if r.fails != nil {
		return r.fails
	}
	r.updates++
	var trail []audit.Record
	err := r.Store.Update(ctx, func(tx store.Tx) error {
		trail = nil
		return fn(auditing{tx, &trail})
	})
	if err == nil {
		r.trail = append(r.trail, trail...)
	}
	return err
}

type auditing struct {
	store.Tx
	trail *[]audit.Record
}

func (a auditing) Audit(r audit.Record) error {
	*a.trail = append(*a.trail, r)
	return a.Tx.Audit(r)
}

func newReading(t *testing.T, messages int) *reading {
	t.Helper()
	db, err := store.Create(filepath.Join(t.TempDir(), "postern.db"), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	account, err := mime.ParseAddress("alice@a.example")
	if err != nil {
		t.Fatal(err)
	}
	r := &reading{Store: db, t: t, account: account, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	r.must(db.Update(t.Context(), func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: account}) }))
	w, err := db.NewBody(t.Context())
	r.must(err)
	defer w.Discard()
	w.Write([]byte("a record"))
	r.must(db.Update(t.Context(), func(tx store.Tx) error {
		body, err := tx.PutBody(w)
		if err != nil {
			return err
		}
		box, err := tx.MailboxByName(account, store.Inbox)
		for range messages {
			id, idErr := store.NewTrackID(r.now, nil)
			_, appendErr := tx.Append(box.ID, store.Message{Body: body, Track: id})
			err = errors.Join(err, idErr, appendErr, tx.PutTrack(store.Track{ID: id}))
		}
		return err
	}))
	return r
}

func (r *reading) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// session logs in and opens INBOX.
func (r *reading) session() pickup.Mailbox {
	r.t.Helper()
	auth := letIn(r.account)
	b := mailbox.New(r, auth, mailbox.Options{Now: func() time.Time { return r.now }})
	u, err := b.Login(r.t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr("192.0.2.7")}})
	r.must(err)
	return open(r.t, u, store.Inbox)
}

func (r *reading) read(m pickup.Mailbox, add []string, uids ...uint32) []pickup.Message {
	r.t.Helper()
	changed, err := m.Read(r.t.Context(), uids, add)
	r.must(err)
	r.must(m.Took(r.t.Context(), uids))
	return changed
}

func (r *reading) details() (all []string) {
	for _, rec := range r.trail {
		all = append(all, rec.Detail)
	}
	return all
}

// inbox returns the messages and their tracks' events.
func (r *reading) inbox() (all []store.Message, events [][]store.Event) {
	r.t.Helper()
	r.must(r.View(r.t.Context(), func(tx store.Tx) error {
		box, err := tx.MailboxByName(r.account, store.Inbox)
		if err != nil {
			return err
		}
		err = tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			all = append(all, m)
			return true
		})
		for _, m := range all {
			of, eventsErr := tx.Events(m.Track)
			events = append(events, of)
			err = errors.Join(err, eventsErr)
		}
		return err
	}))
	return all, events
}

// The first reading is told in message and track, and each session's in the trail.
func TestReadingIsNotedOnceASession(t *testing.T) {
	r := newReading(t, 3)
	first := r.session()
	r.read(first, nil, 2)
	r.read(first, nil, 2)
	r.now = r.now.Add(time.Hour)
	r.read(first, nil, 1, 2, 3)
	second := r.session()
	r.read(second, nil, 1, 2, 3)
	r.read(second, nil, 3, 1)
	r.read(second, nil, 9)

	want := []string{"over IMAP from 192.0.2.7, UID 2", "over IMAP from 192.0.2.7, UID 1,3", "over IMAP from 192.0.2.7, UID 1:3"}
	if diff := cmp.Diff(want, r.details()); diff != "" {
		t.Errorf("trail: (-want +got)\n%s", diff)
	}
	all, events := r.inbox()
	rec := r.trail[0]
	if rec.Actor != "account:alice@a.example" || rec.Action != audit.Fetched || rec.Object != store.Inbox || rec.Track != string(all[1].Track) {
		t.Errorf("record %+v", rec)
	}
	for i, m := range all {
		at := r.now
		if i == 1 {
			at = at.Add(-time.Hour)
		}
		want := []store.Event{{At: at, Stage: store.StagePickup, Recipient: r.account, Reason: "ok",
			Detail: fmt.Sprintf("read over IMAP from 192.0.2.7, UID %d", m.UID)}}
		if diff := cmp.Diff(want, events[i], cmp.Comparer(func(a, b mime.Address) bool { return a == b })); diff != "" || !m.Fetched.Equal(at) {
			t.Errorf("message %d, read %v: %s", m.UID, m.Fetched, diff)
		}
	}
}

// Flags are set in the transaction that notes the reading.
func TestReadingSetsFlagsAtOnce(t *testing.T) {
	r := newReading(t, 2)
	m := r.session()
	before := r.updates
	changed := r.read(m, []string{`\Seen`}, 1, 2)
	if len(changed) != 2 || r.updates != before+2 { // with what was sent
		t.Errorf("%d changed in %d transactions", len(changed), r.updates-before)
	}
	changed = r.read(m, []string{`\Seen`}, 1, 2)
	if len(changed) != 0 || len(r.trail) != 1 {
		t.Errorf("again: %d changed, %d records", len(changed), len(r.trail))
	}
}

// A thousand messages are a few transactions, and each record has all its UIDs.
func TestReadingManyIsAFewTransactions(t *testing.T) {
	r := newReading(t, 1000)
	var all, odd []uint32
	for uid := range uint32(1000) {
		all = append(all, uid+1)
		if uid%2 == 0 {
			odd = append(odd, uid+1)
		}
	}
	r.read(r.session(), nil, all...)
	if diff := cmp.Diff([]string{"over IMAP from 192.0.2.7, UID 1:500", "over IMAP from 192.0.2.7, UID 501:1000"}, r.details()); diff != "" {
		t.Error(diff)
	}
	r.trail = nil
	r.read(r.session(), nil, odd...)
	if len(r.trail) != 13 {
		t.Errorf("%d records of scattered UIDs", len(r.trail))
	}
	for _, d := range r.details() {
		if len(d) > audit.MaxDetail {
			t.Errorf("a detail of %d bytes", len(d))
		}
	}
}

// A reading that cannot be written down is refused for the time being, and is
// noted when it can be.
func TestReadingThatCannotBeNoted(t *testing.T) {
	r := newReading(t, 1)
	m := r.session()
	for _, fails := range []error{store.ErrFull, errors.New("input/output error"), store.ErrCorrupt} {
		r.fails = fails
		_, err := m.Read(t.Context(), []uint32{1}, nil)
		if !errors.Is(err, pickup.ErrUnavailable) {
			t.Errorf("%v: %v", fails, err)
		}
	}
	r.fails = nil
	r.read(m, nil, 1)
	if len(r.trail) != 1 {
		t.Errorf("%d records", len(r.trail))
	}
}

// A track that was pruned keeps nobody from reading.
func TestReadingWithoutATrack(t *testing.T) {
	r := newReading(t, 1)
	all, _ := r.inbox()
	r.must(r.Update(t.Context(), func(tx store.Tx) error {
		_, err := tx.RemoveTrack(all[0].Track)
		return err
	}))
	r.read(r.session(), nil, 1)
	if len(r.trail) != 1 {
		t.Errorf("%d records", len(r.trail))
	}
}

// What the sender of a message has of it in his mailbox is a notice about it: that
// he read it is not that its recipient did.
func TestReadingANotice(t *testing.T) {
	r := newReading(t, 1)
	all, _ := r.inbox()
	r.must(r.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutTrack(store.Track{ID: all[0].Track, Outbound: true, Sender: r.account})
	}))
	r.read(r.session(), nil, 1)
	_, events := r.inbox()
	if len(events[0]) != 1 || !strings.HasPrefix(events[0][0].Detail, "its sender read the notice over IMAP from 192.0.2.7") {
		t.Errorf("events: %+v", events[0])
	}
}

// What a session has read is known in any order of UIDs.
func TestReadingInAnyOrder(t *testing.T) {
	const n = 300
	r := newReading(t, n)
	m := r.session()
	random := rand.New(rand.NewPCG(1, 2))
	known := make(map[uint32]bool)
	for range 200 {
		var some []uint32
		fresh := 0
		for range 1 + random.IntN(5) {
			uid := 1 + random.Uint32N(n)
			some = append(some, uid)
			if !known[uid] {
				known[uid] = true
				fresh++
			}
		}
		before := len(r.trail)
		r.read(m, nil, some...)
		if (len(r.trail) > before) != (fresh > 0) {
			t.Fatalf("UIDs %v, %d of them new: %d records", some, fresh, len(r.trail)-before)
		}
	}
}

// What was about to be read and was not sent is not marked as read.
func TestWhatWasNotSentIsNotRead(t *testing.T) {
	r := newReading(t, 2)
	m := r.session()
	_, err := m.Read(t.Context(), []uint32{1, 2}, nil)
	r.must(err)
	r.must(m.Took(t.Context(), []uint32{1}))
	all, events := r.inbox()
	if all[0].Fetched.IsZero() || !all[1].Fetched.IsZero() || len(events[0]) != 1 || len(events[1]) != 0 {
		t.Errorf("read: %v, %v", all, events)
	}
	if len(r.trail) != 1 {
		t.Errorf("%d records", len(r.trail))
	}
}

// A search of bodies is recorded once a session, marks nothing, and is refused
// when it cannot be recorded.
func TestSearchingIsRecorded(t *testing.T) {
	r := newReading(t, 2)
	m := r.session()
	r.fails = store.ErrFull
	if err := m.Searching(t.Context(), 2); !errors.Is(err, pickup.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	r.fails = nil
	r.must(m.Searching(t.Context(), 2))
	r.must(m.Searching(t.Context(), 2))
	r.must(r.session().Searching(t.Context(), 1))
	want := []string{"the bodies of 2 messages, over IMAP from 192.0.2.7", "the bodies of 1 messages, over IMAP from 192.0.2.7"}
	if diff := cmp.Diff(want, r.details()); diff != "" || r.trail[0].Action != audit.Searched {
		t.Errorf("%s, %v", diff, r.trail)
	}
	all, _ := r.inbox()
	if !all[0].Fetched.IsZero() {
		t.Error("a search marks what it looks into")
	}
}
