package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// A DB is the Store on bbolt: one file, owned by one process. Methods of it
// must not be called inside the functions given to View and Update.
type DB struct {
	bolt       *bolt.DB
	file       *os.File // that bbolt has open
	unwritable error    // why it is open for reading alone
	now        func() time.Time
	clock      Clock // by which jobs are due; nil is now
	chunkSize  int
	ring       atomic.Pointer[keyring]
	lastBody   atomic.Uint64 // id of the body begun last
	rotating   chan struct{} // has room for one Rotate

	carried map[rowID]bool // the trail hears nothing of them: see carry
	setBack bool           // the end of the audit trail is of another time: see loadTrail
	witness witness
	checked bool        // all pages were walked before it was opened
	doubt   atomic.Bool // damage was met since

	commits committer
	claims  claims
	watch   watch
	clean   cleaner

	reusable reusable

	closing   chan struct{} // closed by Close
	stopOnce  sync.Once
	closeOnce sync.Once
	closeErr  error
	running   sync.WaitGroup
}

var _ Store = (*DB)(nil)

func newDB(b *bolt.DB, file *os.File, o Options) *DB {
	db := &DB{bolt: b, file: file, unwritable: o.unwritable, now: o.Now, clock: o.Clock, chunkSize: o.chunkSize, rotating: make(chan struct{}, 1), closing: make(chan struct{})}
	if db.now == nil {
		db.now = time.Now
	}
	if db.chunkSize == 0 {
		db.chunkSize = defaultChunkSize
	}
	db.commits = committer{writer: &writer{db: db, broken: o.unwritable}, running: &db.running, wake: make(chan struct{}, 1)}
	db.claims = newClaims(db.Steady)
	db.watch.boxes = make(map[MailboxID]*watched)
	db.clean.kick = make(chan struct{}, 1)
	return db
}

func (db *DB) start() {
	db.running.Add(3)
	go db.commits.writer.loop()
	go db.claimLoop()
	go db.cleanLoop()
	db.clean.wake()
}

// Close waits for the commit that runs and for snapshots in use, and closes the
// file. Transactions that still waited return ErrClosed.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.stop()
		_ = db.renewWitness(!db.doubt.Load()) // without, it vouches for less, as verify says
		err := db.bolt.Close()
		if err != nil {
			db.closeErr = fmt.Errorf("closing the store: %w", err)
		}
	})
	return db.closeErr
}

// stop ends all transactions that write, and what would begin others. The file and its
// lock stay.
func (db *DB) stop() {
	db.stopOnce.Do(func() {
		db.commits.close()
		close(db.closing)
		db.running.Wait()
	})
}

// A PanicError is returned for a function that panicked in a transaction,
// which is then rolled back.
type PanicError struct {
	Value any
	Stack []byte
}

// Error writes the value of the panic; the stack is not part of it.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in a transaction: %v", e.Value) }

// View implements Store.
func (db *DB) View(ctx context.Context, fn func(Tx) error) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	return db.view(func(t *tx) error { return fn(t) })
}

func (db *DB) view(fn func(*tx) error) error {
	err := db.bolt.View(func(b *bolt.Tx) error {
		return protected(&tx{bolt: b, db: db}, fn)
	})
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return ErrClosed
	}
	return err
}

// protected calls fn and turns a panic into an error. A fault in the mapping and a
// panic of bbolt, which a damaged file causes, are ErrCorrupt.
func protected(t *tx, fn func(*tx) error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		err = &PanicError{Value: p, Stack: debug.Stack()}
		if _, fault := p.(interface{ Addr() uintptr }); fault || ofBolt() {
			t.db.doubt.Store(true)
			err = fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	}()
	return fn(t)
}

// ofBolt reports, while a panic is being recovered, whether bbolt panicked.
func ofBolt() bool {
	var callers [32]uintptr
	frames := runtime.CallersFrames(callers[:runtime.Callers(1, callers[:])])
	for panicked, more := false, true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		ours := !strings.HasPrefix(f.Function, "runtime.")
		if panicked && ours {
			return strings.HasPrefix(f.Function, "go.etcd.io/bbolt")
		}
		panicked = panicked || !ours
	}
	return false
}

// Update implements Store. When ctx ends before the transaction's turn has come
// it is not run; when its turn has come Update waits for the outcome. An error
// of the commit itself, unlike one of fn, can leave the transaction in place:
// when a disk fails at the very last write nobody can tell.
func (db *DB) Update(ctx context.Context, fn func(Tx) error) error {
	return db.update(ctx, func(t *tx) error { return fn(t) })
}

func (db *DB) update(ctx context.Context, fn func(*tx) error) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	return db.commits.submit(ctx, fn)
}

// Backup implements Store. The copy is opened with the same master key. While
// it is written no page that is freed meanwhile can be used again, so that the
// store grows by what is written to it in this time. The pages are checked first.
func (db *DB) Backup(ctx context.Context, w io.Writer) (int64, error) {
	n, err := db.backup(ctx, w)
	if err != nil {
		return n, fmt.Errorf("backing up the store: %w", err)
	}
	return n, nil
}

func (db *DB) backup(ctx context.Context, w io.Writer) (int64, error) {
	snapshot, pages, end, err := db.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	err = pages.sound(ctx.Err, true)
	if err != nil {
		return 0, err
	}
	out := &contextWriter{ctx: ctx, w: w}
	n, err := snapshot.WriteTo(out)
	return n, cmp.Or(out.err, err) // bbolt keeps only the text of some
}

// A contextWriter stops writing when its context is done. It hides every other
// method of w, so that the copy comes in pieces.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
	err error // the first
}

// Write implements io.Writer.
func (c *contextWriter) Write(p []byte) (n int, err error) {
	err = c.ctx.Err()
	if err == nil {
		n, err = c.w.Write(p)
	}
	if c.err == nil {
		c.err = err
	}
	return n, err
}
