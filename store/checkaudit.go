package store

import (
	"context"
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"postern/internal/audit"
)

// VerifyAudit implements AuditTx.
func (t *tx) VerifyAudit(ctx context.Context, outside []audit.Checkpoint) (audit.Report, error) {
	report, _, err := t.verifyAudit(ctx, outside)
	return report, err
}

// verifyAudit returns the rows that differ as well: see compareRows.
func (t *tx) verifyAudit(ctx context.Context, outside []audit.Checkpoint) (report audit.Report, differ []rowID, err error) {
	var last, point uint64
	trail := audit.Trail{
		Base:        t.get(bucketMeta, []byte(metaAuditBase)),
		Entries:     reading(ctx, t.in(bucketAudit), &last),
		Checkpoints: reading(ctx, t.in(bucketCheckpoints), &point),
		Outside:     outside,
		Witness:     t.db.witness.found,
		State:       stateOf(t.bolt),
	}
	trail.Key, err = t.AuditKey()
	// A key that was tampered with leaves none: what it signed is then not ours.
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrCorrupt) {
		return audit.Report{}, nil, err
	}
	head, err := t.AuditHead()
	if err == nil {
		trail.Head = &head
		if t.writable {
			trail.State = head.State // it is sealed when the transaction ends
		}
	}
	err = protected(t, func(*tx) error { report = audit.Verify(trail); return nil })
	if err != nil {
		return audit.Report{}, nil, fmt.Errorf("verifying the audit trail, of which record %d could be read last: %w", last, err)
	}
	report.Witness = min(t.db.witness.number.Load(), report.Last)
	if (report.Problem == nil || report.Problem.Kind == audit.WasRestored) && t.db.witness.forged {
		report.Problem = &audit.Problem{Kind: audit.WitnessForged, From: report.Last, To: report.Last}
	}
	err = ctx.Err()
	if err == nil && report.Chained() {
		differ, err = t.compareRows(ctx, &report)
	}
	if err != nil {
		return audit.Report{}, nil, fmt.Errorf("verifying the audit trail: %w", err)
	}
	return report, differ, nil
}

// reading returns what a bucket holds, call by call, until ctx is done. last is the
// number that was read last.
func reading(ctx context.Context, b *bolt.Bucket, last *uint64) func() (key, value []byte, ok bool) {
	c := b.Cursor()
	next := c.First
	return func() ([]byte, []byte, bool) {
		k, v := next()
		next = c.Next
		if k != nil {
			*last = keyNumber(k, nil)
		}
		return k, v, k != nil && ctx.Err() == nil
	}
}

// checkAudit proves the chain of the trail, and compares the rows with it.
func (c *checker) checkAudit() error {
	report, differ, err := c.verifyAudit(c.ctx, nil)
	if err != nil {
		return err
	}
	c.report.Audit, c.report.Differing, c.found.rows = int(report.Entries), report.Differing, differ
	if report.Problem != nil {
		c.problem("audit trail: %v", report.Problem)
	}
	for _, d := range report.Differences {
		if d.Row == tracksNumber {
			c.report.Differing-- // it is no row: see checkTracks
		}
		c.differences = append(c.differences, "audit trail: "+d.Error())
	}
	if more := report.Differing - len(report.Differences); more > 0 {
		c.differences = append(c.differences, fmt.Sprintf("audit trail: %d more rows are not as it says", more))
	}
	return nil
}
