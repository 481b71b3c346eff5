package store

import (
	"bytes"
	"encoding/binary"
	"maps"
)

func (c *checker) checkJobs() error {
	counts := make(map[JobKind]int)
	err := walkRecords(c, bucketJobs, func(k []byte, j Job) {
		c.report.Jobs++
		if j.Body != 0 {
			c.refs[j.Body]++
		}
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
