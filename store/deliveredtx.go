package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// deliverySize is the octets of a delivery without its push.
const deliverySize = 8 + trackIDSize

// Delivered implements DeliveredTx.
func (t *tx) Delivered(k DeliveryKey) (Delivery, error) {
	v := t.get(bucketDelivered, k[:])
	if v == nil {
		return Delivery{}, fmt.Errorf("a delivery: %w", ErrNotFound)
	}
	if len(v) != deliverySize && len(v) != deliverySize+8 {
		return Delivery{}, fmt.Errorf("%w: a delivery", ErrCorrupt)
	}
	d := Delivery{Track: TrackID(v[8:deliverySize]), At: timeOfSortable(binary.BigEndian.Uint64(v)).UTC()}
	if len(v) > deliverySize {
		d.Push = JobID(binary.BigEndian.Uint64(v[deliverySize:]))
	}
	return d, nil
}

// PutDelivered implements DeliveredTx.
func (t *tx) PutDelivered(k DeliveryKey, d Delivery) error {
	if !t.writable {
		return ErrReadOnly
	}
	if len(d.Track) != trackIDSize {
		return fmt.Errorf("a track id has %d characters", trackIDSize)
	}
	err := t.RemoveDelivered(k)
	if err != nil {
		return err
	}
	at := u64(sortableTime(d.At))
	v := append(bytes.Clone(at), d.Track...)
	if d.Push != 0 {
		return t.put(bucketDelivered, k[:], append(v, u64(uint64(d.Push))...))
	}
	return errors.Join(
		t.put(bucketDelivered, k[:], v),
		t.put(bucketDeliveredTimes, append(bytes.Clone(at), k[:]...), nil))
}

// RemoveDelivered implements DeliveredTx.
func (t *tx) RemoveDelivered(k DeliveryKey) error {
	if !t.writable {
		return ErrReadOnly
	}
	old := t.get(bucketDelivered, k[:])
	if len(old) < 8 {
		return nil
	}
	return errors.Join(t.remove(bucketDeliveredTimes, append(bytes.Clone(old[:8]), k[:]...)), t.remove(bucketDelivered, k[:]))
}

// ForgetDelivered implements DeliveredTx.
func (t *tx) ForgetDelivered(before time.Time, most int) (int, error) {
	if !t.writable {
		return 0, ErrReadOnly
	}
	var old [][]byte
	end := u64(sortableTime(before))
	err := t.each(bucketDeliveredTimes, nil, nil, func(k, _ []byte) (bool, error) {
		if len(old) == most || bytes.Compare(k, end) >= 0 {
			return false, nil
		}
		if len(k) != 8+len(DeliveryKey{}) {
			return false, fmt.Errorf("%w: the times of deliveries", ErrCorrupt)
		}
		old = append(old, bytes.Clone(k))
		return true, nil
	})
	for _, k := range old {
		err = errors.Join(err, t.remove(bucketDelivered, k[8:]), t.remove(bucketDeliveredTimes, k))
	}
	return len(old), err
}

// rememberTrack remembers the deliveries that a track of an earlier schema tells
// of.
func (t *tx) rememberTrack(k Track) error {
	if k.Outbound || k.MessageID == "" || k.Digest == "" {
		return nil
	}
	for _, r := range k.Recipients {
		if r.State != TrackDelivered {
			continue
		}
		box, err := t.MailboxByName(r.Address, Inbox)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrCorrupt) {
			continue
		}
		if err != nil {
			return err
		}
		err = t.PutDelivered(NewDeliveryKey(k.Author, box.ID, k.MessageID, k.Digest), Delivery{Track: k.ID, At: k.Received})
		if err != nil {
			return err
		}
	}
	return nil
}
