package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// WitnessFile is the file beside the store that has the end of the trail as it was
// at the last checkpoint or clean stop.
const WitnessFile = "audit.end"

// stoppedMark ends the file after a clean stop, as it was written then.
const stoppedMark = "stopped\n"

// witnessText is what is in the file.
func witnessText(sealed []byte, stopped bool) []byte {
	if stopped {
		return append(bytes.Clone(sealed), stoppedMark...)
	}
	return sealed
}

// A witness is that file. One that does not agree with the store is evidence: it
// stays as it is until a restore.
type witness struct {
	path   string // "" is none
	keep   bool   // it agrees with the store, and goes on with it
	forged bool
	found  *audit.Head   // what it said when the store was opened; nil if it was not there
	last   []byte        // what is in it
	number atomic.Uint64 // of the record that it vouches for
}

// load reads the file and compares it with a store whose end is good, or not.
func (w *witness) load(tx *bolt.Tx, ring *keyring, end audit.Head, good bool) {
	w.keep = w.path != "" && good
	if w.path == "" {
		return
	}
	var err error
	w.last, err = os.ReadFile(w.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(w.last) == 0 { // a copy that was cut off says nothing
		return
	}
	if err != nil {
		w.keep = false // a store is not shut for what only vouches for it
		return
	}
	found, err := ring.openHead(bytes.TrimSuffix(w.last, []byte(stoppedMark)))
	if err != nil {
		w.forged, w.keep = true, false
		return
	}
	w.found = &found
	w.number.Store(found.Number)
	entry := in(tx, bucketAudit).Get(u64(found.Number))
	if found.Number > end.Number || entry != nil && audit.HashOf(entry) != found.Hash {
		w.keep = false
	}
}

// write puts an end into the file, at one moment.
func (w *witness) write(text []byte, number uint64) error {
	if !w.keep || number == 0 || bytes.Equal(text, w.last) {
		return nil
	}
	err := writeWitness(w.path, text)
	if err == nil {
		w.last = text
		w.number.Store(number)
	}
	return err
}

func writeWitness(path string, text []byte) error {
	tmp := path + ".new"
	err := removeLeft(tmp) // which may be root's
	if err != nil {
		return err
	}
	file, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("writing the end of the audit trail beside the store: %w", err)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close(), giveAway(tmp))
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing the end of the audit trail beside the store: %w", err), removeLeft(tmp))
	}
	return syncDir(filepath.Dir(path))
}

// end is the sealed end of the trail, and the number of its last record.
func (db *DB) end() (sealed []byte, number uint64, err error) {
	err = db.view(func(t *tx) error {
		sealed = bytes.Clone(t.get(bucketMeta, []byte(metaAuditHead)))
		head, err := db.ring.Load().openHead(sealed)
		number = head.Number
		return err
	})
	return sealed, number, err
}

// renewWitness lets the file say where the trail ends now, and whether that is a clean
// stop. It is called by one goroutine at a time.
func (db *DB) renewWitness(stopped bool) error {
	if !db.witness.keep {
		return nil
	}
	sealed, number, err := db.end()
	if errors.Is(err, audit.ErrHead) {
		return nil // verify tells
	}
	if err != nil {
		return err
	}
	return db.witness.write(witnessText(sealed, stopped), number)
}

// witnessOf is where the witness of a store is.
func witnessOf(path string) string { return filepath.Join(filepath.Dir(path), WitnessFile) }
