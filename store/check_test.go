package store

import (
	"context"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
	"postern/mime"
)

// full returns a store with something in every bucket.
func fullStore(t testing.TB) *testStore {
	t.Helper()
	s := newTestStore(t, Options{chunkSize: 4 << 10})
	id := s.add(t, text(10<<10))
	err := s.Update(context.Background(), func(tx Tx) error {
		der := testCertificate(t, "c")
		anchor := Anchor{Source: ManualSource, Certificate: der, Fingerprint: FingerprintOf(der), Direction: In}
		key := Key{Owner: "b.example", Certificate: der, Fingerprint: FingerprintOf(der), PKCS8: testPKCS8(t)}
		a := address(t, "a@b.example")
		k := TrackID("01ARZ3NDEKTSV4RRFFQ69G5FAV")
		pkcs8 := testPKCS8(t)
		request, err := requestID(pkcs8)
		if err != nil {
			return err
		}
		for _, err := range []error{
			tx.PutKeyRequest(KeyRequest{ID: request, Owner: "b.example", PKCS8: pkcs8}),
			tx.PutDocument(Document{Key: "http://crl.example/1", Body: []byte("CRL")}),
			tx.PutDomain(Domain{Name: "b.example"}), tx.PutAccount(Account{Address: a}),
			tx.PutAlias(Alias{Address: address(t, "b@b.example"), Members: []mime.Address{a}}),
			tx.PutAlias(Alias{Address: address(t, "d@b.example"), Members: []mime.Address{a}}), tx.RemoveAlias(address(t, "d@b.example")),
			tx.PutSentAs(SentAs{Address: address(t, "c@b.example"), Account: a}),
			tx.PutAnchor(anchor), tx.PutKey(key),
			tx.PutTrack(Track{ID: k, MessageID: "<1@a.example>", Outbound: true, Sender: a, Recipients: []TrackRecipient{{Address: a}}}),
			tx.AddEvent(k, Event{Stage: "accept"}),
			tx.PutDelivered(DeliveryKey{1}, Delivery{Track: k, At: time.Unix(1, 0)}),
			tx.PutCertCache(CertCache{Name: "certificate", Data: []byte("d")}),
			tx.PutRequest(RequestKey{1}, Request{Track: k, At: time.Unix(1, 0)}),
			tx.Audit(audit.Record{Action: audit.Started}), tx.Audit(audit.Record{Action: audit.Stopped}),
			tx.PutBundle(Bundle{Name: "b", URL: "https://b.example/b", Signer: der, Attached: []Attachment{{"", In}}}),
			tx.PutBundleState("b", BundleState{Anchors: 1}),
			tx.PutHook(Hook{ID: "hook", Account: a, URL: "https://app.example", Secret: []byte("key")}),
			tx.PutAccess(Access{ID: PasswordAccess, Account: a, Kind: PasswordKind, Sum: FingerprintOf(der), Keys: ScramKeys{StoredKey: []byte("key")}}),
			tx.PutAccess(Access{ID: "k3x9qa", Account: a, Kind: Token, Sum: FingerprintOf(der)}),
			tx.PutLastUse(a, PasswordAccess, LastUse{At: time.Unix(1, 0)}), tx.PutLastUse(a, "k3x9qa", LastUse{At: time.Unix(1, 0)}),
			tx.PutEdge(Edge{Owner: "b.example", Host: "ehr.example", Port: 25, User: "hisp", Password: []byte("password")}),
			tx.PutBundleAnchors("b", NewBundleSet([]BundleAnchor{{Certificate: der, Policies: []string{"1.2.3"}}})),
		} {
			if err != nil {
				return err
			}
		}
		_, err = tx.Enqueue(Job{Kind: PushJob, Due: time.Unix(4, 0), Body: id, Push: Push{Account: a}, Track: k})
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(Job{Kind: HookJob, Due: time.Unix(3, 0), Sender: a, Hook: "hook", Track: k})
		if err != nil {
			return err
		}
		box, err := tx.MailboxByName(a, Inbox)
		for range 3 {
			if err == nil {
				_, err = tx.Append(box.ID, Message{Body: id, Received: time.Unix(0, 0)})
			}
		}
		if err == nil {
			_, err = tx.SetFlags(box.ID, 1, []string{seen})
		}
		if err == nil {
			err = tx.Expunge(box.ID, 2)
		}
		if err == nil {
			_, _, err = tx.MarkFetched(box.ID, 3, time.Unix(2, 0))
		}
		if err == nil {
			err = tx.PutStructure(id, []byte("structure"))
		}
		if err == nil {
			_, err = tx.Checkpoint()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s.sound(t)
	return s
}

// A bucket that the tests of Check know nothing of would not be checked by any.
func TestTheFullStoreIsFull(t *testing.T) {
	s := fullStore(t)
	err := s.view(func(tx *tx) error {
		for _, name := range buckets() {
			if k, _ := tx.in(name).Cursor().First(); k == nil && name != bucketLoose && name != bucketDoomed {
				t.Errorf("the bucket %s is empty", name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Every record of every bucket is removed, garbled and put under another key,
// one at a time, and Check sees each.
func TestCheckSeesAnyDamage(t *testing.T) {
	s := fullStore(t)
	damages := map[string]func(b *bolt.Bucket, k, v []byte) error{
		"removed": func(b *bolt.Bucket, k, _ []byte) error { return b.Delete(k) },
		"garbled": func(b *bolt.Bucket, k, v []byte) error { return b.Put(k, append([]byte("!"), v...)) },
		"renamed": func(b *bolt.Bucket, k, v []byte) error {
			other := append([]byte(nil), k...)
			other[len(other)-1] ^= 1
			err := b.Put(other, v)
			if err != nil {
				return err
			}
			return b.Delete(k)
		},
	}
	for _, name := range buckets() {
		if name == bucketMeta {
			continue // Open reads it
		}
		for damage, change := range damages {
			if damage == "garbled" && indexWithoutValue(name) {
				continue
			}
			if damage == "renamed" && name == bucketEvents {
				continue // the number of an event tells nothing but the order
			}
			if damage == "removed" && (name == bucketStructures || name == bucketSentAs || name == bucketLastUse) {
				continue // it is made anew
			}
			for n := 0; s.damaged(t, name, n, change, name+" "+damage); n++ {
			}
		}
	}
}

// indexWithoutValue says whether the values of a bucket mean nothing.
func indexWithoutValue(name string) bool {
	switch name {
	case bucketKeyOwners, bucketMessageIDs, bucketTrackNames, bucketDeliveredTimes, bucketRequestTimes, bucketFetched, bucketDoomed, bucketLoose:
		return true
	}
	return false
}

// damaged damages the record of a number in a copy of the store. It returns
// false when there is none.
func (s *testStore) damaged(t testing.TB, bucket string, n int, change func(b *bolt.Bucket, k, v []byte) error, what string) bool {
	t.Helper()
	found := false
	c := &checker{ctx: context.Background(), refs: make(map[BodyID]uint32)}
	b, err := s.bolt.Begin(true)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Rollback()
	c.tx = &tx{bolt: b, db: s.DB}
	cursor := in(b, bucket).Cursor()
	i := 0
	for k, v := cursor.First(); k != nil; k, v = cursor.Next() {
		if v == nil {
			continue // a chunk: see TestChangedBodiesAreCorrupt
		}
		if i == n {
			found = true
			err := change(in(b, bucket), append([]byte(nil), k...), append([]byte(nil), v...))
			if err != nil {
				t.Fatal(err)
			}
			break
		}
		i++
	}
	if !found {
		return false
	}
	err = c.checkRecords()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if len(c.report.Problems)+len(c.found.counts) == 0 && !harmless(what) {
		t.Errorf("%s, record %d: Check sees nothing", what, n)
	}
	return true
}

// harmless names damages after which the store is as consistent as before.
func harmless(what string) bool {
	switch what {
	case "domains removed", "accounts removed", "anchors removed", "events removed", "keyrequests removed",
		"bundlestates removed", "bundleanchors removed":
		return true // nothing refers to them
	}
	return false
}

// What was stored well and cannot be read all the same is left out by the
// gateway: Check tells of it.
func TestCheckTellsOfCertificatesThatCannotBeRead(t *testing.T) {
	good, bad := testCertificate(t, "c"), []byte("no certificate")
	for name, put := range map[string]func(Tx) error{
		"an anchor": func(tx Tx) error {
			return tx.PutAnchor(Anchor{Source: ManualSource, Certificate: bad, Fingerprint: FingerprintOf(bad), Direction: In})
		},
		"a key's": func(tx Tx) error {
			return tx.PutKey(Key{Owner: "b.example", Certificate: bad, Fingerprint: FingerprintOf(bad), PKCS8: testPKCS8(t)})
		},
		"one of a chain": func(tx Tx) error {
			return tx.PutKey(Key{Owner: "b.example", Certificate: good, Fingerprint: FingerprintOf(good),
				Chain: [][]byte{good, bad}, PKCS8: testPKCS8(t)})
		},
		"a bundle's": func(tx Tx) error {
			err := tx.PutBundle(Bundle{Name: "b"})
			if err != nil {
				return err
			}
			return tx.PutBundleAnchors("b", NewBundleSet([]BundleAnchor{{Certificate: good}, {Certificate: bad}}))
		},
		"a bundle's signer": func(tx Tx) error { return tx.PutBundle(Bundle{Name: "b", Signer: bad}) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestStore(t, Options{})
			err := s.Update(context.Background(), put)
			if err != nil {
				t.Fatal(err)
			}
			problems := s.problems(t)
			if len(problems) != 1 || !strings.Contains(problems[0], "cannot be read") {
				t.Errorf("problems %q", problems)
			}
		})
	}
}

func TestCheckEndsWithItsContext(t *testing.T) {
	s := fullStore(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Check(ctx)
	wantError(t, err, context.Canceled)
}

func TestCheckReportIsBounded(t *testing.T) {
	c := &checker{}
	for range 2 * maxProblems {
		c.problem("again")
	}
	if n := len(c.report.Problems); n != maxProblems+1 {
		t.Errorf("%d problems", n)
	}
}

// What stands beside the records is checked as well.
func TestCheckSeesWhatStandsBeside(t *testing.T) {
	for name, tc := range map[string]struct {
		damage func(tx *bolt.Tx) error
		want   string
	}{
		"a bucket of nobody":     {func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err }, `a bucket "x"`},
		"the count of mailboxes": {func(tx *bolt.Tx) error { return in(tx, bucketMailboxes).SetSequence(0) }, "mailboxes: 1 is there"},
		"the last UIDVALIDITY":   {func(tx *bolt.Tx) error { return in(tx, bucketMailboxNames).SetSequence(1) }, "is counted as the last"},
		"the last job":           {func(tx *bolt.Tx) error { return in(tx, bucketJobs).SetSequence(0) }, "jobs: 1 is there"},
		"the last era":           {func(tx *bolt.Tx) error { return in(tx, bucketMeta).Put([]byte(metaEra), u64(0)) }, "era 0 is counted as the last and there is something of 4"},
		"no era":                 {func(tx *bolt.Tx) error { return in(tx, bucketMeta).Put([]byte(metaEra), u32(0)) }, "the last era"},
		"the last body":          {func(tx *bolt.Tx) error { return in(tx, bucketBodies).SetSequence(0) }, "bodies: 1 is there"},
		"a change of no mailbox": {func(tx *bolt.Tx) error { return in(tx, bucketChanges).Put(u64u64(9, 9), u32(1)) }, "changes"},
		"a tomb of no mailbox":   {func(tx *bolt.Tx) error { return in(tx, bucketTombs).Put(u64u64(9, 9), u32(1)) }, "tombs"},
		"two master keys": {func(tx *bolt.Tx) error {
			return in(tx, bucketDataKeys).Put(u32(2), []byte(`{"master_key":"another","wrapped":""}`))
		}, "data key"},
	} {
		t.Run(name, func(t *testing.T) {
			s := fullStore(t)
			s.raw(t, tc.damage)
			problems := s.problems(t)
			if len(problems) == 0 || !strings.Contains(strings.Join(problems, "\n"), tc.want) {
				t.Errorf("problems %q, want one with %q", problems, tc.want)
			}
		})
	}
}
