package store

import (
	"context"
	"crypto/ed25519"
	"time"

	"postern/internal/audit"
)

// AuditTx holds the audit trail. A record is there exactly if the transaction is
// that it was written in.
type AuditTx interface {
	// Audit appends a record, cut to its bounds. A zero At becomes the present.
	// Each [audit.CheckpointEvery] records it signs a checkpoint as well.
	Audit(audit.Record) error
	// EachAudit calls fn with the entries as they are stored, in order, from a
	// number on; fn returning false ends it. What fn gets is gone when it returns.
	EachAudit(from uint64, fn func(number uint64, stored []byte) bool) error
	// AuditHead is where the trail ends.
	AuditHead() (audit.Head, error)
	// AuditKey is the public key of the checkpoints; ErrNotFound while there is
	// none.
	AuditKey() (ed25519.PublicKey, error)
	// Checkpoint signs the end of the trail, unless that was done, and returns the
	// last checkpoint; ErrNotFound while there is no record.
	Checkpoint() (audit.Checkpoint, error)
	// LastCheckpoint is the last that was signed; ErrNotFound before the first.
	LastCheckpoint() (audit.Checkpoint, error)
	// AuditBase stands in for what was pruned; ErrNotFound if nothing was.
	AuditBase() (audit.Checkpoint, error)
	// EachCheckpoint calls fn as EachAudit does.
	EachCheckpoint(from uint64, fn func(audit.Checkpoint) bool) error
	// PruneAudit removes the oldest records: those before a time, and no more than
	// limit of them. It leaves a signed base and a record of it, and returns how
	// many went.
	PruneAudit(before time.Time, limit int) (int, error)
	// VerifyAudit walks the whole trail, and compares it with checkpoints that
	// were kept elsewhere.
	VerifyAudit(ctx context.Context, outside []audit.Checkpoint) (audit.Report, error)
}
