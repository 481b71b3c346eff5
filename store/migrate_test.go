package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// schema1 unpacks the store that a program of schema 1 wrote.
func schema1(t *testing.T) (path string, o Options) {
	t.Helper()
	packed, err := os.Open("testdata/schema1/store.db.gz")
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
	key, err := os.ReadFile("testdata/schema1/test-only-master.key")
	if err != nil {
		t.Fatal(err)
	}
	o.MasterKey, err = parseMasterKey(string(key))
	if err != nil {
		t.Fatal(err)
	}
	return path, o
}

// A store of schema 1 is carried to the newest schema when it is opened, with
// all that it holds, and can then hold what is new.
func TestAStoreOfSchema1IsCarriedOn(t *testing.T) {
	path, o := schema1(t)
	db, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	s := &testStore{DB: db, path: path, options: o}
	t.Cleanup(func() { s.Close() })
	for range 2 {
		report, err := s.Check(context.Background())
		if err != nil || len(report.Problems) > 0 {
			t.Fatalf("Check: %v, %q", err, report.Problems)
		}
		if report.Schema != schemaVersion || report.Domains != 1 || report.Accounts != 1 || report.Keys != 1 ||
			report.Anchors != 1 || report.Messages != 1 || report.Jobs != 1 || report.Tracks != 1 || report.Bodies != 1 {
			t.Errorf("after the migration the store holds %+v", report)
		}
		s.reopen(t)
	}
	err = s.Update(context.Background(), func(tx Tx) error {
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
		err = tx.PutDocument(Document{Key: "k", Body: []byte("b"), Expires: time.Unix(0, 0)})
		if err != nil {
			return err
		}
		return tx.PutKeyRequest(KeyRequest{ID: keys[0].Fingerprint, Owner: "b.example", PKCS8: keys[0].PKCS8})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A migration that fails leaves the store as it was.
func TestAMigrationThatFailsChangesNothing(t *testing.T) {
	path, o := schema1(t)
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

// A backup holds keys that wait for a certificate, and documents.
func TestABackupHoldsKeyRequestsAndDocuments(t *testing.T) {
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
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
