package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
)

func fuzzRing() *keyring {
	return &keyring{keys: map[uint32][]byte{1: make([]byte, keySize)}, active: 1}
}

// FuzzSealedRecord: what was not sealed does not open, and never panics.
func FuzzSealedRecord(f *testing.F) {
	sealed, err := fuzzRing().sealRecord(keyPurpose, []byte("id"), []byte("plain"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte{})
	f.Add(make([]byte, sealedStart+tagSize))
	f.Fuzz(func(t *testing.T, record []byte) {
		plain, err := fuzzRing().openRecord(keyPurpose, []byte("id"), record)
		if err == nil && string(plain) != "plain" {
			t.Errorf("%x opened as %q", record, plain)
		}
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%x: %v", record, err)
		}
	})
}

// FuzzBodyRecord: a record decodes to what encodes the same, with chunks that
// add up to its size.
func FuzzBodyRecord(f *testing.F) {
	f.Add((&bodyRecord{keyID: 1, chunkSize: 256 << 10, size: 1 << 20, refs: 2}).encode())
	f.Add((&bodyRecord{chunkSize: 1, size: 1<<32 - 1}).encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, record []byte) {
		r, err := decodeBodyRecord(record)
		if err != nil {
			return
		}
		if !bytes.Equal(r.encode(), record) {
			t.Errorf("%x became %x", record, r.encode())
		}
		last := r.chunks() - 1
		if int64(last)*int64(r.chunkSize)+int64(r.chunkLen(last)) != r.size {
			t.Errorf("%+v: %d chunks, the last of %d", r, r.chunks(), r.chunkLen(last))
		}
	})
}

// FuzzRecords: records of strangers' making decode or fail, and what decodes
// can be stored again.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"id":1,"kind":"seal","sender":"a@b.example","recipients":["c@d.example"],"due":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"uid":1,"flags":["\\Seen"],"born":2,"received":"2026-01-02T03:04:05Z"}`))
	f.Add([]byte(`{"fingerprint":"00","sealed":"AAAA"}`))
	f.Add([]byte(`{"account":"@","tombs":-1}`))
	f.Fuzz(func(t *testing.T, record []byte) {
		roundTrip[Job](t, record)
		roundTrip[messageRecord](t, record)
		roundTrip[mailboxRecord](t, record)
		roundTrip[keyRecord](t, record)
		roundTrip[Anchor](t, record)
		roundTrip[Track](t, record)
		roundTrip[Event](t, record)
		_, _ = unwrapKey(NewMasterKey(), record)
	})
}

func roundTrip[T any](t *testing.T, record []byte) {
	v, err := decodeRecord[T]("fuzz", record)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%q: %v", record, err)
		}
		return
	}
	_, err = json.Marshal(v)
	if err != nil {
		t.Errorf("%q cannot be stored again: %v", record, err)
	}
}

// FuzzMasterKeyFile: a file is a key or an error that does not quote it.
func FuzzMasterKeyFile(f *testing.F) {
	f.Add(masterKeyPrefix + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")
	f.Add(masterKeyPrefix)
	f.Fuzz(func(t *testing.T, file string) {
		k, err := parseMasterKey(file)
		if (k == nil) != (err != nil) {
			t.Errorf("%v, %v", k, err)
		}
	})
}

// FuzzMailboxName: whatever is accepted is the name it is found by.
func FuzzMailboxName(f *testing.F) {
	f.Add("inbox/Über")
	f.Add("a//b")
	f.Fuzz(func(t *testing.T, name string) {
		once := mailboxName(name)
		if checkMailboxName(once) == nil && mailboxName(once) != once {
			t.Errorf("%q became %q and %q", name, once, mailboxName(once))
		}
	})
}
