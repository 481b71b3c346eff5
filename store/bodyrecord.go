package store

import (
	"encoding/binary"
	"fmt"
	"math"
)

// A bodyRecord is what is stored of a body beside its chunks. All but refs is
// authenticated by tag.
type bodyRecord struct {
	keyID     uint32
	salt      [saltSize]byte
	chunkSize uint32 // of plain bytes in every chunk but the last; 1 to maxChunkSize
	size      int64
	tag       [tagSize]byte
	refs      uint32
}

const bodyRecordSize = 1 + 4 + saltSize + 4 + 8 + tagSize + 4

// maxChunkSize bounds what a record can have a reader allocate for one chunk.
const maxChunkSize = 16 << 20

func (r *bodyRecord) encode() []byte {
	b := make([]byte, 0, bodyRecordSize)
	b = append(b, sealVersion)
	b = binary.BigEndian.AppendUint32(b, r.keyID)
	b = append(b, r.salt[:]...)
	b = append(b, r.header()...)
	b = append(b, r.tag[:]...)
	return binary.BigEndian.AppendUint32(b, r.refs)
}

// header is the part of the record that tag authenticates; key id and salt
// belong to the key of the tag.
func (r *bodyRecord) header() []byte {
	b := binary.BigEndian.AppendUint32(nil, r.chunkSize)
	return binary.BigEndian.AppendUint64(b, uint64(r.size))
}

func decodeBodyRecord(b []byte) (bodyRecord, error) {
	var r bodyRecord
	if len(b) != bodyRecordSize || b[0] != sealVersion {
		return r, fmt.Errorf("%w: the record of a body", ErrCorrupt)
	}
	b = b[1:]
	r.keyID = binary.BigEndian.Uint32(b)
	b = b[4+copy(r.salt[:], b[4:]):]
	r.chunkSize = binary.BigEndian.Uint32(b)
	r.size = int64(binary.BigEndian.Uint64(b[4:]))
	b = b[12:]
	b = b[copy(r.tag[:], b):]
	r.refs = binary.BigEndian.Uint32(b)
	// What follows counts chunks in 32 bits and octets in 63.
	if r.size < 0 || r.chunkSize == 0 || r.chunkSize > maxChunkSize || r.size/int64(r.chunkSize) >= math.MaxUint32 {
		return r, fmt.Errorf("%w: the record of a body", ErrCorrupt)
	}
	return r, nil
}

// chunks is the number of chunks; an empty body has one.
func (r *bodyRecord) chunks() uint32 {
	if r.size == 0 {
		return 1
	}
	return uint32((r.size-1)/int64(r.chunkSize)) + 1
}

// chunkLen is the number of plain bytes in a chunk.
func (r *bodyRecord) chunkLen(index uint32) int {
	return int(min(int64(r.chunkSize), r.size-int64(index)*int64(r.chunkSize)))
}

// part says which part of the body a chunk is.
func (r *bodyRecord) part(index uint32) byte {
	if index == r.chunks()-1 {
		return partLast
	}
	return partMiddle
}

// stream returns the body's stream after it proved the record by its tag.
func (r *bodyRecord) stream(ring *keyring, id BodyID) (*stream, error) {
	s, err := ring.stream(r.keyID, r.salt[:], bodyPurpose, u64(uint64(id)))
	if err != nil {
		return nil, err
	}
	err = s.checkHeader(r.header(), r.tag[:])
	if err != nil {
		return nil, err
	}
	return s, nil
}
