package store

import (
	"context"
	"testing"
)

// The state of a hook that cannot be read keeps no event from coming and going: mail
// waits in the same transaction.
func TestADamagedHookStateIsNoObstacle(t *testing.T) {
	s := newTestStore(t, Options{})
	s.house(t)
	h := Hook{ID: "one", Account: address(t, "nurse@b.example"), URL: "https://app.example/", Secret: []byte("secret")}
	s.untold(t, func(tx *tx) error { return tx.PutHook(h) })
	damage := func() {
		s.untold(t, func(tx *tx) error { return tx.put(bucketHookStates, hookKey(h.Account, h.ID), []byte("{")) })
	}
	damage()
	var id JobID
	err := s.Update(context.Background(), func(tx Tx) (err error) {
		id, err = tx.Enqueue(Job{Kind: HookJob, Due: s.now(), Sender: h.Account, Hook: h.ID})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	damage()
	err = s.Update(context.Background(), func(tx Tx) error { return tx.Finish(id) })
	if err != nil {
		t.Fatal(err)
	}
}
