package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"maps"
)

func (c *checker) checkJobs() error {
	counts := make(map[JobKind]int)
	err := walkRecords(c, bucketJobs, func(k []byte, j Job) {
		c.report.Jobs++
		c.refs[j.Body]++
		counts[j.Kind]++
		if !bytes.Equal(k, u64(uint64(j.ID))) {
			c.problem("job %d is stored under another id", j.ID)
		}
		if c.exists(bucketDue, dueKey(j.Kind, j.Due, j.ID)) == j.Held {
			c.problem("job %d is wrong in the index of due times", j.ID)
		}
	})
	if err != nil {
		return err
	}
	stored, err := c.CountJobs()
	if err != nil || !maps.Equal(counts, stored) {
		c.problem("the counts of jobs are %v and there are %v", stored, counts)
	}
	return nil
}

func (c *checker) checkDue() error {
	return c.walk(bucketDue, func(k, _ []byte) {
		if len(k) < 8 {
			c.problem("index of due times: %x is damaged", k)
			return
		}
		id := JobID(binary.BigEndian.Uint64(k[len(k)-8:]))
		j, err := c.Job(id)
		if err != nil || !bytes.Equal(k, dueKey(j.Kind, j.Due, id)) {
			c.problem("the index of due times leads to job %d, which is not so", id)
		}
	})
}

func (c *checker) checkTracks() error {
	return walkRecords(c, bucketTracks, func(k []byte, t Track) {
		c.report.Tracks++
		if string(k) != string(t.ID) {
			c.problem("track %s is stored under another id", t.ID)
		}
		if t.MessageID != "" && !c.exists(bucketMessageIDs, messageIDKey(t.MessageID, t.ID)) {
			c.problem("track %s is missing in the index of Message-IDs", t.ID)
		}
	})
}

func (c *checker) checkMessageIDs() error {
	return c.walk(bucketMessageIDs, func(k, _ []byte) {
		if len(k) != sha256.Size+trackIDSize {
			c.problem("index of Message-IDs: %x is damaged", k)
			return
		}
		t, err := c.Track(TrackID(k[sha256.Size:]))
		if err != nil || !bytes.Equal(k, messageIDKey(t.MessageID, t.ID)) {
			c.problem("the index of Message-IDs leads to track %s, which is not so", k[sha256.Size:])
		}
	})
}

func (c *checker) checkEvents() error {
	return walkRecords(c, bucketEvents, func(k []byte, _ Event) {
		if len(k) != trackIDSize+4 || !c.exists(bucketTracks, k[:trackIDSize]) {
			c.problem("event %x is of no track", k)
		}
	})
}
