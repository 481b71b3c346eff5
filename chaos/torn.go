package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"

	"postern/internal/gateway/care"
	"postern/store"
)

// The store is a bbolt file: pages, of which the first two hold what the last two
// commits left, in turn. A commit writes its pages, syncs, writes its own of the
// two, and syncs again.
const (
	metaAt    = 16 // behind the header of a page
	magic     = 0xED0CDAED
	magicAt   = metaAt
	sizeAt    = metaAt + 8
	highAt    = metaAt + 40 // the first page that is not in use
	txAt      = metaAt + 48
	metaBytes = metaAt + 64
)

// A tear is a way in which a power cut leaves a commit.
type tear string

// Tears. The first two are of a commit that was under way, the last one is of
// the last commit, when nothing has been written since.
const (
	tornNext   tear = "a commit under way, its pages and its meta page half written"
	cutNext    tear = "a commit under way, the pages at the end of the file not there"
	tornNewest tear = "the last commit, its meta page half written"
)

// metas reads where the pages of the last two commits are.
func metas(file *os.File) (page int64, older, newer int64, high [2]uint64, err error) {
	var tx [2]uint64
	head := make([]byte, metaBytes)
	page = int64(os.Getpagesize())
	for i := range int64(2) {
		_, err = file.ReadAt(head, i*page)
		if err != nil {
			return 0, 0, 0, high, err
		}
		if binary.NativeEndian.Uint32(head[magicAt:]) != magic || int64(binary.NativeEndian.Uint32(head[sizeAt:])) != page {
			return 0, 0, 0, high, fmt.Errorf("page %d is no meta page", i)
		}
		tx[i], high[i] = binary.NativeEndian.Uint64(head[txAt:]), binary.NativeEndian.Uint64(head[highAt:])
	}
	if tx[0] < tx[1] {
		return page, 0, 1, high, nil
	}
	return page, 1, 0, high, nil
}

// apply tears the file of a store.
func (k tear) apply(path string, random *rand.Rand) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	page, older, newer, high, err := metas(file)
	if err != nil {
		return err
	}
	end := int64(high[newer]) * page
	info, err := file.Stat()
	if err != nil {
		return err
	}
	switch k {
	case tornNewest:
		return garble(file, newer*page+metaAt, metaBytes-metaAt, random)
	case cutNext:
		return file.Truncate(min(end, info.Size()))
	default:
		err = garble(file, older*page+metaAt, metaBytes-metaAt, random)
		if err != nil || info.Size() <= end {
			return err
		}
		return garble(file, end, min(info.Size()-end, 16*page), random)
	}
}

// garble writes over the second half of a place, as if only its first sectors had
// been written.
func garble(file *os.File, at, size int64, random *rand.Rand) error {
	half := make([]byte, size-size/2)
	for i := range half {
		half[i] = byte(random.Uint32())
	}
	_, err := file.WriteAt(half, at+size/2)
	return err
}

// tryTorn tears a copy of a house's files, and has the copy checked. The house is
// down.
func (h *house) tryTorn(k tear, random *rand.Rand) error {
	dir, err := os.MkdirTemp("", "postern-torn-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "house")
	err = copyFiles(copied, h.dir)
	if err != nil {
		return fmt.Errorf("copying %s: %w", h.domain, err)
	}
	err = k.apply(filepath.Join(copied, dataFolder, care.StoreFile), random)
	if err == nil && k == tornNewest {
		// It is written after the commit, whose loss it would rightly tell.
		err = os.Remove(filepath.Join(copied, dataFolder, store.WitnessFile))
	}
	if err != nil {
		return fmt.Errorf("tearing %s: %w", h.domain, err)
	}
	return h.check(filepath.Join(copied, configFile))
}

// copyFiles copies the files of a folder, but not its sockets.
func copyFiles(to, from string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch target := filepath.Join(to, name); {
		case entry.IsDir():
			return os.MkdirAll(target, 0o700)
		case entry.Type().IsRegular():
			return copyFile(target, path)
		}
		return nil
	})
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// check has the store and the audit trail checked, of a house that is down.
func (h *house) check(config string) error {
	for _, command := range [][]string{{"store", "check"}, {"audit", "verify"}} {
		out, err := h.run(config, command...)
		if err != nil {
			return fmt.Errorf("%w\n%s", err, out)
		}
	}
	return nil
}
