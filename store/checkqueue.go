package store

import (
	"bytes"
	"maps"
)

func (c *checker) checkJobs() error {
	totals := make(map[JobKind]JobTotal)
	err := walkRecords(c, bucketJobs, func(k []byte, j Job) {
		c.report.Jobs++
		if j.Body != 0 {
			c.refs[j.Body]++
		}
		totals[j.Kind] = JobTotal{totals[j.Kind].Jobs + 1, totals[j.Kind].Bytes + j.Size}
		if !bytes.Equal(k, u64(uint64(j.ID))) {
			c.problem("job %d is stored under another id", j.ID)
		}
		if err := checkJob(j); err != nil {
			c.problem("job %d: %v", j.ID, err)
		}
		c.checkJobDue(j)
	})
	if err != nil {
		return err
	}
	stored, err := c.JobTotals()
	if err == nil && !maps.Equal(totals, stored) {
		c.miscounted("the numbers of jobs", func(t *tx) error { return t.setJobTotals(totals) },
			"the counts of jobs are %v and there are %v", stored, totals)
	}
	return err
}

func (c *checker) checkJobDue(j Job) {
	v := c.get(bucketDue, dueKey(j.Kind, j.Due, j.ID))
	switch {
	case (v != nil) == j.Idle():
		c.problem("job %d is wrong in the index of due times", j.ID)
	case !j.Idle() && !bytes.Equal(v, dueValue(itemOf(j))):
		c.problem("the index of due times tells something else of job %d", j.ID)
	}
}

func (c *checker) checkDue() error {
	return c.walk(bucketDue, func(k, _ []byte) {
		it, ok := readDue(k, nil)
		if !ok {
			c.problem("index of due times: %x is damaged", k)
			return
		}
		j, err := c.Job(it.id)
		if err != nil || !bytes.Equal(k, dueKey(j.Kind, j.Due, it.id)) {
			c.problem("the index of due times leads to job %d, which is not so", it.id)
		}
	})
}
