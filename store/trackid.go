package store

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"time"
)

// crockford is the alphabet of Crockford's base 32, which sorts as its values do.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// NewTrackID returns a new id: 48 bits of milliseconds since 1970 and 80 random
// bits, in 26 characters. Ids of different milliseconds sort by time. random is
// the source of the bits, nil for crypto/rand.
func NewTrackID(now time.Time, random io.Reader) (TrackID, error) {
	if random == nil {
		random = rand.Reader
	}
	var bits [10]byte
	_, err := io.ReadFull(random, bits[:])
	if err != nil {
		return "", fmt.Errorf("making a track id: %w", err)
	}
	return trackID(now.UnixMilli(), bits), nil
}

// Valid reports whether an id has the form of one that NewTrackID makes.
func (id TrackID) Valid() bool {
	return len(id) == trackIDSize && strings.Trim(string(id), crockford) == ""
}

func trackID(ms int64, random [10]byte) TrackID {
	var raw [16]byte
	copy(raw[6:], random[:])
	binary.BigEndian.PutUint16(raw[:], uint16(ms>>32))
	binary.BigEndian.PutUint32(raw[2:], uint32(ms))
	high, low := binary.BigEndian.Uint64(raw[:8]), binary.BigEndian.Uint64(raw[8:])
	var text [trackIDSize]byte
	for i := len(text) - 1; i >= 0; i-- {
		text[i] = crockford[low&31]
		low = low>>5 | high<<59
		high >>= 5
	}
	return TrackID(text[:])
}
