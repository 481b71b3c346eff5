package store

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"sync/atomic"
)

// defaultChunkSize is the number of bytes sealed together. docs/store.md has
// the figures it was chosen by.
const defaultChunkSize = 256 << 10

// A bodyWriter holds at most one chunk of its body. A chunk that is full, and
// not the last, is sealed in place and committed before Write goes on, so that
// the disk slows down whoever writes.
type bodyWriter struct {
	db     *DB
	ctx    context.Context
	id     BodyID
	record bodyRecord
	stream *stream
	buf    []byte // plain, until sealed is set
	sealed []byte // the last chunk, once the body is complete
	chunks uint32 // committed
	err    error
	// kept is set by the writer's goroutine after the commit of PutBody.
	kept      atomic.Bool
	discarded bool
}

// NewBody implements Store.
func (db *DB) NewBody(ctx context.Context) (BodyWriter, error) {
	err := ctx.Err()
	if err != nil {
		return nil, err
	}
	select {
	case <-db.closing:
		return nil, ErrClosed
	default:
	}
	w := &bodyWriter{db: db, ctx: ctx, id: BodyID(db.lastBody.Add(1))}
	ring := db.ring.Load()
	w.record = bodyRecord{keyID: ring.active, chunkSize: uint32(db.chunkSize)}
	copy(w.record.salt[:], newSalt())
	w.stream, err = ring.stream(w.record.keyID, w.record.salt[:], bodyPurpose, u64(uint64(w.id)))
	if err != nil {
		return nil, fmt.Errorf("beginning a body: %w", err)
	}
	return w, nil
}

// Size implements BodyWriter.
func (w *bodyWriter) Size() int64 { return w.record.size }

// Write implements BodyWriter.
func (w *bodyWriter) Write(p []byte) (n int, err error) {
	switch {
	case w.err != nil:
		return 0, w.err
	case w.discarded:
		return 0, errors.New("the body was discarded")
	case w.sealed != nil:
		return 0, errors.New("the body is complete: it was put into a transaction")
	}
	for len(p) > 0 {
		if len(w.buf) == w.db.chunkSize {
			err := w.flush()
			if err != nil {
				w.err = fmt.Errorf("storing a part of a body: %w", err)
				return n, w.err
			}
		}
		part := p[:min(len(p), w.db.chunkSize-len(w.buf))]
		w.grow(len(part))
		w.buf = append(w.buf, part...)
		w.record.size += int64(len(part))
		n += len(part)
		p = p[len(part):]
	}
	return n, nil
}

// grow makes room for n more bytes and the tag of the sealed chunk, in powers
// of two up to a chunk.
func (w *bodyWriter) grow(n int) {
	need := len(w.buf) + n
	if need+tagSize <= cap(w.buf) {
		return
	}
	size := min(1<<bits.Len(uint(need)), w.db.chunkSize)
	bigger := make([]byte, len(w.buf), max(size, need)+tagSize)
	copy(bigger, w.buf)
	w.buf = bigger
}

// flush commits a full chunk that others will follow.
func (w *bodyWriter) flush() error {
	sealed := w.stream.seal(w.buf[:0], w.buf, w.chunks, partMiddle)
	err := w.db.update(w.ctx, func(t *tx) error {
		if w.chunks == 0 {
			err := t.put(bucketLoose, u64(uint64(w.id)), nil)
			if err != nil {
				return err
			}
			err = t.reserveBody(w.id)
			if err != nil {
				return err
			}
		}
		return t.putChunk(w.id, w.chunks, sealed)
	})
	if err != nil {
		return err
	}
	w.chunks++
	w.buf = w.buf[:0]
	return nil
}

// finish seals the last chunk. It is called on the writer's goroutine while the
// owner of w waits in Update.
func (w *bodyWriter) finish() {
	if w.sealed != nil {
		return
	}
	w.sealed = w.stream.seal(w.buf[:0], w.buf, w.chunks, partLast)
	w.buf = nil
	copy(w.record.tag[:], w.stream.headerTag(w.record.header()))
}

// Discard implements BodyWriter.
func (w *bodyWriter) Discard() {
	if w.discarded || w.kept.Load() {
		return
	}
	w.discarded = true
	w.buf, w.sealed = nil, nil
	// Some of a chunk may be on disk even when its commit reported an error.
	if w.chunks > 0 || w.err != nil {
		w.db.clean.addBody(w.id)
	}
}
