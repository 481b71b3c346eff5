package store

import (
	"bytes"
	"maps"
)

func (c *checker) checkJobs() error {
	totals, pushes := make(map[JobKind]JobTotal), make(map[string]JobTotal)
	err := walkRecords(c, bucketJobs, func(k []byte, j Job) {
		c.report.Jobs++
		c.isOf(j.Era)
		if j.Body != 0 {
			c.refs[j.Body]++
		}
		totals[j.Kind] = JobTotal{totals[j.Kind].Jobs + 1, totals[j.Kind].Bytes + j.Size}
		if j.forEdge() {
			key := string(pushCountKey(j.Push.Account, j.Era))
			pushes[key] = JobTotal{pushes[key].Jobs + 1, pushes[key].Bytes + j.Size}
		}
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
	if err != nil {
		return err
	}
	return c.checkPushes(pushes)
}

// checkPushes compares what is counted for the edge of each account.
func (c *checker) checkPushes(totals map[string]JobTotal) error {
	stored := make(map[string]JobTotal)
	err := c.walk(bucketPushCounts, func(k, v []byte) {
		total, err := readJobTotal(v)
		if err != nil {
			c.problem("what waits for the edge of %q: %v", k, err)
		}
		stored[string(k)] = total
	})
	if err != nil || maps.Equal(totals, stored) {
		return err
	}
	c.miscounted("what waits for edges", func(t *tx) error { return t.setPushTotals(totals) },
		"the counts of what waits for edges are %v and there are %v", stored, totals)
	return nil
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
