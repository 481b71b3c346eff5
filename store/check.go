package store

import (
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// maxProblems bounds the report on a store that is damaged throughout.
const maxProblems = 1000

// A checker reads everything in one snapshot.
type checker struct {
	*tx
	ctx    context.Context
	pace   *pace
	report CheckReport
	refs   map[BodyID]uint32 // counted from jobs and messages
}

// Check implements Store. Writers wait while the pages of the file are checked;
// the records are checked beside them. The error is that of ctx or of reading
// at all; what is wrong in the store is in the report.
func (db *DB) Check(ctx context.Context) (CheckReport, error) { return db.check(ctx, nil) }

func (db *DB) check(ctx context.Context, p *pace) (CheckReport, error) {
	c := &checker{ctx: ctx, pace: p, refs: make(map[BodyID]uint32)}
	err := db.commits.between(ctx, func() error { return db.bolt.View(c.checkPages) })
	if err == nil {
		err = db.view(func(t *tx) error {
			c.tx = t
			return c.checkRecords()
		})
	}
	if err != nil {
		return c.report, fmt.Errorf("checking the store: %w", err)
	}
	return c.report, nil
}

func (c *checker) problem(format string, args ...any) {
	switch n := len(c.report.Problems); {
	case n < maxProblems:
		c.report.Problems = append(c.report.Problems, fmt.Sprintf(format, args...))
	case n == maxProblems:
		c.report.Problems = append(c.report.Problems, "and more")
	}
}

// checkPages has bbolt check its tree. It compares with the list of free pages
// in memory, so that no transaction may write meanwhile.
func (c *checker) checkPages(b *bolt.Tx) error {
	for err := range b.Check() { // to the end: it blocks otherwise
		c.problem("pages: %v", err)
	}
	return c.ctx.Err()
}

func (c *checker) checkRecords() error {
	version, err := readSchema(c.bolt)
	if err != nil {
		return err
	}
	c.report.Schema = version
	for _, check := range []func() error{
		c.checkDomains, c.checkAccounts, c.checkKeys, c.checkKeyOwners, c.checkAnchors,
		c.checkKeyRequests, c.checkDocuments, c.checkDocumentBodies,
		c.checkBundles, c.checkBundleStates, c.checkBundleAnchors,
		c.checkMailboxes, c.checkMailboxNames, c.checkMessages, c.checkDoomed,
		c.checkJobs, c.checkDue, c.checkTracks, c.checkMessageIDs, c.checkTrackNames, c.checkEvents,
		c.checkDelivered, c.checkDeliveredTimes, c.checkFetched,
		c.checkBodies, c.checkLoose, c.checkChunks,
		c.checkAudit,
		c.checkLayout, c.checkDataKeys, c.checkSequences, c.checkLogs,
	} {
		err := check()
		if err != nil {
			return err
		}
	}
	return nil
}

// walk calls fn for every key of a bucket, as long as ctx allows.
func (c *checker) walk(bucket string, fn func(k, v []byte)) error {
	return c.each(bucket, nil, nil, func(k, v []byte) (bool, error) {
		fn(k, v)
		return true, c.pace.rest(c.ctx)
	})
}

// walkRecords calls fn for the records of a bucket that can be decoded.
func walkRecords[T any](c *checker, bucket string, fn func(k []byte, record T)) error {
	return c.walk(bucket, func(k, v []byte) {
		record, err := decodeRecord[T](bucket, v)
		if err != nil {
			c.problem("%s %x: %v", bucket, k, err)
			return
		}
		fn(k, record)
	})
}
