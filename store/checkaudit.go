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
	var last, point uint64
	trail := audit.Trail{
		Base:        t.get(bucketMeta, []byte(metaAuditBase)),
		Entries:     reading(ctx, t.in(bucketAudit), &last),
		Checkpoints: reading(ctx, t.in(bucketCheckpoints), &point),
		Outside:     outside,
		Witness:     t.db.witness.found,
		State:       stateOf(t.bolt),
	}
	var err error
	trail.Key, err = t.AuditKey()
	// A key that was tampered with leaves none: what it signed is then not ours.
	if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrCorrupt) {
		return audit.Report{}, err
	}
	head, err := t.AuditHead()
	if err == nil {
		trail.Head = &head
		if t.writable {
			trail.State = head.State // it is sealed when the transaction ends
		}
	}
	var report audit.Report
	err = protected(t, func(*tx) error { report = audit.Verify(trail); return nil })
	if err != nil {
		return audit.Report{}, fmt.Errorf("verifying the audit trail, of which record %d could be read last: %w", last, err)
	}
	report.Witness = min(t.db.witness.number.Load(), report.Last)
	if (report.Problem == nil || report.Problem.Kind == audit.WasRestored) && t.db.witness.forged {
		report.Problem = &audit.Problem{Kind: audit.WitnessForged, From: report.Last, To: report.Last}
	}
	err = ctx.Err()
	if err == nil && report.Chained() {
		err = t.compareRows(ctx, &report)
	}
	if err != nil {
		return audit.Report{}, fmt.Errorf("verifying the audit trail: %w", err)
	}
	return report, nil
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

// checkAudit proves the chain of the trail.
func (c *checker) checkAudit() error {
	report, err := c.VerifyAudit(c.ctx, nil)
	if err != nil {
		return err
	}
	c.report.Audit = int(report.Entries)
	if report.Problem != nil {
		c.problem("audit trail: %v", report.Problem)
	}
	for _, d := range report.Differences {
		c.problem("audit trail: %v", d)
	}
	if more := report.Differing - len(report.Differences); more > 0 {
		c.problem("audit trail: %d more rows are not as it says", more)
	}
	return nil
}
