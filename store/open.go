package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// Options are those of Open and Create. Only MasterKey is needed.
type Options struct {
	MasterKey KeyWrapper
	// Now is the wall clock; nil is time.Now.
	Now func() time.Time
	// Clock is the clock by which jobs are due; nil is Now. While
	// somebody waits for a job it is looked at once a second.
	Clock Clock
	// Timeout is how long Open waits for a process that holds the store;
	// 0 is one second.
	Timeout time.Duration
	// MaxSize limits the pages in use, in bytes; 0 is no limit. The file grows
	// in steps of 16 MiB, so that the limit is met up to one step early, and
	// the length of the file, not the space it takes, is up to one step more.
	MaxSize int64

	// Reading is called while Open reads pages before it can say that the store may be
	// used: at the begin and often; an error ends it. nil is nobody.
	Reading func(PageProgress) error

	// ReadAnyway has Open open a store that cannot be written, for its disk or its
	// permissions, for reading alone: every change of it is then ErrUnwritable.
	ReadAnyway bool

	unwritable error // why the file is opened for reading alone
	chunkSize  int   // 0 is defaultChunkSize
	apart      bool  // it has no witness beside it: another store has
	small      bool  // no more than the file is mapped, which then grows by little
	frame      bool  // who opens it walks all pages himself before he writes
}

const (
	defaultTimeout = time.Second
	// mapSize is the address space that is set aside for the file. A file that
	// outgrows it is mapped anew, which must wait for every snapshot; below it
	// a backup holds nobody up. It is 256 GiB, and 1 GiB on 32 bits; for a file of
	// more than half of that it is double its size.
	mapSize = 1 << (30 + 8*(math.MaxInt>>62))
)

func (o Options) mapping(path string) int {
	info, err := os.Stat(path)
	if o.small || err != nil { // bbolt says what is wrong with it
		return 0
	}
	return int(max(mapSize, 2*min(info.Size(), math.MaxInt/4)))
}

