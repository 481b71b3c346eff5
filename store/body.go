package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// A body reads one chunk at a time, each in a snapshot of its own, and keeps
// the one it opened last: small reads in a row open each chunk once.
type body struct {
	db     *DB
	id     BodyID
	record bodyRecord
	stream *stream

	mu    sync.Mutex
	index uint32 // of plain
	plain []byte // nil before the first read
}

// OpenBody implements Store. Its reads are ErrNotFound once the body is gone.
func (db *DB) OpenBody(ctx context.Context, id BodyID) (Body, error) {
	err := ctx.Err()
	if err != nil {
		return nil, err
	}
	b := &body{db: db, id: id}
	err = db.view(func(t *tx) (err error) {
		b.record, err = t.bodyRecord(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	b.stream, err = b.record.stream(db.ring.Load(), id)
	if err != nil {
		return nil, fmt.Errorf("body %d: %w", id, err)
	}
	return b, nil
}

// Size implements Body.
func (b *body) Size() int64 { return b.record.size }

// ReadAt implements io.ReaderAt.
func (b *body) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("reading a body before its start")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n < len(p) {
		at := off + int64(n)
		if at >= b.record.size {
			return n, io.EOF
		}
		err := b.load(uint32(at / int64(b.record.chunkSize)))
		if err != nil {
			return n, fmt.Errorf("reading body %d: %w", b.id, err)
		}
		n += copy(p[n:], b.plain[at%int64(b.record.chunkSize):])
	}
	return n, nil
}

// load makes plain the chunk of an index.
func (b *body) load(index uint32) error {
	if b.plain != nil && b.index == index {
		return nil
	}
	buf := b.plain
	b.plain = nil
	if buf == nil {
		buf = make([]byte, 0, b.record.chunkLen(0))
	}
	return b.db.view(func(t *tx) error {
		plain, err := t.openChunk(b.stream, b.id, b.record, index, buf[:0])
		b.index, b.plain = index, plain
		return err
	})
}

// openChunk opens a chunk into dst.
func (t *tx) openChunk(s *stream, id BodyID, r bodyRecord, index uint32, dst []byte) ([]byte, error) {
	sealed := t.chunk(id, index)
	if sealed == nil {
		return nil, t.missingChunk(id, index)
	}
	if !t.bolt.Writable() { // then it lies in the mapping
		expect(sealed)
		defer forget(sealed)
	}
	plain, err := s.open(dst, sealed, index, r.part(index))
	if err != nil {
		return nil, err
	}
	if len(plain) != r.chunkLen(index) {
		return nil, fmt.Errorf("%w: a chunk has %d bytes", ErrCorrupt, len(plain))
	}
	return plain, nil
}

// missingChunk tells a body that was removed from one that is damaged.
func (t *tx) missingChunk(id BodyID, index uint32) error {
	_, err := t.bodyRecord(id)
	if err != nil {
		return err
	}
	return fmt.Errorf("%w: chunk %d is missing", ErrCorrupt, index)
}
