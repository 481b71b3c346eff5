package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/maphash"

	"postern/internal/audit"
)

// rowsAtOnce bounds how many rows are held in memory when the store is compared with
// its trail; one is some 150 octets. Where more are spoken of, both are read again.
const rowsAtOnce = 200_000

// A said is the last that the trail says of a row that is there by it.
type said struct {
	record uint64
	sum    audit.Hash
}

// A rowCheck compares the rows of a store with what its trail says, a part at a time.
type rowCheck struct {
	*tx
	ctx    context.Context
	stock  stock
	seed   maphash.Seed
	part   uint64
	parts  uint64
	said   map[string]said
	report *audit.Report
}

// compareRows finds what was changed under a trail that is whole. A store whose
// records have no rows yet has nothing to compare.
func (t *tx) compareRows(ctx context.Context, report *audit.Report) error {
	if !t.exists(bucketMeta, []byte(metaStock)) {
		return nil
	}
	stock, err := getRecord[stock](t, bucketMeta, []byte(metaStock))
	if err != nil {
		return err
	}
	c := &rowCheck{tx: t, ctx: ctx, stock: stock, seed: maphash.MakeSeed(), report: report}
	return protected(t, func(*tx) error {
		c.parts, err = c.countParts(rowsAtOnce)
		for ; err == nil && c.part < c.parts; c.part++ {
			err = c.compare()
		}
		return err
	})
}

// entriesWithRows calls fn for the entries that have rows.
func (c *rowCheck) entriesWithRows(fn func(n uint64, stored []byte)) error {
	return c.each(bucketAudit, nil, nil, func(k, stored []byte) (bool, error) {
		if bytes.Contains(stored, []byte(`"rows":[`)) {
			fn(keyNumber(k, nil), stored)
		}
		return true, c.ctx.Err()
	})
}

// countParts is how often everything is read, so that no part has more than atOnce
// rows, or about so many.
func (c *rowCheck) countParts(atOnce int) (uint64, error) {
	mentions := 0
	err := c.entriesWithRows(func(_ uint64, stored []byte) {
		mentions += bytes.Count(stored, []byte(`{"row":"`))
	})
	return uint64(1 + mentions/atOnce), err
}

// mine reports whether a row is in the part that is compared now.
func (c *rowCheck) mine(name string) bool {
	return c.parts == 1 || maphash.String(c.seed, name)%c.parts == c.part
}

func (c *rowCheck) compare() error {
	c.said = make(map[string]said)
	err := c.entriesWithRows(func(n uint64, stored []byte) {
		entry, err := audit.ParseEntry(stored)
		if err != nil {
			return // the chain was found whole, or will not be
		}
		for _, row := range entry.Rows {
			switch {
			case !c.mine(row.Name):
			case row.Is == nil:
				delete(c.said, row.Name)
			default:
				c.said[row.Name] = said{n, *row.Is}
			}
		}
	})
	for _, kind := range rowKinds() {
		if err != nil {
			return err
		}
		err = c.each(kind.bucket, nil, nil, func(k, v []byte) (bool, error) {
			if kind.bucket == bucketBundleAnchors {
				v = c.bundleSet(string(k))
			}
			c.look(kind.bucket, k, v)
			return true, c.ctx.Err()
		})
	}
	for name, s := range c.said {
		if c.missed(name) {
			c.report.Differ(audit.Difference{Row: name, Kind: audit.WasRemoved, Record: s.record})
		}
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
		c.report.Differ(audit.Difference{Row: name, Kind: audit.WasChanged, Record: s.record})
	case !known && !c.stock.older(bucket, key, value):
		c.report.Differ(audit.Difference{Row: name, Kind: audit.WasInserted})
	case known:
		c.report.Rows++
	}
}

// missed reports whether a row that is not there should be. Tracks go for their age,
// and messages with their mailbox.
func (c *rowCheck) missed(name string) bool {
	id, ok := rowOf(name)
	switch {
	case ok && id.bucket == bucketTracks:
		return false
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
