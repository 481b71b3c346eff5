package store

// isOf notes that something is of an era, which has begun then.
func (c *checker) isOf(e Era) { c.era = max(c.era, e) }

func (c *checker) checkFormers() error {
	return c.walk(bucketFormer, func(k, v []byte) {
		f, err := c.formerOf(k, v)
		switch {
		case err != nil:
			c.problem("%s %x: %v", bucketFormer, k, err)
		case f.Damaged:
			c.miscounted("who had "+f.Address.String()+" before", func(t *tx) error { return t.mendFormer(f, c.era) },
				"who had %s before cannot be read: until it is mended nobody gets what was written to it, or signs for it, but who has it now", f.Address)
		default:
			c.isOf(f.Tenures[len(f.Tenures)-1].To + 1) // which the end of the last began
		}
	})
}

// mendFormer has a record that is damaged say what it is taken for, up to the era before
// the present one, or before the last that there is something of. That it was changed is
// for the audit trail to tell, until somebody accepts it.
func (t *tx) mendFormer(f Former, last Era) error {
	now, err := t.Era()
	if err == nil {
		last = max(last, now)
	}
	all := &f.Tenures[0]
	all.To = min(all.To, max(last, 1)-1)
	return t.putRecord(bucketFormer, []byte(f.Address.Key()), f)
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
