package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/maphash"
	"maps"

	"postern/internal/audit"
)

// rowsAtOnce bounds how many rows are held in memory when the store is compared with
// its trail; one is some 300 octets. Where there are more, both are read again.
const rowsAtOnce = 200_000

// tracksNumber stands for how many tracks there are, as if that were a row.
const tracksNumber = "the number of tracks"

// A said is the last that the trail says of a row that is there by it.
type said struct {
	record uint64
	sum    audit.Sum
}

// A share is those rows whose names have a hash with a remainder.
type share struct{ remainder, of uint64 }

// A rowCheck compares the rows of a store with what its trail says, a share at a time.
type rowCheck struct {
	*tx
	ctx    context.Context
	stock  stock
	seed   maphash.Seed
	atOnce int
	share  share
	later  []share
	said   map[string]said
	tracks uint64 // rows
	report *audit.Report
	differ []rowID // as many as are held in memory
}

// compareRows finds what was changed under a trail that is whole, and returns the
// first rowsAtOnce of it. A store whose records have no rows yet has nothing to compare.
func (t *tx) compareRows(ctx context.Context, report *audit.Report) ([]rowID, error) {
	if !t.exists(bucketMeta, []byte(metaStock)) {
		return nil, nil
	}
	stock, err := getRecord[stock](t, bucketMeta, []byte(metaStock))
	if err != nil {
		return nil, err
	}
	c := &rowCheck{tx: t, ctx: ctx, stock: stock, seed: maphash.MakeSeed(), atOnce: rowsAtOnce, report: report}
	err = protected(t, func(*tx) error { return c.compareAll() })
	return c.differ, err
}

// differs tells of a row.
func (c *rowCheck) differs(name string, kind audit.Fault, record uint64) {
	c.report.Differ(audit.Difference{Row: name, Kind: kind, Record: record})
	id, ok := rowOf(name)
	if ok && len(c.differ) < c.atOnce {
		c.differ = append(c.differ, id)
	}
}

func (c *rowCheck) compareAll() error {
	c.later = []share{{0, 1}}
	for len(c.later) > 0 {
		last := len(c.later) - 1
		c.share, c.later = c.later[last], c.later[:last]
		err := c.compare()
		if err != nil {
			return err
		}
	}
	if c.tracks != c.in(bucketTracks).Sequence() {
		c.differs(tracksNumber, audit.WasChanged, c.report.Last)
	}
	return nil
}

// mine reports whether a row is in the share that is compared now.
func (c *rowCheck) mine(name string) bool {
	return c.share.of == 1 || maphash.String(c.seed, name)%c.share.of == c.share.remainder
}

// halve leaves the half of the share for later.
func (c *rowCheck) halve() {
	c.later = append(c.later, share{c.share.remainder + c.share.of, 2 * c.share.of})
	c.share.of *= 2
	maps.DeleteFunc(c.said, func(name string, _ said) bool { return !c.mine(name) })
}

// listen notes what an entry says of rows.
func (c *rowCheck) listen(n uint64, entry audit.Entry) {
	for _, row := range entry.Rows {
		switch {
		case !c.mine(row.Name) || !c.matters(row.Name):
		case row.Is == nil:
			delete(c.said, row.Name)
		default:
			c.said[row.Name] = said{n, *row.Is}
		}
	}
	for len(c.said) > c.atOnce {
		c.halve()
	}
}

func (c *rowCheck) compare() error {
	c.said, c.tracks = make(map[string]said), 0
	err := c.each(bucketAudit, nil, nil, func(k, stored []byte) (bool, error) {
		if bytes.Contains(stored, []byte(`"rows":[`)) {
			entry, err := audit.ParseEntry(stored)
			if err == nil { // otherwise it is what the trail is not whole for
				c.listen(keyNumber(k, nil), entry)
			}
		}
		return true, c.ctx.Err()
	})
	for _, kind := range rowKinds() {
		if err != nil {
			return err
		}
		err = c.each(kind.bucket, nil, nil, func(k, v []byte) (bool, error) {
			if kind.bucket == bucketTracks {
				c.tracks++
			}
			if kind.bucket == bucketBundleAnchors {
				v = c.bundleSet(string(k))
			}
			c.look(kind.bucket, k, v)
			return true, c.ctx.Err()
		})
	}
	for name, s := range c.said {
		c.differs(name, audit.WasRemoved, s.record)
	}
	return err
}

// look compares a row that is there.
func (c *rowCheck) look(bucket string, key, value []byte) {
	name := rowName(rowID{bucket, string(key)})
	if !c.mine(name) || bucket == bucketMessages && !c.inMailbox(key) {
		return
	}
	s, known := c.said[name]
	delete(c.said, name)
	sum, err := sumOf(bucket, value)
	switch {
	case known && (err != nil || sum != s.sum):
		c.differs(name, audit.WasChanged, s.record)
	case !known && !c.stock.older(bucket, key, value):
		c.differs(name, audit.WasInserted, 0)
	case known:
		c.report.Rows++
	}
}

// matters reports whether a row should be there if the trail says so. Tracks go for
// their age, and messages with their mailbox: most that the trail ever had.
func (c *rowCheck) matters(name string) bool {
	id, ok := rowOf(name)
	switch {
	case ok && id.bucket == bucketTracks:
		return c.exists(bucketTracks, []byte(id.key))
	case ok && id.bucket == bucketMessages:
		return c.inMailbox([]byte(id.key))
	}
	return true
}

// inMailbox reports whether a message is of a mailbox that is there: what was in a
// removed one goes bit by bit.
func (c *rowCheck) inMailbox(key []byte) bool {
	return len(key) == 12 && c.boxed(MailboxID(binary.BigEndian.Uint64(key)))
}