// Open opens the store at path, which Create made, and brings it to the newest
// schema. Errors: fs.ErrNotExist, ErrLocked, ErrSchema, ErrMasterKey, ErrCorrupt, and
// ErrUnwritable for a store of an earlier schema that can only be read.
func Open(path string, o Options) (*DB, error) {
	if o.MasterKey == nil {
		return nil, fmt.Errorf("opening the store: %w: none was given", ErrMasterKey)
	}
	b, file, err := openAnyway(path, &o)
	if err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	if o.unwritable == nil { // of a Restore or a Compact that was killed: both hold the lock
		err = removeAllLeft(path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store %s: %w", path, err), b.Close())
	}
	db, err := guarded(func() (*DB, error) { return open(b, file, o) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store %s: %w", path, err), b.Close())
	}
	return db, nil
}

// Create makes a new store at path with a new data key, and opens it. It fails
// with ErrExists where there is a file, or one that vouches for the audit trail of a
// store that was there. A crash leaves nothing at path, or all.
func Create(path string, o Options) (*DB, error) {
	if o.MasterKey == nil {
		return nil, fmt.Errorf("creating the store: %w: none was given", ErrMasterKey)
	}
	err := create(path, o)
	if err != nil {
		return nil, fmt.Errorf("creating the store %s: %w", path, err)
	}
	return Open(path, o)
}

func create(path string, o Options) error {
	witness := witnessOf(path)
	_, err := os.Lstat(witness)
	if err == nil {
		return fmt.Errorf("%w: %s is of another store: move it away", ErrExists, witness)
	}
	tmp := path + ".new"
	err = removeLeft(tmp) // of an earlier crash
	if err != nil {
		return err
	}
	b, err := bolt.Open(tmp, 0o600, &bolt.Options{Timeout: defaultTimeout, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	err = b.Update(func(tx *bolt.Tx) error { return createSchema(tx, o.MasterKey) })
	err = errors.Join(err, b.Close())
	if err != nil {
		return err
	}
	err = os.Link(tmp, path) // unlike a rename it replaces nothing
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// openFile opens the file, never creating one, and makes sure that it is still
// the one of that name when its lock is held: Restore and Compact put another in
// its place under the lock of the old one.
func openFile(path string, o Options) (*bolt.DB, *os.File, error) {
	for {
		b, file, err := lockFile(path, o)
		if err != nil {
			return nil, nil, err
		}
		same, err := isAt(file, path)
		if same && err == nil {
			return b, file, nil
		}
		err = errors.Join(err, b.Close())
		if err != nil {
			return nil, nil, err
		}
	}
}

// openReadOnly opens a file that nobody writes to.
func openReadOnly(path string) (*bolt.DB, *os.File, error) {
	var file *os.File
	b, err := guarded(func() (*bolt.DB, error) {
		return bolt.Open(path, 0, &bolt.Options{
			ReadOnly: true, Timeout: defaultTimeout, FreelistType: bolt.FreelistMapType, NoStatistics: true,
			OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
				file, err = openChecked(name, flag, mode)
				return file, err
			},
		})
	})
	switch {
	case err != nil && isNoStore(err):
		return nil, nil, fmt.Errorf("%w: %v", ErrCorrupt, err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, ErrLocked
	}
	return b, file, err
}

// isNoStore reports whether a file does not begin as a store does. bbolt has no
// name for one that is shorter than that.
func isNoStore(err error) bool {
	return errors.Is(err, bolterrors.ErrInvalid) || errors.Is(err, bolterrors.ErrChecksum) ||
		errors.Is(err, bolterrors.ErrVersionMismatch) || strings.HasPrefix(err.Error(), "file size too small")
}

// isAt reports whether an open file is the one at path.
func isAt(file *os.File, path string) (bool, error) {
	open, err := file.Stat()
	if err != nil {
		return false, err
	}
	there, err := os.Stat(path)
	if err != nil {
		return false, err
	}
	return os.SameFile(open, there), nil
}

// lockFile opens and locks the file. If bbolt panics over a damaged file it keeps
// the file open, and with it the lock: so it is closed here.
func lockFile(path string, o Options) (*bolt.DB, *os.File, error) {
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	var file *os.File
	b, err := guarded(func() (*bolt.DB, error) {
		return bolt.Open(path, 0o600, &bolt.Options{
			ReadOnly:        o.unwritable != nil,
			Timeout:         o.Timeout,
			FreelistType:    bolt.FreelistMapType,
			InitialMmapSize: o.mapping(path),
			MaxSize:         int(o.MaxSize),
			OpenFile: func(name string, flag int, mode os.FileMode) (f *os.File, err error) {
				file, err = openChecked(name, flag, mode)
				return file, err
			},
		})
	})
	switch {
	case err == nil:
		return b, file, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, fmt.Errorf("%w: run postern init", err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, nil, ErrLocked
	case isNoStore(err):
		return nil, nil, fmt.Errorf("%w: %v", ErrCorrupt, err)
	case errors.Is(err, ErrCorrupt) && file != nil:
		return nil, nil, errors.Join(err, unlock(file), file.Close())
	}
	return nil, nil, err
}

// guarded turns what reading a damaged file does to bbolt, a panic or a fault
// in the mapping, into ErrCorrupt.
func guarded[T any](fn func() (T, error)) (result T, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error: // whose words tell of the program, not of the file
			err = fmt.Errorf("%w: its pages lead nowhere", ErrCorrupt)
		default:
			err = fmt.Errorf("%w: %v", ErrCorrupt, p)
		}
	}()
	return fn()
}

func open(b *bolt.DB, file *os.File, o Options) (*DB, error) {
	err := checkLength(b)
	if err != nil {
		return nil, err
	}
	checked, err := checkPages(b, file, o)
	if err != nil {
		return nil, err
	}
	err = upgrade(b, o.MasterKey, migrations())
	if err != nil {
		return nil, err
	}
	db := newDB(b, file, o)
	db.checked = checked
	if !o.apart {
		db.witness.path = witnessOf(b.Path())
	}
	err = b.View(func(tx *bolt.Tx) error { return db.load(tx, o.MasterKey) })
	if err != nil {
		return nil, err
	}
	db.witness.keep = db.witness.keep && o.unwritable == nil
	if !checked {
		_ = db.renewWitness(false) // a process that ends by what it did not read leaves no mark of a clean stop
	}
	db.start()
	return db, nil
}

// upgrade migrates when there is something to migrate: opening a store does not
// write to it otherwise. The end of the audit trail goes on with the store, but for
// one that did not fit it before: that is left to be found.
func upgrade(b *bolt.DB, master KeyWrapper, table []migration) error {
	version := 0
	err := b.View(func(tx *bolt.Tx) (err error) {
		version, err = readSchema(tx)
		return err
	})
	if err != nil || version == len(table)+1 {
		return err
	}
	if b.IsReadOnly() {
		return fmt.Errorf("%w, and has to be carried on to schema %d first", ErrUnwritable, len(table)+1)
	}
	return b.Update(func(tx *bolt.Tx) error {
		before := stateAt(tx, tx.ID()-1)
		err := migrate(tx, table)
		if err != nil {
			return err
		}
		ring, err := readKeyring(tx, master)
		switch {
		case err != nil:
			return err
		case version < auditSchema:
			return beginAudit(tx, ring)
		case ring.headFits(tx, before):
			return ring.resealHead(tx)
		}
		return nil
	})
}

// checkLength refuses a file that was cut off: reading what its pages refer to
// would fault.
func checkLength(b *bolt.DB) error {
	info, err := os.Stat(b.Path())
	if err != nil {
		return err
	}
	return b.View(func(tx *bolt.Tx) error {
		if info.Size() < tx.Size() {
			return fmt.Errorf("%w: the file has %d bytes of %d", ErrCorrupt, info.Size(), tx.Size())
		}
		return nil
	})
}

// load reads what is kept in memory while the store is open.
func (db *DB) load(tx *bolt.Tx, master KeyWrapper) error {
	err := checkBuckets(tx)
	if err != nil {
		return err
	}
	ring, err := readKeyring(tx, master)
	if err != nil {
		return err
	}
	db.ring.Store(ring)
	db.loadTrail(tx)
	err = db.resumeClock(tx)
	if err != nil {
		return err
	}
	db.lastBody.Store(in(tx, bucketBodies).Sequence())
	err = db.loadDue(tx)
	if err != nil {
		return err
	}
	return db.clean.load(tx)
}
