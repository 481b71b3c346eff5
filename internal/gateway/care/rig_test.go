package care

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/internal/audit"
	"postern/internal/testnet"
	"postern/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A rig is a keeper of a store of its own.
type rig struct {
	*Keeper
	t     *testing.T
	key   *store.MasterKey
	clock *testnet.Clock
	log   testnet.Log
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, key: store.NewMasterKey(), clock: testnet.NewClock(time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))}
	dir := t.TempDir()
	db, err := store.Create(filepath.Join(dir, StoreFile), store.Options{MasterKey: r.key, Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r.Keeper = &Keeper{Store: db, Dir: dir, Now: r.clock.Now, Steady: r.clock.Now, Log: slog.New(slog.NewTextHandler(&r.log, nil))}
	r.SetDefaults()
	return r
}

func (r *rig) update(fn func(store.Tx) error) {
	r.t.Helper()
	err := r.Store.Update(r.t.Context(), fn)
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) view(fn func(store.Tx) error) {
	r.t.Helper()
	err := r.Store.View(r.t.Context(), fn)
	if err != nil {
		r.t.Fatal(err)
	}
}

// accounts adds accounts and their domains.
func (r *rig) accounts(all ...string) {
	r.t.Helper()
	r.update(func(tx store.Tx) error {
		for _, a := range all {
			err := errors.Join(
				tx.PutDomain(store.Domain{Name: addr(r.t, a).Domain()}),
				tx.PutAccount(store.Account{Address: addr(r.t, a)}),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// tidied tidies up; the store is whole afterwards.
func (r *rig) tidied() {
	r.t.Helper()
	r.Tidy(r.t.Context())
	if strings.Contains(r.log.String(), "tidying up failed") {
		r.t.Fatal(r.log.String())
	}
	report, err := r.Store.Check(r.t.Context())
	if err != nil || len(report.Problems) > 0 {
		r.t.Fatalf("the store: %v, %v", report.Problems, err)
	}
}

// trail returns the records, which must be whole, each in one line.
func (r *rig) trail() (all []string) {
	r.t.Helper()
	r.view(func(tx store.Tx) error {
		report, err := tx.VerifyAudit(r.t.Context(), nil)
		if err != nil {
			return err
		}
		if report.Problem != nil {
			r.t.Errorf("the audit trail: %v", report.Problem)
		}
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err != nil {
				r.t.Fatal(err)
			}
			all = append(all, strings.TrimSpace(fmt.Sprint(e.Actor, " ", e.Action, " ", e.Object)))
			return true
		})
	})
	return all
}

var addr = testnet.Address

// equal fails unless got is want.
func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A fullStore takes nothing.
type fullStore struct{ store.Store }

func (fullStore) Update(context.Context, func(store.Tx) error) error { return store.ErrFull }
