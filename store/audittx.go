package store

import "postern/internal/audit"

// Audit implements AuditTx.
func (t *tx) Audit(r audit.Record) error {
	err := t.write(0)
	if err != nil {
		return err
	}
	if r.At.IsZero() {
		r.At = t.db.now()
	}
	r.At = r.At.UTC()
	number, err := t.in(bucketAudit).NextSequence()
	if err != nil {
		return err
	}
	return t.putRecord(bucketAudit, u64(number), r)
}
