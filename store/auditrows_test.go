package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
	"postern/mime"
)

// deed does something and records it.
func (s *testStore) deed(t testing.TB, fn func(tx Tx) error) {
	t.Helper()
	s.transact(t, func(tx Tx) error {
		return errors.Join(fn(tx), tx.Audit(audit.Record{Actor: audit.System, Action: audit.Changed}))
	})
}

const (
	firstTrack = TrackID("01KJV5M2Q8W0ZK3T9D5X7R4BNE")
	otherTrack = TrackID("01KJV5M2Q8W0ZK3T9D5X7R4BNF")
)

// tracked is a message to doctor@b.example.
func tracked(t testing.TB, id TrackID) Track {
	return Track{
		ID: id, MessageID: "<" + string(id) + "@a.example>", Sender: address(t, "nurse@a.example"), Received: time.Unix(1_800_000_000, 5),
		Recipients: []TrackRecipient{{Address: address(t, "doctor@b.example"), State: TrackDelivered, Reason: "ok"}},
	}
}

// house fills a store with what the trail vouches for: two accounts, of which the
// first has a message in its INBOX, and one of her own, and another one queued.
func (s *testStore) house(t testing.TB) {
	t.Helper()
	body := s.add(t, text(10)) // job 1, of nobody
	s.deed(t, func(tx Tx) error {
		doctor, nurse := address(t, "doctor@b.example"), address(t, "nurse@b.example")
		err := errors.Join(
			tx.PutDomain(Domain{Name: "b.example"}),
			tx.PutAccount(Account{Address: doctor, Password: "one"}), tx.PutAccount(Account{Address: nurse, Password: "two"}),
			tx.PutAnchor(anchorOf(t, "first")),
			tx.PutBundle(Bundle{Name: "community"}),
			tx.PutBundleAnchors("community", NewBundleSet([]BundleAnchor{{Certificate: testCertificate(t, "x")}})),
			tx.PutTrack(tracked(t, firstTrack)))
		if err != nil {
			return err
		}
		inbox, err := tx.MailboxByName(doctor, Inbox)
		if err != nil {
			return err
		}
		_, err = tx.Append(inbox.ID, Message{Body: body, Track: firstTrack})
		if err == nil {
			_, err = tx.Append(inbox.ID, Message{Body: body}) // as the owner does
		}
		_, queued := tx.Enqueue(Job{Kind: RelayJob, Body: body, Due: time.Now().Add(time.Hour), Track: firstTrack, Recipients: []mime.Address{doctor}})
		return errors.Join(err, queued)
	})
}

func anchorOf(t testing.TB, name string) Anchor {
	der := testCertificate(t, name)
	return Anchor{Source: ManualSource, Direction: Both, Certificate: der, Fingerprint: FingerprintOf(der)}
}

// edit changes fields of a stored record.
func edit(bucket string, key []byte, change func(fields map[string]any)) func(*bolt.Tx) error {
	return func(b *bolt.Tx) error {
		fields := make(map[string]any)
		err := json.Unmarshal(in(b, bucket).Get(key), &fields)
		if err != nil {
			return err
		}
		change(fields)
		value, err := json.Marshal(fields)
		return errors.Join(err, in(b, bucket).Put(key, value))
	}
}

// move gives a stored record another key.
func move(bucket string, from, to []byte) func(*bolt.Tx) error {
	return func(b *bolt.Tx) error {
		value := bytes.Clone(in(b, bucket).Get(from))
		return errors.Join(in(b, bucket).Delete(from), in(b, bucket).Put(to, value))
	}
}

func drop(bucket string, key []byte) func(*bolt.Tx) error {
	return func(b *bolt.Tx) error { return in(b, bucket).Delete(key) }
}

func both(first, second func(*bolt.Tx) error) func(*bolt.Tx) error {
	return func(b *bolt.Tx) error { return errors.Join(first(b), second(b)) }
}

func put(bucket string, key []byte, record any) func(*bolt.Tx) error {
	return func(b *bolt.Tx) error {
		value, err := json.Marshal(record)
		return errors.Join(err, in(b, bucket).Put(key, value))
	}
}

