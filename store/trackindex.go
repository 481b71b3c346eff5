package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"postern/mime"
)

// indexTrack makes the indexes know a track as it is now; the zero Track is in
// none. What did not change is not written.
func (t *tx) indexTrack(old, now Track) error {
	if old.namesAs(now) {
		return nil
	}
	before, after := trackKeys(old), trackKeys(now)
	for key := range before {
		if !after[key] {
			err := t.remove(key.bucket, []byte(key.key))
			if err != nil {
				return err
			}
		}
	}
	for key := range after {
		if !before[key] {
			err := t.put(key.bucket, []byte(key.key), nil)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// namesAs reports whether the places of two tracks in the indexes are the same, as
// they are from step to step.
func (k Track) namesAs(l Track) bool {
	same := func(a, b TrackRecipient) bool { return a.Address == b.Address }
	return k.ID == l.ID && k.MessageID == l.MessageID && k.Outbound == l.Outbound && k.Automatic == l.Automatic &&
		k.Digest == l.Digest && k.Sender == l.Sender && k.Account == l.Account && k.Author == l.Author && k.neverSent() == l.neverSent() &&
		slices.Equal(k.AnswersTo, l.AnswersTo) && slices.EqualFunc(k.Recipients, l.Recipients, same)
}

// An indexKey is a place in an index.
type indexKey struct{ bucket, key string }

// trackKeys are the places of a track in the indexes.
func trackKeys(k Track) map[indexKey]bool {
	keys := make(map[indexKey]bool)
	if k.MessageID != "" {
		keys[indexKey{bucketMessageIDs, string(messageIDKey(k.Class(), k.MessageID, k.ID))}] = true
	}
	name := func(a mime.Address) {
		if !a.IsZero() {
			keys[indexKey{bucketTrackNames, string(trackNameKey(a, k.ID))}] = true
		}
	}
	name(k.Sender)
	name(k.Account)
	name(k.Author)
	for _, r := range k.Recipients {
		name(r.Address)
	}
	for _, of := range k.ownings() {
		keys[indexKey{bucketSentIDs, string(sentIDKey(k.MessageID, of, k.ID))}] = true
	}
	return keys
}

func trackNameKey(a mime.Address, id TrackID) []byte { return joined(a.Key(), string(id)) }

// names reports whether an address is one of a track's.
func (k Track) names(a mime.Address) bool {
	return trackKeys(k)[indexKey{bucketTrackNames, string(trackNameKey(a, k.ID))}]
}

// EachTrack implements TrackTx.
func (t *tx) EachTrack(q TrackQuery, fn func(Track) bool) error {
	bucket, prefixes := bucketTracks, [][]byte{nil}
	of, owned := q.owning()
	switch {
	case owned:
		bucket, prefixes = bucketSentIDs, [][]byte{sentIDKey(q.MessageID, of, "")}
	case q.MessageID != "":
		bucket, prefixes = bucketMessageIDs, nil
		for _, class := range TrackClasses() {
			if q.Class == "" || q.Class == class {
				prefixes = append(prefixes, messageIDKey(class, q.MessageID, ""))
			}
		}
	case !q.Address.IsZero():
		bucket, prefixes = bucketTrackNames, [][]byte{trackNameKey(q.Address, "")}
	}
	return t.walkTracks(bucket, prefixes, q, func(id TrackID) (bool, error) {
		k, err := t.Track(id)
		if err != nil {
			return false, err
		}
		if !q.Address.IsZero() && bucket != bucketTrackNames && !k.names(q.Address) {
			return true, nil
		}
		return fn(k), nil
	})
}

// walkTracks calls fn for the ids behind the prefixes in a bucket, within the bounds
// of q and in its order.
func (t *tx) walkTracks(bucket string, prefixes [][]byte, q TrackQuery, fn func(TrackID) (bool, error)) error {
	var all []*trackRange
	for _, prefix := range prefixes {
		all = append(all, openTrackRange(t.in(bucket).Cursor(), prefix, q))
	}
	for {
		var first *trackRange
		for _, r := range all {
			if r.key != nil && (first == nil || q.before(r.id(), first.id())) {
				first = r
			}
		}
		if first == nil {
			return nil
		}
		if len(first.id()) != trackIDSize {
			return fmt.Errorf("%w: an index of tracks", ErrCorrupt)
		}
		more, err := fn(first.id())
		if err != nil || !more {
			return err
		}
		first.step()
	}
}

// before reports whether a track comes before another in the order of the walk.
func (q TrackQuery) before(a, b TrackID) bool { return (a < b) == q.Oldest }

// A trackRange is a place among the keys behind a prefix that a query asks for.
type trackRange struct {
	prefix, low, high []byte
	key               []byte // nil at the end
	next              func() (key, value []byte)
}

func openTrackRange(c *bolt.Cursor, prefix []byte, q TrackQuery) *trackRange {
	r := &trackRange{prefix: prefix}
	r.low, r.high = append(bytes.Clone(prefix), firstTrackID(q.Since)...), append(bytes.Clone(prefix), 0xff)
	if !q.Until.IsZero() {
		r.high = append(bytes.Clone(prefix), firstTrackID(q.Until)...)
	}
	at := append(bytes.Clone(prefix), q.After...)
	var k []byte
	if q.Oldest {
		if q.After != "" && bytes.Compare(at, r.low) >= 0 {
			r.low = append(at, 0) // the least key behind it
		}
		k, _ = c.Seek(r.low)
		r.next = c.Next
	} else {
		if q.After != "" && bytes.Compare(at, r.high) < 0 {
			r.high = at
		}
		k = lastBefore(c, r.high)
		r.next = c.Prev
	}
	r.at(k)
	return r
}

// at moves to a key, or to the end if that is beyond the bounds.
func (r *trackRange) at(k []byte) {
	if bytes.Compare(k, r.low) < 0 || bytes.Compare(k, r.high) >= 0 {
		k = nil
	}
	r.key = k
}

func (r *trackRange) step() {
	k, _ := r.next()
	r.at(k)
}

func (r *trackRange) id() TrackID { return TrackID(r.key[len(r.prefix):]) }

// lastBefore moves a cursor to the last key before one, and returns it or nil.
func lastBefore(c *bolt.Cursor, key []byte) []byte {
	k, _ := c.Seek(key)
	if k == nil {
		k, _ = c.Last()
		return k
	}
	k, _ = c.Prev()
	return k
}

// firstTrackID is where the ids made at a time begin.
func firstTrackID(at time.Time) TrackID {
	if at.UnixMilli() <= 0 {
		return ""
	}
	return trackID(min(at.UnixMilli(), 1<<48-1), [10]byte{})
}

// fillTrackIndexes counts the tracks of an earlier schema, finds them by address,
// and remembers what was delivered and what senders were told. A damaged track
// stays as it was and is not counted.
func fillTrackIndexes(b *bolt.Tx) error {
	t := &tx{bolt: b, writable: true}
	n := 0
	err := rewriteRecords(t, bucketTracks, func(key []byte, k *Track) (bool, error) {
		if string(key) != string(k.ID) || len(k.ID) != trackIDSize {
			return false, nil
		}
		n++
		return tellFailures(k), errors.Join(t.fillTrackKeys(*k, bucketTrackNames), t.rememberTrack(*k))
	})
	return errors.Join(err, t.countTrack(n))
}

// fillMessageIDs finds the tracks of schema 4 by Message-ID, apart by whose word that
// is and in any case, and the outgoing ones by Message-ID and whose own they are.
func fillMessageIDs(b *bolt.Tx) error {
	t := &tx{bolt: b, writable: true}
	err := b.DeleteBucket([]byte(bucketMessageIDs))
	if err == nil {
		err = createBuckets(b, bucketMessageIDs, bucketSentIDs)
	}
	if err != nil {
		return fmt.Errorf("filling the index of Message-IDs: %w", err)
	}
	return rewriteRecords(t, bucketTracks, func(key []byte, k *Track) (bool, error) {
		if string(key) != string(k.ID) || len(k.ID) != trackIDSize {
			return false, nil
		}
		return false, t.fillTrackKeys(*k, bucketMessageIDs, bucketSentIDs)
	})
}

// fillTrackKeys makes new indexes know a track.
func (t *tx) fillTrackKeys(k Track, buckets ...string) error {
	for key := range trackKeys(k) {
		if !slices.Contains(buckets, key.bucket) {
			continue
		}
		err := t.put(key.bucket, []byte(key.key), nil)
		if err != nil {
			return err
		}
	}
	return nil
}

// tellFailures writes down what schemas before 4 left out: that the sender of a
// message was told where it failed.
func tellFailures(k *Track) (changed bool) {
	if !k.Outbound || k.Automatic {
		return false
	}
	for i := range k.Recipients {
		r := &k.Recipients[i]
		if r.State == TrackFailed {
			r.Told, changed = ToldFailure, true
		}
	}
	return changed
}
