package store

import (
	"context"
	"errors"
	"fmt"
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
	era    Era               // the last that anything is of

	differences []string // from the audit trail
	found       findings
}

// Check implements Store. Writers go on meanwhile. The error is that of ctx or of
// reading at all; what is wrong in the store is in the report.
func (db *DB) Check(ctx context.Context) (CheckReport, error) { return db.check(ctx, nil) }

func (db *DB) check(ctx context.Context, p *pace) (CheckReport, error) {
	report, _, err := db.examine(ctx, p)
	return report, err
}

// examine returns what is no damage as well.
func (db *DB) examine(ctx context.Context, p *pace) (CheckReport, findings, error) {
	c := &checker{ctx: ctx, pace: p, refs: make(map[BodyID]uint32)}
	readable, err := db.walkPages(ctx, p, c.problem)
	switch {
	case err != nil:
	case !readable:
		c.problem("the records were not read, because of the pages")
	default:
		err = db.view(func(t *tx) error {
			c.tx = t
			return c.checkRecords()
		})
	}
	c.report.Damage = len(c.report.Problems)
	c.report.Problems = append(append(c.report.Problems, c.tellCounts()...), c.differences...)
	if err != nil {
		return c.report, findings{}, fmt.Errorf("checking the store: %w", err)
	}
	return c.report, c.found, nil
}

// Damaged is nil, or ErrCorrupt where what was checked, which is called what, is not to
// be used. Rows that differ from the audit trail, and numbers that can be counted anew,
// are no damage: refused for them, a store could not be restored from any copy of it.
func (r CheckReport) Damaged(what string) error {
	if r.Damage == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s has %d problems, such as: %s", ErrCorrupt, what, r.Damage, r.Problems[0])
}

func (c *checker) problem(format string, args ...any) {
	switch n := len(c.report.Problems); {
	case n < maxProblems:
		c.report.Problems = append(c.report.Problems, fmt.Sprintf(format, args...))
	case n == maxProblems:
		c.report.Problems = append(c.report.Problems, "and more")
	}
}

func (c *checker) checkRecords() error {
	version, err := readSchema(c.bolt)
	if err != nil {
		return err
	}
	c.report.Schema = version
	for _, check := range []func() error{
		c.checkDomains, c.checkAccounts, c.checkAliases, c.checkFormers, c.checkSentAs, c.checkKeys, c.checkKeyOwners, c.checkAnchors,
		c.checkKeyRequests, c.checkDocuments, c.checkDocumentBodies,
		c.checkBundles, c.checkBundleStates, c.checkBundleAnchors,
		c.checkAccesses, c.checkLastUses, c.checkHooks, c.checkHookStates, c.checkEdges,
		c.checkMailboxes, c.checkMailboxNames, c.checkMessages, c.checkDoomed,
		c.checkJobs, c.checkDue, c.checkTracks, c.checkEra, c.checkMessageIDs, c.checkSentIDs, c.checkTrackNames, c.checkEvents,
		c.checkDelivered, c.checkDeliveredTimes, c.checkRequests, c.checkRequestTimes, c.checkCertCache, c.checkFetched,
		c.checkBodies, c.checkLoose, c.checkChunks, c.checkStructures,
		c.checkAudit,
		c.checkLayout, c.checkDataKeys, c.checkSequences, c.checkLogs,
	} {
		err := protected(c.tx, func(*tx) error { return check() })
		switch {
		case errors.Is(err, ErrCorrupt):
			c.problem("%v", err) // and what is after it is not read
		case err != nil:
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
