package control

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"postern/internal/audit"
	"postern/store"
)

// Outside are the lines of checkpoints that were kept elsewhere.
type Outside struct {
	Checkpoints []string `json:"checkpoints"`
}

// AuditKey is the public key of the checkpoints.
type AuditKey struct {
	ID  string `json:"key_id"`
	PEM string `json:"pem"` // SubjectPublicKeyInfo (RFC 8410)
}

// AuditLines are the signed lines of the trail: the base, if there is one, and the
// checkpoints.
type AuditLines struct {
	Lines []string `json:"lines"`
}

func (s *Service) handleAudit(mux *http.ServeMux) {
	mux.HandleFunc("POST /audit/show", s.showAudit)
	handle(mux, audit.MaxOutside, "audit/verify", s.verifyAudit)
	handle(mux, commandBytes, "audit/key", s.auditKey)
	handle(mux, commandBytes, "audit/checkpoints", s.auditCheckpoints)
}

func (s *Service) verifyAudit(ctx context.Context, in Outside) (report audit.Report, err error) {
	outside, err := audit.ParseCheckpoints(in.Checkpoints)
	if err != nil {
		return report, invalid(err, "give a file with lines that the log has, or postern audit show --checkpoints")
	}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		report, err = tx.VerifyAudit(ctx, outside)
		return err
	})
	return report, err
}

// auditKey tells the public key, which the first checkpoint makes.
func (s *Service) auditKey(ctx context.Context, _ None) (AuditKey, error) {
	var key ed25519.PublicKey
	read := func(tx store.Tx) (err error) {
		key, err = tx.AuditKey()
		return err
	}
	err := s.Core.Store.View(ctx, read)
	if errors.Is(err, store.ErrNotFound) {
		err = s.Core.Store.Update(ctx, func(tx store.Tx) error {
			_, err := tx.Checkpoint()
			if err != nil {
				return err
			}
			return read(tx)
		})
	}
	if errors.Is(err, store.ErrNotFound) {
		return AuditKey{}, &Error{Kind: Negative, Message: "the audit trail is empty and has no key yet", Hint: "the first record makes one"}
	}
	if err != nil {
		return AuditKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return AuditKey{}, fmt.Errorf("writing the key: %w", err)
	}
	return AuditKey{ID: audit.KeyID(key), PEM: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))}, nil
}

func (s *Service) auditCheckpoints(ctx context.Context, _ None) (all AuditLines, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		all.Lines = []string{}
		base, err := tx.AuditBase()
		switch {
		case err == nil:
			all.Lines = append(all.Lines, base.String())
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		return tx.EachCheckpoint(0, func(c audit.Checkpoint) bool {
			all.Lines = append(all.Lines, c.String())
			return true
		})
	})
	return all, err
}

// ShowAudit calls fn with the records that fit, one after the other, each as it is
// stored and as it is read; the latter is nil if it cannot be.
func (c *Client) ShowAudit(ctx context.Context, f AuditFilter, fn func(stored []byte, e *audit.Entry) error) error {
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	response, err := c.send(ctx, "audit/show", bytes.NewReader(text), nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(make([]byte, 64<<10), audit.MaxEntry+1)
	for lines.Scan() {
		var read *audit.Entry
		e, err := audit.ParseEntry(lines.Bytes())
		if err == nil {
			read = &e
		}
		err = fn(lines.Bytes(), read)
		if err != nil {
			return err
		}
	}
	if lines.Err() != nil || response.Trailer.Get(shownTrailer) == "" {
		return &Error{Kind: Temporary, Message: "the audit trail broke off", Hint: "the server's log has the cause"}
	}
	return nil
}

// VerifyAudit walks the audit trail, and compares it with checkpoints that were
// kept elsewhere.
func (c *Client) VerifyAudit(ctx context.Context, outside []audit.Checkpoint) (audit.Report, error) {
	in := Outside{Checkpoints: []string{}}
	for _, p := range outside {
		in.Checkpoints = append(in.Checkpoints, p.String())
	}
	return call[Outside, audit.Report](ctx, c, "audit/verify", in)
}

// AuditKey returns the public key of the checkpoints.
func (c *Client) AuditKey(ctx context.Context) (AuditKey, error) {
	return call[None, AuditKey](ctx, c, "audit/key", None{})
}

// AuditCheckpoints returns the signed lines of the trail.
func (c *Client) AuditCheckpoints(ctx context.Context) (AuditLines, error) {
	return call[None, AuditLines](ctx, c, "audit/checkpoints", None{})
}
