package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
)

// storeOf unpacks the store that a program of an earlier schema wrote.
func storeOf(t *testing.T, schema int) (path string, o Options) {
	t.Helper()
	folder := fmt.Sprintf("testdata/schema%d", schema)
	packed, err := os.Open(filepath.Join(folder, "store.db.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer packed.Close()
	r, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	file, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "store.db")
	err = os.WriteFile(path, file, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(folder, "test-only-master.key"))
	if err != nil {
		t.Fatal(err)
	}
	o.MasterKey, err = parseMasterKey(string(key))
	if err != nil {
		t.Fatal(err)
	}
	return path, o
}

// A store of an earlier schema is carried to the newest when it is opened, with
// all that it holds, and can then hold what is new.
func TestAStoreOfAnEarlierSchemaIsCarriedOn(t *testing.T) {
	for schema := 1; schema < schemaVersion; schema++ {
		t.Run(fmt.Sprint(schema), func(t *testing.T) {
			path, o := storeOf(t, schema)
			db, err := Open(path, o)
			if err != nil {
				t.Fatal(err)
			}
			s := &testStore{DB: db, path: path, options: o}
			t.Cleanup(func() { s.Close() })
			want := CheckReport{
				Schema: schemaVersion, Domains: 1, Accounts: 1, Keys: 1, Anchors: 1,
				Messages: 1, Jobs: 1, Tracks: 1, Bodies: 1, Bytes: 9000,
			}
			if schema >= 2 {
				want.KeyRequests, want.Documents = 1, 1
			}
			if schema >= 3 {
				want.Bundles = 1
				want.Jobs, want.Tracks = 2, 2
			}
			if schema >= 4 {
				want.Tracks, want.Audit = 3, 1
			}
			for range 2 {
				report, err := s.Check(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, report); diff != "" {
					t.Errorf("after the migration (-want +got)\n%s", diff)
				}
				s.reopen(t)
			}
			s.holdsTheOld(t)
			s.holdsTheNew(t)
		})
	}
}

// What waited in a store of schema 3 is held up, takes turns and is answered for as
// what came later.
func TestAStoreOfSchema3GetsLanesAndAnswers(t *testing.T) {
	s := openDamaged(t, 3, func(*bolt.Tx) error { return nil })
	s.Pause(RelayJob, "a.example", time.Now().Add(time.Hour))
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := s.Claim(ctx, RelayJob)
	wantError(t, err, context.DeadlineExceeded)
	s.Resume(RelayJob, "a.example")
	j, err := s.Claim(context.Background(), RelayJob)
	if err != nil || j.Lane != "a.example" || j.Flow != "nurse@b.example" {
		t.Fatalf("%+v, %v", j, err)
	}
	err = s.View(context.Background(), func(tx Tx) error {
		k, err := tx.Track(j.Track)
		var told []Answer
		for _, r := range k.Recipients {
			told = append(told, r.Told)
		}
		if diff := cmp.Diff([]Answer{"", ToldFailure}, told); diff != "" {
			t.Errorf("told (-want +got)\n%s", diff)
		}
		found := false
		q := TrackQuery{MessageID: strings.ToUpper(k.MessageID)}
		err = errors.Join(err, tx.EachTrack(q, func(other Track) bool {
			found = found || other.ID == k.ID
			return true
		}))
		if k.MessageID == "" || !found {
			t.Errorf("%q is not found in another case", k.MessageID)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// What a store of schema 4 sent is found by those who may get notifications about it,
// and apart from what others claim to be it.
func TestAStoreOfSchema4FindsWhatItSent(t *testing.T) {
	s := openDamaged(t, 4, func(*bolt.Tx) error { return nil })
	for class, want := range map[TrackClass]int{TrackSent: 1, TrackBelieved: 0, TrackClaimed: 0, "": 1} {
		found := 0
		err := s.View(context.Background(), func(tx Tx) error {
			return tx.EachTrack(TrackQuery{MessageID: "<DESK.1@b.example>", Class: class}, func(Track) bool {
				found++
				return true
			})
		})
		if err != nil || found != want {
			t.Errorf("%d of class %q, %v, want %d", found, class, err, want)
		}
	}
	for owner, want := range map[string][2]int{"nurse@b.example": {1, 0}, "desk@b.example": {0, 1}, "doctor@a.example": {0, 0}} {
		var found [2]int
		err := s.View(context.Background(), func(tx Tx) error {
			for i, q := range []TrackQuery{{SentBy: address(t, owner)}, {AnsweredTo: address(t, owner)}} {
				q.MessageID = "<desk.1@B.example>"
				err := tx.EachTrack(q, func(Track) bool {
					found[i]++
					return true
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || found != want {
			t.Errorf("%d of %s, %v, want %d", found, owner, err, want)
		}
	}
}

// openDamaged opens a store of an earlier schema after a change to its file.
func openDamaged(t *testing.T, schema int, damage func(*bolt.Tx) error) *testStore {
	t.Helper()
	path, o := storeOf(t, schema)
	b, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		err = errors.Join(b.Update(damage), b.Close())
	}
	s := &testStore{path: path, options: o}
	if err == nil {
		s.DB, err = Open(path, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Damage to one job or track of an earlier schema is in the way of no other, and
// Check tells of it.
func TestDamageOfAnEarlierSchemaIsCarriedOn(t *testing.T) {
	garble := func(bucket string) func(*bolt.Tx) error {
		return func(tx *bolt.Tx) error {
			k, _ := in(tx, bucket).Cursor().First()
			return in(tx, bucket).Put(bytes.Clone(k), []byte("{"))
		}
	}
	for name, damage := range map[string]func(*bolt.Tx) error{
		"a job":              garble(bucketJobs),
		"a job of no kind":   func(tx *bolt.Tx) error { return in(tx, bucketJobs).Put(u64(1), []byte(`{"id":1}`)) },
		"a track":            garble(bucketTracks),
		"another id":         func(tx *bolt.Tx) error { return in(tx, bucketTracks).Put([]byte("x"), []byte(`{"id":"y"}`)) },
		"a mailbox":          garble(bucketMailboxes),
		"a count of no jobs": func(tx *bolt.Tx) error { return in(tx, bucketJobCounts).Put([]byte("x"), u64(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openDamaged(t, 3, damage)
			if found := len(s.problems(t)) > 0; found != (name != "a count of no jobs") {
				t.Errorf("Check finds damage: %v", found)
			}
			before := s.total(t, SealJob)
			s.jobOf(t, SealJob)
			if after := s.total(t, SealJob); after.Jobs != before.Jobs+1 {
				t.Errorf("%d jobs were counted, and %d with one more", before.Jobs, after.Jobs)
			}
			_, err := s.Claim(context.Background(), RelayJob)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func (s *testStore) total(t *testing.T, kind JobKind) (total JobTotal) {
	t.Helper()
	err := s.View(context.Background(), func(tx Tx) error {
		totals, err := tx.JobTotals()
		total = totals[kind]
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// holdsTheOld looks at what the stores of earlier schemas have in common.
func (s *testStore) holdsTheOld(t *testing.T) {
	t.Helper()
	err := s.View(context.Background(), func(tx Tx) error {
		keys, err := tx.KeysOf("b.example")
		if err != nil {
			return err
		}
		if len(keys) != 1 || len(keys[0].PKCS8) == 0 || !keys[0].Test || len(keys[0].Chain) != 1 {
			t.Errorf("keys %+v", keys)
		}
		box, err := tx.MailboxByName(address(t, "doctor@b.example"), Inbox)
		if err != nil {
			return err
		}
		message, err := tx.Message(box.ID, 1)
		if err != nil {
			return err
		}
		body, err := s.read(message.Body)
		if err != nil || !bytes.Equal(body, bytes.Repeat([]byte("a record "), 1000)) {
			t.Errorf("the message is another: %d bytes, %v", len(body), err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *testStore) holdsTheNew(t *testing.T) {
	t.Helper()
	err := s.Update(context.Background(), func(tx Tx) error {
		pkcs8 := testPKCS8(t)
		id, err := requestID(pkcs8)
		return errors.Join(err,
			tx.PutDocument(Document{Key: "k", Body: []byte("b"), Expires: time.Unix(0, 0)}),
			tx.PutKeyRequest(KeyRequest{ID: id, Owner: "b.example", PKCS8: pkcs8}),
			tx.PutBundle(Bundle{Name: "b", Attached: []Attachment{{"b.example", In}}}),
			tx.PutBundleState("b", BundleState{Anchors: 1}),
			tx.PutBundleAnchors("b", NewBundleSet([]BundleAnchor{{Certificate: testCertificate(t, "c")}})),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.sound(t)
}

// A migration that fails leaves the store as it was.
func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	path, o := storeOf(t, 1)
	b, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = b.Update(func(tx *bolt.Tx) error { // in the way of the second bucket that is added
		_, err := tx.CreateBucket([]byte(bucketDocuments))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Close()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, o)
	if err == nil {
		t.Fatal("the store was opened")
	}
	b, err = bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = b.View(func(tx *bolt.Tx) error {
		version, err := readSchema(tx)
		if version != 1 || in(tx, bucketKeyRequests) != nil {
			t.Errorf("schema %d, and what the migration began is there", version)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A backup holds keys that wait for a certificate, documents and bundles.
func TestABackupHoldsKeyRequestsDocumentsAndBundles(t *testing.T) {
	s := fullStore(t)
	path := filepath.Join(t.TempDir(), "backup.db")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Backup(context.Background(), f)
	if err != nil {
		t.Fatal(err)
	}
	err = f.Close()
	if err != nil {
		t.Fatal(err)
	}
	db, err := Open(path, s.options)
	if err != nil {
		t.Fatal(err)
	}
	copied := &testStore{DB: db, path: path, options: s.options}
	t.Cleanup(func() { copied.Close() })
	copied.sound(t)
	err = copied.View(context.Background(), func(tx Tx) error {
		requests, err := tx.KeyRequests()
		if err != nil || len(requests) != 1 || len(requests[0].PKCS8) == 0 {
			t.Errorf("key requests %v, %v", requests, err)
		}
		d, err := tx.Document("http://crl.example/1")
		if string(d.Body) != "CRL" {
			t.Errorf("document %+v", d)
		}
		if err != nil {
			return err
		}
		anchors, _, err := tx.BundleAnchors("b")
		if len(anchors) != 1 {
			t.Errorf("%d anchors of the bundle", len(anchors))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
