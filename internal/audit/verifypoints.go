package audit

import "slices"

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
		if c.Hash != v.hash && v.wasLeft(c) {
			continue
		}
		if c.Hash != v.hash {
			return v.differs(c.Hash)
		}
		v.vouched, v.agreed = c.Number, c.Number
		v.report.Outside++
	}
	return nil
}

// wasLeft reports whether a checkpoint kept elsewhere that does not fit is of a trail
// that a restore left: it was signed before that, and speaks of what came after the
// copy was made. Nobody without our key can make it so, neither by a time nor by the
// record of a restore: that must stand the test of the rest of the trail, whose fault
// is told first.
func (v *verifier) wasLeft(c Checkpoint) bool {
	i := slices.IndexFunc(v.restores, func(r restore) bool { return r.number <= c.Number && !c.At.After(r.at) })
	if i < 0 {
		return false
	}
	r := v.restores[i]
	v.report.Left++
	v.left = &Problem{Kind: WasRestored, From: r.number, To: c.Number, At: r.at} // in the order of numbers
	return true
}

// beyond looks at what was kept elsewhere about entries that are not there: the
// latest of it says how many are missing.
func (v *verifier) beyond() (missing *Problem) {
	for _, c := range v.outside {
		switch {
		case !c.Verify(v.Key):
			return problem(OutsideForged, c.Number, c.Number)
		case v.wasLeft(c):
		case c.Number > v.last:
			missing = problem(WasTruncated, v.last+1, c.Number)
		default:
			v.report.TooOld++ // everything was pruned
		}
	}
	return missing
}
