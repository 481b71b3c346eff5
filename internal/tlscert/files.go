package tlscert

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ErrFiles says that the certificate of the listeners or its key cannot be used.
var ErrFiles = errors.New("the listeners' certificate cannot be used")

// againAfter is when files that could not be used are tried again although they look
// the same: clocks of file systems are coarse, and two writes may look like one. Within
// it the other half of a pair is on its way.
const againAfter = 10 * time.Second

// Files are a certificate and its key in PEM files. Of a pair that cannot be used, such
// as one of which half is written, nothing is taken: the pair before it stays. Neither is
// one that is not in date, while the one before it is. It is safe for use by many
// goroutines.
type Files struct {
	cert, key string
	now       func() time.Time
	log       *slog.Logger

	mu       sync.Mutex
	pair     *tls.Certificate
	seen     stamp     // of the files as they were tried last
	tried    time.Time // when that was
	failing  time.Time // since when they cannot be used; zero: they can
	told     bool      // as an error
	reloads  uint64
	failures uint64
}

// Open reads a pair and returns it. Its error wraps ErrFiles.
func Open(cert, key string, now func() time.Time, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, now: now, log: log}
	s, err := f.look()
	if err != nil {
		return nil, err
	}
	f.seen, f.tried = s, now()
	return f, f.load()
}

// A stamp tells whether the files are others than before: by the file itself, which a
// new one in its place is not, by its date and its size.
type stamp struct{ cert, key fs.FileInfo }

func (s stamp) equal(t stamp) bool { return sameFile(s.cert, t.cert) && sameFile(s.key, t.key) }

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size()
}

// look returns the stamp of the files. One that is not there is no part of it.
func (f *Files) look() (stamp, error) {
	var s stamp
	var err, err2 error
	s.cert, err = os.Stat(f.cert)
	s.key, err2 = os.Stat(f.key)
	err = errors.Join(err, err2)
	if err != nil {
		return s, fmt.Errorf("%w: %w", ErrFiles, err)
	}
	return s, nil
}

// load takes the pair that is in the files.
func (f *Files) load() error {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return fmt.Errorf("%w: %s with the key %s: %w", ErrFiles, f.cert, f.key, err)
	}
	now := f.now()
	if f.pair != nil && goodAt(f.pair.Leaf, now) && !goodAt(pair.Leaf, now) {
		return fmt.Errorf("%w: %s is good from %s to %s, and now it is %s", ErrFiles, f.cert, when(pair.Leaf.NotBefore), when(pair.Leaf.NotAfter), when(now))
	}
	f.pair = &pair
	return nil
}

// Certificate returns the pair, as the files have it now if it can be used.
func (f *Files) Certificate() *tls.Certificate {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.look()
	changed, now := !s.equal(f.seen), f.now()
	if !changed && (f.failing.IsZero() || now.Sub(f.tried) < againAfter) {
		return f.pair
	}
	f.seen, f.tried = s, now
	if err == nil {
		err = f.load()
	}
	f.tell(err, changed)
	return f.pair
}

// tell logs what became of new files. Who renews a pair writes one half after the other:
// that they do not fit is an error when they still do not some time later.
func (f *Files) tell(err error, changed bool) {
	switch {
	case err == nil:
		f.failing = time.Time{}
		f.reloads++
		f.log.Info("the listeners have a new certificate", "file", f.cert, "ends", when(f.pair.Leaf.NotAfter))
	case f.failing.IsZero(), f.told && changed:
		f.failing, f.told = f.tried, false
		f.log.Warn("the new TLS certificate cannot be used yet, the one before it stays", "err", err)
	case !f.told && f.tried.Sub(f.failing) >= againAfter:
		f.told = true
		f.failures++
		f.log.Error("the new TLS certificate cannot be used, the one before it stays", "err", err)
	}
}

// counts returns how often new files were taken, and how often they stayed no good.
func (f *Files) counts() (reloads, failures uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reloads, f.failures
}
