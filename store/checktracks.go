package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

func (c *checker) checkTracks() error {
	err := walkRecords(c, bucketTracks, func(k []byte, t Track) {
		c.report.Tracks++
		if string(k) != string(t.ID) {
			c.problem("track %s is stored under another id", t.ID)
		}
		c.isOf(t.Era)
		for key := range trackKeys(t) {
			if !c.exists(key.bucket, []byte(key.key)) {
				c.problem("track %s is missing in the index %s", t.ID, key.bucket)
			}
		}
	})
	if err != nil {
		return err
	}
	there := c.report.Tracks
	counted, err := c.CountTracks()
	if err == nil && counted != there {
		c.miscounted(tracksNumber, func(t *tx) error { return t.countTrack(there - counted) },
			"%d tracks are counted and there are %d", counted, there)
	}
	return err
}

func (c *checker) checkMessageIDs() error { return c.checkHashed(bucketMessageIDs) }
func (c *checker) checkSentIDs() error    { return c.checkHashed(bucketSentIDs) }

// checkHashed checks an index of tracks by a digest.
func (c *checker) checkHashed(bucket string) error {
	return c.walk(bucket, func(k, _ []byte) {
		if len(k) != sha256.Size+trackIDSize {
			c.problem("the index %s: %x is damaged", bucket, k)
			return
		}
		c.checkTrackKey(bucket, k)
	})
}

func (c *checker) checkTrackNames() error {
	return c.walk(bucketTrackNames, func(k, _ []byte) {
		if len(k) <= trackIDSize {
			c.problem("index of tracks by address: %x is damaged", k)
			return
		}
		c.checkTrackKey(bucketTrackNames, k)
	})
}

// checkTrackKey checks that the track at the end of an index's key is there.
func (c *checker) checkTrackKey(bucket string, k []byte) {
	id := TrackID(k[len(k)-trackIDSize:])
	t, err := c.Track(id)
	if err != nil || !trackKeys(t)[indexKey{bucket, string(k)}] {
		c.problem("the index %s leads to track %s, which is not so", bucket, id)
	}
}

func (c *checker) checkEvents() error {
	return walkRecords(c, bucketEvents, func(k []byte, _ Event) {
		if len(k) != trackIDSize+4 || !c.exists(bucketTracks, k[:trackIDSize]) {
			c.problem("event %x is of no track", k)
		}
	})
}

func (c *checker) checkDelivered() error {
	return c.walk(bucketDelivered, func(k, v []byte) {
		if len(k) != len(DeliveryKey{}) || len(v) != deliverySize && len(v) != deliverySize+8 {
			c.problem("delivery %x is damaged", k)
			return
		}
		made := len(v) == deliverySize
		if c.exists(bucketDeliveredTimes, append(bytes.Clone(v[:8]), k...)) != made {
			c.problem("delivery %x is wrong in the index of times", k)
		}
		if made {
			return
		}
		j, err := c.Job(JobID(binary.BigEndian.Uint64(v[deliverySize:])))
		if err != nil || !j.forEdge() || !bytes.Equal(j.Push.Known[:], k) {
			c.problem("delivery %x waits for job %d, which is not so", k, binary.BigEndian.Uint64(v[deliverySize:]))
		}
	})
}

func (c *checker) checkDeliveredTimes() error {
	return c.walk(bucketDeliveredTimes, func(k, _ []byte) {
		if len(k) != 8+len(DeliveryKey{}) || !bytes.HasPrefix(c.get(bucketDelivered, k[8:]), k[:8]) {
			c.problem("the index of times leads to delivery %x, which is not so", k)
		}
	})
}

// checkFetched checks that the index of what was read leads to such messages;
// those of removed mailboxes go bit by bit.
func (c *checker) checkFetched() error {
	return c.walk(bucketFetched, func(k, _ []byte) {
		if len(k) != 20 {
			c.problem("index of what was read: %x is damaged", k)
			return
		}
		if c.exists(bucketDoomed, k[:8]) {
			return
		}
		id := MailboxID(binary.BigEndian.Uint64(k))
		m, err := c.message(id, binary.BigEndian.Uint32(k[16:]))
		if err != nil || !bytes.Equal(fetchedKey(id, m.Message), k) {
			c.problem("the index of what was read leads to message %d of mailbox %d, which is not so", binary.BigEndian.Uint32(k[16:]), id)
		}
	})
}
