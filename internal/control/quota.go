package control

import (
	"context"
	"errors"
	"fmt"

	"postern/store"
)

// A QuotaOrder bounds the mailboxes of an account.
type QuotaOrder struct {
	Address string `json:"address"`
	// Bytes is the bound; 0 is that of all, limits.mailbox_bytes, and less than 0
	// is none.
	Bytes int64 `json:"bytes"`
}

// maxQuota is as much as limits.mailbox_bytes may be.
const maxQuota = 1 << 50

// setQuota bounds the mailboxes of an account. What is in them stays, also beyond
// the bound.
func (s *Service) setQuota(ctx context.Context, in QuotaOrder) (None, error) {
	if in.Bytes > maxQuota {
		return None{}, invalid(errors.New("the quota is greater than 1 PiB"), "none is no limit")
	}
	if in.Bytes < 0 {
		in.Bytes = store.NoQuota
	}
	how := fmt.Sprintf("a quota of %d bytes", in.Bytes)
	switch {
	case in.Bytes == 0:
		how = "the quota of all"
	case in.Bytes < 0:
		how = "no quota"
	}
	return None{}, s.editAccount(ctx, in.Address, how, func(a *store.Account) { a.Quota = in.Bytes })
}
