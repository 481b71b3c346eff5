package store

// isOf notes that something is of an era, which has begun then.
func (c *checker) isOf(e Era) { c.era = max(c.era, e) }

func (c *checker) checkFormers() error {
	return walkRecords(c, bucketFormer, func(k []byte, f Former) {
		if string(k) != f.Address.Key() {
			c.problem("who had %s before is stored under another address", f.Address)
		}
		if f.From > f.To {
			c.problem("who had %s before had it from era %d to %d", f.Address, f.From, f.To)
		}
		c.isOf(f.To + 1) // which the end of the last began
	})
}

// checkEra compares the last era with those that there is something of. One that is lost
// is counted by them: nothing is left of any that was behind.
func (c *checker) checkEra() error {
	last := c.era
	now, err := c.Era()
	switch {
	case err != nil:
		c.miscounted("the last era", func(t *tx) error { return t.setEra(last) }, "%v", err)
	case now < last:
		c.miscounted("the last era", func(t *tx) error { return t.setEra(last) },
			"era %d is counted as the last and there is something of %d", now, last)
	}
	return nil
}
