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
