package store

import (
	"encoding/binary"
	"fmt"
)

func (c *checker) checkBodies() error {
	var buf []byte
	err := c.walk(bucketBodies, func(k, v []byte) {
		if len(k) == chunkIDSize {
			return
		}
		c.report.Bodies++
		r, err := decodeBodyRecord(v)
		if err != nil || len(k) != 8 {
			c.problem("body %x: the record is damaged", k)
			return
		}
		id := BodyID(binary.BigEndian.Uint64(k))
		c.report.Bytes += r.size
		if n := c.refs[id]; n == 0 || n != r.refs {
			c.miscounted(fmt.Sprintf("body %d", id), func(t *tx) error { return t.setRefs(id, n) },
				"body %d counts %d references and has %d", id, r.refs, n)
		}
		delete(c.refs, id)
		buf = c.checkBody(id, r, buf)
	})
	if err != nil {
		return err
	}
	for id := range c.refs {
		c.problem("body %d is referred to and missing", id)
	}
	return nil
}

// checkBody opens every chunk. It returns the buffer for the next body.
func (c *checker) checkBody(id BodyID, r bodyRecord, buf []byte) []byte {
	s, err := r.stream(c.db.ring.Load(), id)
	if err != nil {
		c.problem("body %d: %v", id, err)
		return buf
	}
	for i := range r.chunks() {
		if c.ctx.Err() != nil {
			return buf
		}
		plain, err := c.openChunk(s, id, r, i, buf[:0])
		if err != nil {
			c.problem("body %d: chunk %d: %v", id, i, err)
			return buf
		}
		buf = plain
	}
	return buf
}

// checkLoose: a body that has a record is not loose.
func (c *checker) checkLoose() error {
	return c.walk(bucketLoose, func(k, _ []byte) {
		if c.exists(bucketBodies, k) {
			c.problem("body %x is there and loose", k)
		}
	})
}

// checkChunks finds chunks that belong to nothing.
func (c *checker) checkChunks() error {
	return c.walk(bucketBodies, func(k, _ []byte) {
		if len(k) != chunkIDSize || c.exists(bucketLoose, k[:8]) {
			return
		}
		r, err := c.bodyRecord(BodyID(binary.BigEndian.Uint64(k)))
		if err != nil || binary.BigEndian.Uint32(k[8:]) >= r.chunks() {
			c.problem("chunk %x belongs to no body", k)
		}
	})
}
