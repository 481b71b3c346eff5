package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A store whose disk has no room for another beside it is written over in place, with
// one that is whole on another disk. From the moment that the first page goes until it
// is there again it holds a note instead of a page: that this is no store, and where
// the store is. A crash leaves one of the three.

// noteBegin begins that page; the path and a line end follow.
const noteBegin = "This is no store: it was being written over, and the store is whole in "

// notePage is how much of the file the note takes, which is no more than any page.
const notePage = 4 << 10

// An ElsewhereError is the error of opening a store that was being written over. It is
// ErrCorrupt too.
type ElsewhereError struct {
	Path string // of the whole store
	Err  error  // what ended it, if known
}

// Error implements error.
func (e *ElsewhereError) Error() string {
	text := "the store was being written over, and is whole in " + e.Path
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Is reports that it is ErrCorrupt.
func (e *ElsewhereError) Is(target error) bool { return target == ErrCorrupt }

// Unwrap returns what ended it.
func (e *ElsewhereError) Unwrap() error { return e.Err }

// checkNote is an ElsewhereError for a file that has a note instead of its first page.
func checkNote(f *os.File) error {
	page := make([]byte, notePage)
	n, err := f.ReadAt(page, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	text, noted := bytes.CutPrefix(page[:n], []byte(noteBegin))
	path, _, whole := bytes.Cut(text, []byte("\n"))
	if !noted || !whole {
		return nil
	}
	return &ElsewhereError{Path: string(path)}
}

// overwrite writes the file at next, which stays as it is, over the store. After an
// ElsewhereError the one at next is the store.
func (h *held) overwrite(next string) error {
	whole, err := filepath.Abs(next)
	if err != nil {
		return err
	}
	if len(noteBegin)+len(whole) >= notePage || strings.Contains(whole, "\n") {
		return fmt.Errorf("the path %q is too long, or of several lines", next)
	}
	in, err := os.Open(next)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(h.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	size, err := fileSize(next)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	if was, err := fileSize(h.path); err != nil || size > was {
		err = errors.Join(err, needSpace(filepath.Dir(h.path), size-was))
		if err != nil {
			return errors.Join(err, out.Close())
		}
	}
	err = syncDir(filepath.Dir(whole)) // its name counts from now on
	if err != nil {
		return errors.Join(err, out.Close())
	}
	err = errors.Join(writeOver(out, in, size, noteBegin+whole+"\n"), out.Close())
	if err != nil {
		return &ElsewhereError{Path: whole, Err: ofDisk(err)}
	}
	return nil
}

// writeOver writes all of in over out. Its first page is last, each step after the one
// before is on the disk.
func writeOver(out, in *os.File, size int64, note string) error {
	page := make([]byte, notePage)
	copy(page, note)
	err := writeThrough(out, page)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.NewOffsetWriter(out, notePage), io.NewSectionReader(in, notePage, size-notePage))
	if err == nil {
		err = out.Truncate(size)
	}
	if err == nil {
		err = out.Sync()
	}
	if err == nil {
		_, err = in.ReadAt(page, 0)
	}
	if err != nil {
		return err
	}
	return writeThrough(out, page)
}

func writeThrough(f *os.File, page []byte) error {
	_, err := f.WriteAt(page, 0)
	if err != nil {
		return err
	}
	return f.Sync()
}

// goOn ends what was broken off while the store at path was being written over.
func goOn(ctx context.Context, path string, o CompactOptions) (c Compaction, err error) {
	h, err := hold(path, o.Options)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, h.release()) }()
	if h.broken == nil { // another did so since it was looked at
		return c, ErrLocked
	}
	return h.goOn(ctx, o)
}

func (h *held) goOn(ctx context.Context, o CompactOptions) (c Compaction, err error) {
	whole := h.broken.Path
	c.Before, err = fileSize(h.path)
	if err != nil {
		return c, err
	}
	_, err = os.Stat(whole)
	if err != nil {
		return c, &ElsewhereError{Path: whole, Err: err}
	}
	o.apart, o.frame = true, true
	var end []byte
	c.Store, end, err = approve(ctx, whole, o, o.Accept) // otherwise its record is there already
	if err != nil {
		return c, fmt.Errorf("the store in %s: %w", whole, err)
	}
	err = replaceWitnessed(h, whole, h.witness, end)
	if err != nil {
		return c, err
	}
	c.After, err = fileSize(h.path)
	return c, err
}
