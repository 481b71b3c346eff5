package store

import (
	"bytes"
	"errors"
	"slices"
)

func (c *checker) checkHooks() error {
	return walkRecords(c, bucketHooks, func(k []byte, r hookRecord) {
		if !bytes.Equal(k, hookKey(r.Account, r.ID)) {
			c.problem("hook %s of %s is stored under another name", r.ID, r.Account)
		}
		if !c.exists(bucketAccounts, []byte(r.Account.Key())) {
			c.problem("hook %s is of %s, which has no account", r.ID, r.Account)
		}
		_, err := c.unsealHook(r)
		if err != nil {
			c.problem("%v", err)
		}
	})
}

// checkHookStates compares the counts of events with the queue.
func (c *checker) checkHookStates() error {
	waiting := make(map[string]int)
	err := c.EachJob(0, func(j Job) bool {
		if j.Kind == HookJob {
			waiting[string(hookKey(j.Sender, j.Hook))]++
		}
		return true
	})
	if err != nil && !errors.Is(err, ErrCorrupt) { // which is told of the queue
		return err
	}
	if err == nil {
		err = c.checkHookCounts(waiting)
		if err != nil {
			return err
		}
	}
	return walkRecords(c, bucketHookStates, func(k []byte, _ HookState) {
		if !c.exists(bucketHooks, k) {
			c.problem("there is the state of a hook that is gone: %q", k)
		}
	})
}

// checkHookCounts takes how many events of which hooks there are.
func (c *checker) checkHookCounts(waiting map[string]int) error {
	return c.walk(bucketHooks, func(k, _ []byte) {
		s, err := getRecord[HookState](c.tx, bucketHookStates, k)
		n := waiting[string(k)]
		if s.Waiting == n || errors.Is(err, ErrCorrupt) {
			return
		}
		key, counted := slices.Clone(k), s
		counted.Waiting = n
		c.miscounted("the events of a hook", func(t *tx) error { return t.putHookState(key, counted) },
			"the count of events for hook %q is %d and there are %d", k, s.Waiting, n)
	})
}

func (c *checker) checkEdges() error {
	return walkRecords(c, bucketEdges, func(k []byte, r edgeRecord) {
		if string(k) != r.Owner {
			c.problem("the edge of %s is stored under another name", r.Owner)
		}
		_, err := c.unsealEdge(r)
		if err != nil {
			c.problem("%v", err)
		}
	})
}
