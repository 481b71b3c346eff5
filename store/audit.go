package store

import "postern/internal/audit"

// AuditTx holds the audit trail.
type AuditTx interface {
	// Audit appends a record, which is there exactly if the transaction is.
	Audit(audit.Record) error
}
