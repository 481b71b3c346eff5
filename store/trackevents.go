package store

import (
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// firstEvents is how many of a track's events stay whatever comes after them.
const firstEvents = MaxEvents / 2

// AddEvent implements TrackTx. Beyond MaxEvents the oldest after the first half
// goes, so that neither how a message began nor how it ended is lost.
func (t *tx) AddEvent(id TrackID, e Event) error {
	if !t.writable {
		return ErrReadOnly
	}
	if !t.exists(bucketTracks, []byte(id)) {
		return fmt.Errorf("track %s: %w", id, ErrNotFound)
	}
	number, err := t.nextEvent(id)
	if err != nil {
		return err
	}
	if number >= MaxEvents {
		err := t.remove(bucketEvents, eventKey(id, number-MaxEvents+firstEvents))
		if err != nil {
			return err
		}
	}
	e.At, e.Detail, e.Omitted = e.At.UTC(), cutText(e.Detail, MaxEventDetail), 0
	return t.putRecord(bucketEvents, eventKey(id, number), e)
}

// cutText ends a text after at most n bytes, between characters.
func cutText(s string, n int) string {
	const dots = "…"
	if len(s) <= n {
		return s
	}
	n -= len(dots)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + dots
}

func eventKey(id TrackID, number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(id), number)
}

func (t *tx) nextEvent(id TrackID) (uint32, error) {
	c := t.in(bucketEvents).Cursor()
	k, _ := c.Seek(eventKey(id, math.MaxUint32))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if len(k) != trackIDSize+4 || TrackID(k[:trackIDSize]) != id {
		return 0, nil
	}
	last := binary.BigEndian.Uint32(k[trackIDSize:])
	if last >= math.MaxUint32-1 {
		return 0, fmt.Errorf("track %s has too many events", id)
	}
	return last + 1, nil
}

// Events implements TrackTx.
func (t *tx) Events(id TrackID) ([]Event, error) {
	if !t.exists(bucketTracks, []byte(id)) {
		return nil, fmt.Errorf("track %s: %w", id, ErrNotFound)
	}
	var all []Event
	next := uint32(0)
	err := t.each(bucketEvents, []byte(id), nil, func(k, v []byte) (bool, error) {
		if len(k) != trackIDSize+4 {
			return false, fmt.Errorf("%w: the events of track %s", ErrCorrupt, id)
		}
		e, err := decodeRecord[Event](bucketEvents, v)
		number := binary.BigEndian.Uint32(k[trackIDSize:])
		e.Omitted = number - next
		next = number + 1
		all = append(all, e)
		return true, err
	})
	return all, err
}
