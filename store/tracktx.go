package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// trackIDSize is the length of a TrackID.
const trackIDSize = 26

// PutTrack implements TrackTx.
func (t *tx) PutTrack(k Track) error {
	if !t.writable {
		return ErrReadOnly
	}
	if len(k.ID) != trackIDSize {
		return fmt.Errorf("a track id has %d characters", trackIDSize)
	}
	old, err := t.Track(k.ID)
	switch {
	case err == nil && old.MessageID != k.MessageID && old.MessageID != "":
		err = t.remove(bucketMessageIDs, messageIDKey(old.MessageID, k.ID))
	case errors.Is(err, ErrNotFound):
		err = nil
	}
	if err != nil {
		return err
	}
	if k.MessageID != "" {
		err := t.put(bucketMessageIDs, messageIDKey(k.MessageID, k.ID), nil)
		if err != nil {
			return err
		}
	}
	k.Received = k.Received.UTC()
	return t.putRecord(bucketTracks, []byte(k.ID), k)
}

// messageIDKey has one length whatever the length of a Message-ID, which a
// stranger chooses.
func messageIDKey(messageID string, id TrackID) []byte {
	sum := sha256.Sum256([]byte(messageID))
	return append(sum[:], id...)
}

// Track implements TrackTx.
func (t *tx) Track(id TrackID) (Track, error) {
	k, err := getRecord[Track](t, bucketTracks, []byte(id))
	if err != nil {
		return Track{}, fmt.Errorf("track %s: %w", id, err)
	}
	return k, nil
}

// TracksByMessageID implements TrackTx.
func (t *tx) TracksByMessageID(messageID string) ([]Track, error) {
	var all []Track
	prefix := messageIDKey(messageID, "")
	err := t.each(bucketMessageIDs, prefix, nil, func(k, _ []byte) (bool, error) {
		track, err := t.Track(TrackID(k[len(prefix):]))
		all = append(all, track)
		return len(all) < MaxTracks, err
	})
	return all, err
}

// AddEvent implements TrackTx.
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
	e.At = e.At.UTC()
	return t.putRecord(bucketEvents, eventKey(id, number), e)
}

func eventKey(id TrackID, number uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte(id), number)
}

func (t *tx) nextEvent(id TrackID) (uint32, error) {
	c := t.in(bucketEvents).Cursor()
	k, _ := c.Seek(eventKey(id, 1<<32-1))
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if len(k) != trackIDSize+4 || TrackID(k[:trackIDSize]) != id {
		return 0, nil
	}
	last := binary.BigEndian.Uint32(k[trackIDSize:])
	if last >= 1<<32-2 {
		return 0, fmt.Errorf("track %s has too many events", id)
	}
	return last + 1, nil
}

// Events implements TrackTx.
func (t *tx) Events(id TrackID) ([]Event, error) {
	if !t.exists(bucketTracks, []byte(id)) {
		return nil, fmt.Errorf("track %s: %w", id, ErrNotFound)
	}
	return listRecords[Event](t, bucketEvents, []byte(id))
}
