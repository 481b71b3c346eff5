package audit

// checkpoints looks at those of the entry that was found good last, and at those
// before it that belong to nothing.
func (v *verifier) checkpoints() *Problem {
	for v.points.now.ok && v.points.now.number() <= v.last {
		c, p := v.checkpoint()
		if p != nil {
			return p
		}
		v.points.step()
		if c.Number <= v.base {
			continue // the base says what it said
		}
		switch {
		case c.Number < v.last:
			return problem(CheckpointForged, c.Number, c.Number)
		case c.After > v.point && c.After > v.base:
			return problem(CheckpointMissing, c.After, c.After)
		case c.After < v.point:
			return problem(CheckpointForged, c.Number, c.Number)
		case c.Hash != v.hash:
			return v.differs(c.Hash)
		}
		v.point, v.vouched = c.Number, c.Number
		v.report.Checkpoints++
	}
	return nil
}

// checkpoint reads the one that is there and verifies its signature.
func (v *verifier) checkpoint() (Checkpoint, *Problem) {
	now := v.points.now
	c, err := v.lines.parse(now.octets)
	if err != nil || c.Mark != Point || c.Number != now.number() || !c.Verify(v.Key) {
		n := now.number()
		return c, problem(CheckpointForged, n, n)
	}
	return c, nil
}

// compare looks at the checkpoints kept elsewhere that speak of the entry that was
// found good last, or of entries before the trail.
func (v *verifier) compare() *Problem {
	for len(v.outside) > 0 && v.outside[0].Number <= v.last {
		c := v.outside[0]
		v.outside = v.outside[1:]
		if !c.Verify(v.Key) {
			return problem(OutsideForged, c.Number, c.Number)
		}
		if c.Number < v.last {
			v.report.TooOld++
			continue
		}
		if c.Hash != v.hash {
			return v.left(c, v.differs(c.Hash))
		}
		v.vouched, v.agreed = c.Number, c.Number
		v.report.Outside++
	}
	return nil
}

// left says that a checkpoint kept elsewhere may be of the chain that a restore left,
// if there is the record of one since the last that agreed; otherwise what p says.
func (v *verifier) left(c Checkpoint, p *Problem) *Problem {
	if v.restored > v.agreed && v.restored <= c.Number {
		return problem(WasRestored, v.restored, c.Number)
	}
	return p
}

// beyond looks at what was kept elsewhere about entries that are not there: the
// latest of it says how many are missing.
func (v *verifier) beyond(latest Checkpoint) *Problem {
	for _, c := range v.outside {
		if !c.Verify(v.Key) {
			return problem(OutsideForged, c.Number, c.Number)
		}
	}
	if latest.Number > v.last {
		return v.left(latest, problem(WasTruncated, v.last+1, latest.Number))
	}
	v.report.TooOld += len(v.outside) // everything was pruned
	return nil
}
