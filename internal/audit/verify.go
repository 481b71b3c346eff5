package audit

import (
	"cmp"
	"crypto/ed25519"
	"encoding/binary"
	"slices"
	"time"
)

// A Trail is what is to be verified.
type Trail struct {
	// Key is the public key of our checkpoints; nil while there is none.
	Key ed25519.PublicKey
	// Base is the line that stands in for what was pruned; nil if nothing was.
	Base []byte
	// Head is where the trail ends; nil when it is missing or not authentic.
	Head *Head
	// State is what the State of the head must be.
	State Hash
	// Witness is an end of the trail that was kept apart; nil if there is none.
	Witness *Head
	// Entries and Checkpoints return, call by call, the keys and values as they are
	// stored, in the order of the keys, which are the numbers as 8 octets,
	// big-endian; then false. nil is none. What they return must stay as it is.
	Entries, Checkpoints func() (key, value []byte, ok bool)
	// Outside are checkpoints that were kept elsewhere, in any order.
	Outside []Checkpoint
}

// A Report is what Verify found.
type Report struct {
	First       uint64 `json:"first"`       // number of the first entry; 0 if there is none
	Last        uint64 `json:"last"`        // number of the last entry
	Entries     uint64 `json:"records"`     // how many were read
	Checkpoints int    `json:"checkpoints"` // that agree, of the trail's own
	Outside     int    `json:"compared"`    // that agree, of those kept elsewhere
	TooOld      int    `json:"too_old"`     // of those kept elsewhere, about records that were pruned
	Left        int    `json:"left"`        // of those kept elsewhere, of a trail that a restore left
	// Witness is the number of the record up to which the end that is kept beside
	// the store vouches; 0 if there is none. It is for who calls Verify to set.
	Witness uint64 `json:"witness"`
	// Problem is the first place that is wrong; nil says that the trail is whole.
	Problem *Problem `json:"problem,omitempty"`
	// Rows are those of the store that were compared with the records, and
	// Differences the first of those that are not as they say, of Differing. Only a
	// trail whose records are whole is compared. They are for who calls Verify to set.
	Rows        int          `json:"rows"`
	Differing   int          `json:"differing"`
	Differences []Difference `json:"differences,omitempty"`
}

// Whole reports whether nothing is wrong.
func (r Report) Whole() bool { return r.Problem == nil && r.Differing == 0 }

// Chained reports whether the records are those that were written, so that the rows
// may be compared with them; what is wrong is not with them.
func (r Report) Chained() bool {
	return r.Problem == nil || r.Problem.Kind == HeadSetBack || r.Problem.Kind == WasRestored
}

// MaxDifferences are how many of the differences a report names.
const MaxDifferences = 100

// Differ adds a difference.
func (r *Report) Differ(d Difference) {
	r.Differing++
	if len(r.Differences) < MaxDifferences {
		r.Differences = append(r.Differences, d)
	}
}

// A verifier walks a trail. last and hash are of the entry that was found good
// last; vouched is the number up to which a checkpoint agreed.
type verifier struct {
	Trail
	report   Report
	base     uint64
	last     uint64
	hash     Hash
	point    uint64 // number of the last checkpoint
	vouched  uint64
	agreed   uint64 // number of the last checkpoint kept elsewhere that agreed
	restores []restore
	left     *Problem // what is kept elsewhere of trails that restores left
	entries  window
	points   window
	outside  []Checkpoint
	lines    checkpointReader
}

// A restore is a record of one.
type restore struct {
	number uint64
	at     time.Time
}

// Verify walks the trail and reports the first place that is wrong. It needs the
// memory of two entries.
func Verify(t Trail) Report {
	v := &verifier{Trail: t, lines: newCheckpointReader(), outside: slices.Clone(t.Outside)}
	slices.SortFunc(v.outside, func(a, b Checkpoint) int { return cmp.Or(cmp.Compare(a.Number, b.Number), a.At.Compare(b.At)) })
	v.entries.open(t.Entries)
	v.points.open(t.Checkpoints)
	v.report.Problem = v.walk()
	v.report.Last = v.last
	return v.report
}

// A window is a place in what is stored: what is there, and what comes after it.
type window struct {
	read      func() (key, value []byte, ok bool)
	now, next stored
}

type stored struct {
	key, octets []byte
	ok          bool
}

func (w *window) open(read func() (key, value []byte, ok bool)) {
	w.read = read
	w.step()
	w.step()
}

func (w *window) step() {
	w.now = w.next
	w.next = stored{}
	if w.read != nil {
		w.next.key, w.next.octets, w.next.ok = w.read()
	}
	if !w.next.ok {
		w.read = nil
	}
}

// number is that of a key; 0 is that of what cannot be one.
func (s stored) number() uint64 {
	if !s.ok || len(s.key) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(s.key)
}

// entry is what is stored, if it can be read.
func (s stored) entry() (Entry, bool) {
	if !s.ok {
		return Entry{}, false
	}
	e, err := ParseEntry(s.octets)
	return e, err == nil
}

