package store

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How the names of files end that are made ready to take the place of a store.
const (
	restoreEnd = ".restore"
	compactEnd = ".compact"
)

// ErrInTheWay says that a file is where one would be made ready. No run removes one in
// another folder that it did not make: what was broken off may have left it.
var ErrInTheWay = errors.New("it may be the only whole copy of a store")

// A held store is one that nobody else can open, whole or damaged.
type held struct {
	path    string   // of its file, behind any link
	witness string   // of the store, beside the link
	bolt    *bolt.DB // nil when it is damaged or not there
	file    *os.File // its lock, when it is damaged
	bad     bool     // it can be opened, and its pages must not be read

	broken *ElsewhereError // the store is in another file, if it was being written over
}

// hold takes the lock of the store at path. One that is not there needs none.
func hold(path string, o Options) (*held, error) {
	at, err := fileOf(path)
	if err != nil {
		return nil, err
	}
	h := &held{path: at, witness: witnessOf(path)}
	b, file, err := openFile(path, o)
	switch {
	case err == nil:
		_, err = checkPages(b, file, Options{frame: true})
		h.bolt, h.bad = b, err != nil
		return h, nil
	case errors.Is(err, fs.ErrNotExist):
		return h, nil
	case !errors.Is(err, ErrCorrupt):
		return nil, err
	}
	h.file, err = os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	err = lock(h.file)
	if err == nil {
		err = checkNote(h.file)
	}
	if err != nil && !errors.As(err, &h.broken) {
		return nil, errors.Join(err, h.file.Close())
	}
	return h, nil
}

// fileOf is where the file of a store is that is a link: a file that takes its place does
// so there, or the store would move to another disk, and its records stay behind on that.
func fileOf(path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return path, nil // whoever opens it tells what is wrong
	}
	at, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return at, err
}

func (h *held) release() error {
	switch {
	case h.bolt != nil:
		return h.bolt.Close()
	case h.file != nil:
		return errors.Join(unlock(h.file), h.file.Close())
	}
	return nil
}

// there reports whether there is a store at all.
func (h *held) there() bool { return h.bolt != nil || h.file != nil }

// keep gives the file of the store, if there is one, a second name, which begins
// so, and returns it.
func (h *held) keep(name string) (string, error) {
	if !h.there() {
		return "", nil
	}
	const tries = 100
	kept := name
	for n := 2; ; n++ {
		err := os.Link(h.path, kept)
		switch {
		case err == nil:
			return kept, syncDir(filepath.Dir(h.path))
		case !errors.Is(err, fs.ErrExist) || n > tries:
			return "", fmt.Errorf("keeping the old store: %w", err)
		}
		kept = fmt.Sprintf("%s-%d", name, n)
	}
}

// put makes the file at next the store, at one moment. A crash leaves one of both,
// whole. One that is in another folder is written over the store.
func (h *held) put(next string) error {
	if filepath.Dir(next) != filepath.Dir(h.path) {
		err := h.overwrite(next)
		if err != nil {
			return fmt.Errorf("writing over the store: %w", err)
		}
		return os.Remove(next)
	}
	if !h.there() {
		err := os.Link(next, h.path) // unlike a rename it replaces nothing
		if err != nil {
			return fmt.Errorf("putting the store in place: %w", err)
		}
		return errors.Join(os.Remove(next), syncDir(filepath.Dir(h.path)))
	}
	err := os.Rename(next, h.path)
	if err != nil {
		return fmt.Errorf("putting the store in place: %w", err)
	}
	return syncDir(filepath.Dir(h.path))
}

// keptName is where the store of a path goes when another takes its place.
func keptName(path string, now time.Time) string {
	return path + ".replaced-" + now.UTC().Format("20060102T150405Z")
}

// makeNext makes the file, empty, that is to take the place of the store at path, whose
// lock is held: beside it, where only a crash can have left another, or in the folder
// via, which other stores may use, under a name that no other path has. What is there
// already is ErrInTheWay.
func makeNext(path, via, end string) (string, error) {
	next := path + end
	if via == "" {
		err := removeLeft(next)
		if err != nil {
			return "", err
		}
	} else {
		whole, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		sum := sha256.Sum256([]byte(whole))
		next = filepath.Join(via, fmt.Sprintf("%s-%x%s", filepath.Base(path), sum[:8], end))
	}
	f, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%s is there already: %w", next, ErrInTheWay)
	}
	if err != nil {
		return "", ofDisk(err)
	}
	return next, f.Close()
}

// removeUnless removes a file that was to take the place of a store, unless err says
// that it is the store by now.
func removeUnless(path string, err error) error {
	var elsewhere *ElsewhereError
	if errors.As(err, &elsewhere) {
		return nil
	}
	return removeLeft(path)
}

// removeLeft removes what a crash left of an earlier try.
func removeLeft(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// removeAllLeft removes what was to take the place of a store, whose lock is held.
func removeAllLeft(path string) error {
	file, err := fileOf(path)
	if err != nil {
		return err
	}
	return errors.Join(removeLeft(file+restoreEnd), removeLeft(file+compactEnd))
}
