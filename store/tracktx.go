package store

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"postern/mime"
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
	if errors.Is(err, ErrNotFound) {
		err = t.countTrack(1)
		if err == nil {
			old = Track{}
			old.Era, err = t.eraGiven(k.Era)
		}
	}
	if err != nil {
		return err
	}
	k.Era = old.Era
	k.Received = k.Received.UTC()
	if sum := trackSum(k); sum != trackSum(old) {
		t.left.is(bucketTracks, []byte(k.ID), sum)
	}
	return errors.Join(
		t.indexTrack(old, k),
		t.putRecord(bucketTracks, []byte(k.ID), k))
}

// countTrack changes the number of tracks. It is the bucket's sequence, which is
// written with the bucket and needs no page of its own.
func (t *tx) countTrack(by int) error {
	err := t.write(0)
	if err != nil {
		return err
	}
	b := t.in(bucketTracks)
	return b.SetSequence(b.Sequence() + uint64(by))
}

// CountTracks implements TrackTx.
func (t *tx) CountTracks() (int, error) { return int(t.in(bucketTracks).Sequence()), nil }

// RemoveTrack implements TrackTx.
func (t *tx) RemoveTrack(id TrackID) (int, error) {
	k, err := t.Track(id)
	if err != nil {
		return 0, err
	}
	events := t.firstKeys(bucketEvents, []byte(id), MaxEvents)
	for _, key := range events {
		err := t.remove(bucketEvents, key)
		if err != nil {
			return 0, err
		}
	}
	return len(events), errors.Join(
		t.indexTrack(k, Track{}),
		t.remove(bucketTracks, []byte(id)),
		t.countTrack(-1))
}

// messageIDKey has one length whatever the length of a Message-ID, which a
// stranger chooses. What he chooses it for is not in the way of what others sent.
func messageIDKey(class TrackClass, messageID string, id TrackID) []byte {
	sum := sha256.Sum256(joined(string(class), mime.FoldMessageID(messageID)))
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