func (v *verifier) walk() *Problem {
	p := v.begin()
	for p == nil && v.entries.now.ok {
		p = v.step()
		v.entries.step()
	}
	if p == nil {
		p = v.end()
	}
	return p
}

// begin starts behind what was pruned.
func (v *verifier) begin() *Problem {
	if v.Base == nil {
		return nil
	}
	b, err := v.lines.parse(v.Base)
	if err != nil || b.Mark != Base || !b.Verify(v.Key) {
		return problem(BaseForged, 0, 0)
	}
	v.base, v.last, v.hash, v.vouched, v.agreed = b.Number, b.Number, b.Hash, b.Number, b.Number
	return nil
}

// step looks at one entry.
func (v *verifier) step() *Problem {
	now := v.entries.now
	n := now.number()
	switch {
	case n <= v.last: // also what has no number
		return problem(WasInserted, v.last, v.last)
	case n != v.last+1:
		return problem(WasRemoved, v.last+1, n-1)
	case v.Head != nil && n > v.Head.Number:
		return problem(WasInserted, n, n)
	}
	e, ok := now.entry()
	switch {
	case !ok:
		return problem(WasChanged, n, n)
	case e.Number != n:
		return v.misplaced(n, e)
	case e.Prev != v.hash:
		return v.broken(n)
	}
	v.last, v.hash = n, HashOf(now.octets)
	if e.Action == Restored {
		v.restores = append(v.restores, restore{n, e.At.UTC()})
	}
	if v.report.Entries == 0 {
		v.report.First = n
	}
	v.report.Entries++
	p := v.checkpoints()
	if p == nil {
		p = v.compare()
	}
	if w := v.Witness; p == nil && w != nil && w.Number == v.last && w.Hash != v.hash {
		p = v.differs(w.Hash)
	}
	return p
}

// misplaced tells what it means that an entry stands where another should. All
// before it are in their places.
func (v *verifier) misplaced(n uint64, e Entry) *Problem {
	next, _ := v.entries.next.entry()
	switch {
	case e.Number > n && (next.Number == n || next.Number == n+1):
		return &Problem{Kind: WasSwapped, From: n, To: e.Number}
	case e.Number > n:
		return problem(WasRemoved, n, e.Number-1)
	case e.Number == n-1 && next.Number != n+1:
		return problem(WasInserted, e.Number, e.Number) // and all after it moved on
	}
	return problem(WasChanged, n, n)
}

// broken tells which of two entries was changed that do not follow each other: the
// second, unless what comes after it vouches for it.
func (v *verifier) broken(n uint64) *Problem {
	own := HashOf(v.entries.now.octets)
	vouched := v.Head != nil && v.Head.Number == n && v.Head.Hash == own
	next, ok := v.entries.next.entry()
	if ok && next.Prev == own {
		vouched = true
	}
	if vouched && v.last > v.vouched {
		return problem(WasChanged, v.last, v.last)
	}
	return problem(WasChanged, n, n)
}

// differs tells what it means that the chain is without a fault up to an entry,
// and that its hash is not the one that was vouched for: the entry alone was
// changed, or the chain was made anew since the last checkpoint that agrees. Of ours
// one may agree with what was made anew: then those kept elsewhere count alone.
func (v *verifier) differs(vouched Hash) *Problem {
	next, ok := v.entries.next.entry()
	if ok && next.Prev == vouched {
		return problem(WasChanged, v.last, v.last)
	}
	since := v.vouched
	if since >= v.last {
		since = v.agreed
	}
	if since+1 >= v.last {
		return problem(WasChanged, v.last, v.last)
	}
	return problem(WasRewritten, since+1, v.last)
}

// end looks at what the trail should end with.
func (v *verifier) end() *Problem {
	for v.points.now.ok {
		c, p := v.checkpoint()
		if p != nil {
			return p
		}
		if c.Number > v.last {
			return problem(WasTruncated, v.last+1, c.Number)
		}
		v.points.step()
	}
	switch h := v.Head; {
	case h == nil:
		return problem(HeadForged, v.last, v.last)
	case h.Number > v.last:
		return problem(WasTruncated, v.last+1, h.Number)
	case h.Number < v.last:
		return problem(WasInserted, h.Number+1, v.last)
	case h.Hash != v.hash:
		return v.differs(h.Hash)
	case h.Checkpoint > v.point && h.Checkpoint > v.base:
		return problem(CheckpointMissing, h.Checkpoint, h.Checkpoint)
	case h.Checkpoint < v.point:
		return problem(CheckpointForged, v.point, v.point)
	}
	if w := v.Witness; w != nil && w.Number > v.last {
		return problem(WasTruncated, v.last+1, w.Number)
	}
	if v.Head.State != v.State {
		return problem(HeadSetBack, v.last, v.last)
	}
	p := v.beyond()
	if p == nil {
		p = v.left
	}
	return p
}