// Whoever can write the file and has no key of it changes deeds under a trail that
// stays whole: each of them is named.
func TestWhatWasChangedUnderTheTrailIsNamed(t *testing.T) {
	forged := anchorOf(t, "forged")
	message := messageKey(1, 1)
	for name, tt := range map[string]struct {
		attack func(*bolt.Tx) error
		want   []string
	}{
		"nothing":         {func(*bolt.Tx) error { return nil }, nil},
		"an anchor comes": {put(bucketAnchors, anchorKey(ManualSource, "", forged.Fingerprint), forged), []string{"anchor manual * " + forged.Fingerprint.String() + " inserted"}},
		"an anchor goes":  {drop(bucketAnchors, anchorKey(ManualSource, "", anchorOf(t, "first").Fingerprint)), []string{"anchor manual * " + anchorOf(t, "first").Fingerprint.String() + " removed"}},
		"a password":      {edit(bucketAccounts, []byte("nurse@b.example"), func(f map[string]any) { f["password"] = "three" }), []string{"account nurse@b.example changed"}},
		"an account":      {put(bucketAccounts, []byte("eve@b.example"), Account{}), []string{"account eve@b.example inserted"}},
		"a domain":        {edit(bucketDomains, []byte("b.example"), func(f map[string]any) { f["retention"] = 1 }), []string{"domain b.example changed"}},
		"a bundle":        {edit(bucketBundles, []byte("community"), func(f map[string]any) { f["every"] = 1 }), []string{"bundle community changed"}},
		"anchors of one": {func(b *bolt.Tx) error {
			return putAlone(in(b, bucketBundleAnchors), []byte("community"), NewBundleSet(nil).value)
		}, []string{"bundle-anchors community changed"}},
		"a mailbox":         {edit(bucketMailboxes, u64(1), func(f map[string]any) { f["account"] = "nurse@b.example" }), []string{"mailbox 1 changed"}},
		"a message moves":   {move(bucketMessages, message, messageKey(2, 1)), []string{"message 1/1 removed", "message 2/1 inserted"}},
		"a message is hid":  {both(edit(bucketMessages, message, func(f map[string]any) { f["track"] = "" }), move(bucketMessages, message, messageKey(2, 1))), []string{"message 1/1 removed", "message 2/1 inserted"}},
		"a copy is hid":     {put(bucketMessages, messageKey(2, 1), Message{UID: 1, Body: 1}), []string{"message 2/1 inserted"}},
		"an own one moves":  {move(bucketMessages, messageKey(1, 2), messageKey(2, 1)), []string{"message 1/2 removed", "message 2/1 inserted"}},
		"another body":      {edit(bucketMessages, message, func(f map[string]any) { f["body"] = 7 }), []string{"message 1/1 changed"}},
		"a message goes":    {drop(bucketMessages, message), []string{"message 1/1 removed"}},
		"a job goes":        {drop(bucketJobs, u64(2)), []string{"job 2 removed"}},
		"a job comes":       {put(bucketJobs, u64(3), Job{ID: 3}), []string{"job 3 inserted"}},
		"a job is another":  {edit(bucketJobs, u64(2), func(f map[string]any) { f["recipients"] = []string{"eve@e.example"} }), []string{"job 2 changed"}},
		"a track":           {edit(bucketTracks, []byte(firstTrack), func(f map[string]any) { f["sender"] = "eve@e.example" }), []string{"track " + string(firstTrack) + " changed"}},
		"where it stands":   {put(bucketTracks, []byte(firstTrack), Track{ID: firstTrack}), []string{"track " + string(firstTrack) + " changed"}},
		"a track comes":     {put(bucketTracks, []byte(otherTrack), Track{ID: otherTrack}), []string{"the number of tracks changed", "track " + string(otherTrack) + " inserted"}},
		"a track goes":      {drop(bucketTracks, []byte(firstTrack)), []string{"the number of tracks changed"}},
		"what is no record": {func(b *bolt.Tx) error { return in(b, bucketJobs).Put(u64(2), []byte("{")) }, []string{"job 2 changed"}},
		"an odd key":        {func(b *bolt.Tx) error { return in(b, bucketJobs).Put([]byte("\xff"), []byte("{}")) }, []string{"job 0xff inserted"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			s.house(t)
			s.sound(t)
			s.raw(t, tt.attack)
			report := s.verify(t)
			var got []string
			for _, d := range report.Differences {
				got = append(got, d.Row+" "+string(d.Kind))
				if (d.Kind == audit.WasInserted) != (d.Record == 0) || !strings.HasPrefix(d.Error(), d.Row) {
					t.Errorf("%+v: %v", d, d)
				}
				if !slices.Contains(s.problems(t), "audit trail: "+d.Error()) {
					t.Errorf("check does not tell: %v", d)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("differences (-want +got)\n%s", diff)
			}
			if report.Problem != nil || report.Differing != len(tt.want) || report.Whole() != (len(tt.want) == 0) {
				t.Errorf("%+v", report)
			}
		})
	}
}

// With the database's own tools, which count their transactions, both are told: that
// the file was changed, and what.
func TestAChangeWithOtherToolsIsNamed(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := bolt.Open(s.path, 0o600, nil)
	if err == nil {
		err = errors.Join(b.Update(put(bucketAccounts, []byte("eve@b.example"), Account{})), b.Close())
	}
	if err == nil {
		s.DB, err = Open(s.path, s.options)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := s.verify(t)
	want := []audit.Difference{{Row: "account eve@b.example", Kind: audit.WasInserted}}
	if r.Problem == nil || r.Problem.Kind != audit.HeadSetBack || !cmp.Equal(want, r.Differences) {
		t.Errorf("%v, %v", r.Problem, r.Differences)
	}
}

// What a record of an earlier version left is not in the trail, but for the
// directory, of which stock is taken.
func TestAStoreWithoutRowsTakesStock(t *testing.T) {
	path, o := storeOf(t, 3)
	db, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &testStore{DB: db, path: path, options: o}
	t.Cleanup(func() { s.Close() })
	if r := s.verify(t); !r.Whole() || r.Rows != 0 {
		t.Errorf("%+v", r)
	}
	s.audited(t, 1)
	s.reopen(t)
	before := s.verify(t)
	if !before.Whole() || before.Rows < 5 {
		t.Errorf("%+v", before)
	}
	s.raw(t, both(
		put(bucketDomains, []byte("e.example"), Domain{}),
		put(bucketTracks, []byte("00"+firstTrack[2:]), Track{}))) // as old as those before the trail
	want := []audit.Difference{
		{Row: "domain e.example", Kind: audit.WasInserted},
		{Row: "the number of tracks", Kind: audit.WasChanged, Record: 1},
	}
	if diff := cmp.Diff(want, s.verify(t).Differences); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.raw(t, drop(bucketMeta, []byte(metaStock))) // and stock would be taken anew
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// The stock is part of what the end of the trail is sealed over.
func TestAStockThatWasRemovedIsFound(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := s.ring.Load()
	b, err := bolt.Open(s.path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.Update(func(tx *bolt.Tx) error {
		state := stateAt(tx, tx.ID()-1)
		if !before.headFits(tx, state) {
			t.Error("the end did not fit before")
		}
		err := drop(bucketMeta, []byte(metaStock))(tx)
		if before.headFits(tx, stateAt(tx, tx.ID()-1)) {
			t.Error("the end fits without the stock")
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Records that are pruned pass on what they say of rows that still are so.
func TestPruningKeepsWhatTheTrailSaysOfTheStore(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	s.audited(t, 5)
	rows := s.verify(t).Rows
	for range 3 {
		s.transact(t, func(tx Tx) error {
			_, err := tx.PruneAudit(time.Now().Add(time.Hour), 3)
			return err
		})
		if r := s.verify(t); !r.Whole() || r.Rows != rows {
			t.Fatalf("%+v, want %d rows", r, rows)
		}
	}
	s.raw(t, put(bucketAccounts, []byte("eve@b.example"), Account{}))
	if got := s.verify(t).Differing; got != 1 {
		t.Errorf("%d differences", got)
	}
}

// What no record speaks of is noted, as many rows in a record as it may have.
func TestChangesWithoutARecordAreNoted(t *testing.T) {
	s := newTestStore(t, Options{})
	const n = audit.MaxRows + 10
	s.transact(t, func(tx Tx) error {
		for i := range n {
			err := tx.PutDomain(Domain{Name: mime.Domain(fmt.Sprintf("d%d.example", i))})
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.transact(t, func(tx Tx) error { return tx.PutDomain(Domain{Name: "d1.example"}) }) // as it is
	var got []int
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err != nil || e.Action != audit.Noted {
				t.Errorf("%+v, %v", e, err)
			}
			got = append(got, len(e.Rows))
			return true
		})
	})
	if diff := cmp.Diff([]int{audit.MaxRows, 10}, got); err != nil || diff != "" {
		t.Errorf("rows (-want +got)\n%s%v", diff, err)
	}
}

func TestRowsHaveNamesThatLeadBack(t *testing.T) {
	keys := map[string][]string{
		"domain b.example":                      {bucketDomains, "b.example"},
		"account 0xff":                          {bucketAccounts, "\xff"},
		"account 0x3078":                        {bucketAccounts, "0x"},
		"mailbox 7":                             {bucketMailboxes, string(u64(7))},
		"mailbox 0x07":                          {bucketMailboxes, "\x07"},
		"message 7/1":                           {bucketMessages, string(messageKey(7, 1))},
		"message 0x00":                          {bucketMessages, "\x00"},
		"anchor manual * 00ff":                  {bucketAnchors, "manual\x00\x00\x00\xff"},
		"anchor manual a.example 00ff":          {bucketAnchors, "manual\x00a.example\x00\x00\xff"},
		"anchor 0x6d2061000061":                 {bucketAnchors, "m a\x00\x00a"},
		"track " + string(firstTrack):           {bucketTracks, string(firstTrack)},
		"key 0aff":                              {bucketKeys, "\x0a\xff"},
		"domain 0x" + strings.Repeat("61", 600): {bucketDomains, strings.Repeat("a", 600)},
	}
	for name, want := range keys {
		if got := rowName(rowID{want[0], want[1]}); got != name {
			t.Errorf("%q is %q, want %q", want, got, name)
		}
		if got, ok := rowOf(name); !ok || got != (rowID{want[0], want[1]}) {
			t.Errorf("%q leads to %q, %v", name, got, ok)
		}
	}
	for _, bad := range []string{"", "cat 7", "mailbox x", "message 7", "anchor a b", "key x", "job 0xzz"} {
		if _, ok := rowOf(bad); ok {
			t.Errorf("%q leads somewhere", bad)
		}
	}
}

// Whatever the store does, and in whatever order, the trail agrees with it.
func TestTheTrailAgreesWithTheStoreAtAllTimes(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	clock := time.Unix(1_800_000_000, 0)
	deeds := s.deeds(t, r)
	names := slices.Sorted(maps.Keys(deeds))
	for i := range 300 {
		name := names[r.IntN(len(names))]
		clock = clock.Add(time.Duration(r.IntN(7)-3) * time.Hour)
		for range 1 + r.IntN(2) {
			err := s.Update(context.Background(), func(tx Tx) error {
				if r.IntN(2) == 0 {
					err := tx.Audit(audit.Record{At: clock, Action: audit.Changed, Object: name})
					if err != nil {
						return err
					}
				}
				return deeds[name](tx)
			})
			if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrExists) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		switch r.IntN(40) {
		case 0:
			s.reopen(t)
		case 1:
			s.rotate(t)
		case 2:
			_, err := s.compact(t)
			if err == nil {
				s.DB, err = Open(s.path, s.options)
			}
			if err != nil {
				t.Fatal(err)
			}
		case 3:
			s.restore(t, s.backup(t))
		}
		if got := s.verify(t); !got.Whole() {
			t.Fatalf("seed %d, step %d, %s: %v %v", seed, i, name, got.Problem, got.Differences)
		}
	}
	want := s.verify(t)
	err := s.view(func(tx *tx) error { // a share after the other is the same
		for _, atOnce := range []int{1, 7, 1000} {
			got := want
			got.Rows = 0
			stock, err := getRecord[stock](tx, bucketMeta, []byte(metaStock))
			c := &rowCheck{tx: tx, ctx: context.Background(), stock: stock, seed: maphash.MakeSeed(), atOnce: atOnce, report: &got}
			err = errors.Join(err, c.compareAll())
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%d at once (-want +got)\n%s%v", atOnce, diff, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// deeds are changes of all that the trail vouches for, in the house.
func (s *testStore) deeds(t *testing.T, r *rand.Rand) map[string]func(Tx) error {
	nurse, doctor := address(t, "nurse@b.example"), address(t, "doctor@b.example")
	id := func() TrackID { return firstTrack[:25] + TrackID("ABCDEFGH"[r.IntN(8)]) }
	job := func(tx Tx) (job Job, err error) {
		err = ErrNotFound
		_ = tx.EachJob(JobID(r.IntN(60)), func(j Job) bool { job, err = j, nil; return false })
		return job, err
	}
	message := func(tx Tx) (box Mailbox, message Message, err error) {
		box, err = tx.MailboxByName(doctor, Inbox)
		if err != nil {
			return box, message, err
		}
		err = ErrNotFound
		_ = tx.EachMessage(box.ID, uint32(r.IntN(40)), func(m Message) bool { message, err = m, nil; return false })
		return box, message, err
	}
	return map[string]func(Tx) error{
		"track": func(tx Tx) error {
			k := tracked(t, id())
			k.MessageID = "<\xff>"
			k.Recipients[0].State = TrackStates()[r.IntN(5)]
			return tx.PutTrack(k)
		},
		"pruned":  func(tx Tx) error { _, err := tx.RemoveTrack(id()); return err },
		"account": func(tx Tx) error { return tx.PutAccount(Account{Address: nurse, Password: fmt.Sprint(r.IntN(5))}) },
		"removed": func(tx Tx) error { return tx.RemoveAccount(nurse) },
		"anchor":  func(tx Tx) error { return tx.PutAnchor(anchorOf(t, fmt.Sprint(r.IntN(3)))) },
		"no anchor": func(tx Tx) error {
			return tx.RemoveAnchor(ManualSource, "", anchorOf(t, fmt.Sprint(r.IntN(3))).Fingerprint)
		},
		"bundle": func(tx Tx) error { return tx.PutBundle(Bundle{Name: "other", Every: time.Duration(r.IntN(3))}) },
		"fetched": func(tx Tx) error {
			return tx.PutBundleAnchors("other", NewBundleSet([]BundleAnchor{{Certificate: testCertificate(t, fmt.Sprint(r.IntN(3)))}}))
		},
		"no bundle": func(tx Tx) error { return tx.RemoveBundle("other") },
		"finish": func(tx Tx) error {
			j, err := job(tx)
			if err != nil || j.ID == 1 {
				return err
			}
			return tx.Finish(j.ID)
		},
		"hold": func(tx Tx) error {
			j, err := job(tx)
			if err != nil {
				return err
			}
			j.Held, j.Attempts = !j.Held, j.Attempts+1
			return tx.Reschedule(j)
		},
		"enqueue": func(tx Tx) error {
			_, err := tx.Enqueue(Job{Kind: RelayJob, Body: 1, Due: time.Now(), Track: id(), Sender: nurse})
			return err
		},
		"append": func(tx Tx) error {
			box, err := tx.MailboxByName(doctor, Inbox)
			if err != nil {
				return err
			}
			track := id()
			if r.IntN(3) == 0 {
				track = ""
			}
			_, err = tx.Append(box.ID, Message{Body: 1, Track: track})
			return err
		},
		"read": func(tx Tx) error {
			box, m, err := message(tx)
			if err != nil {
				return err
			}
			_, _, err = tx.MarkFetched(box.ID, m.UID, time.Now())
			_, flags := tx.SetFlags(box.ID, m.UID, []string{seen})
			return errors.Join(err, flags)
		},
		"expunge": func(tx Tx) error {
			box, m, err := message(tx)
			if err != nil {
				return err
			}
			return tx.Expunge(box.ID, m.UID)
		},
		"mailbox": func(tx Tx) error { _, err := tx.CreateMailbox(doctor, "A/B"); return err },
		"rename": func(tx Tx) error {
			box, err := tx.MailboxByName(doctor, "A/B")
			if err != nil {
				return err
			}
			return tx.RenameMailbox(box.ID, fmt.Sprint(r.Uint32()))
		},
		"no mailbox": func(tx Tx) error {
			box, err := tx.MailboxByName(doctor, "A/B")
			if err != nil {
				return err
			}
			_, err = tx.Append(box.ID, Message{Body: 1, Track: id()})
			return errors.Join(err, tx.RemoveMailbox(box.ID))
		},
		"prune":      func(tx Tx) error { _, err := tx.PruneAudit(time.Unix(1_900_000_000, 0), 1+r.IntN(20)); return err },
		"checkpoint": func(tx Tx) error { _, err := tx.Checkpoint(); return err },
		"verify": func(tx Tx) error {
			report, err := tx.VerifyAudit(context.Background(), nil)
			if !report.Whole() {
				t.Errorf("in a transaction: %+v", report)
			}
			return err
		},
	}
}

// Tracks that went for their age are most that the trail ever had: they take no place
// among those that are compared at once.
func TestRowsThatWentAreNotHeld(t *testing.T) {
	s := newTestStore(t, Options{})
	for i := range 20 {
		id := TrackID(fmt.Sprintf("01ARZ3NDEKTSV4%012d", i))
		s.deed(t, func(tx Tx) error { return tx.PutTrack(tracked(t, id)) })
		if i > 0 {
			s.transact(t, func(tx Tx) error { _, err := tx.RemoveTrack(id); return err })
		}
	}
	err := s.view(func(tx *tx) error {
		stock, err := getRecord[stock](tx, bucketMeta, []byte(metaStock))
		c := &rowCheck{tx: tx, ctx: context.Background(), stock: stock, seed: maphash.MakeSeed(), atOnce: 1, report: new(audit.Report)}
		err = errors.Join(err, c.compareAll())
		if c.share.of != 1 || c.report.Rows != 1 || c.report.Differing != 0 {
			t.Errorf("one row is compared in %d shares: %+v", c.share.of, c.report)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
