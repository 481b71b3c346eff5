package store

import (
	"encoding/binary"
	"encoding/json"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// checkLayout finds what is of no bucket of the layout.
func (c *checker) checkLayout() error {
	known := buckets()
	return c.bolt.ForEach(func(name []byte, _ *bolt.Bucket) error {
		if !slices.Contains(known, string(name)) {
			c.problem("there is a bucket %q, which is none of ours", name)
		}
		return nil
	})
}

// checkDataKeys finds what would keep the store from being opened again: data keys
// that are missing, unknown, or wrapped by several master keys. A change of the
// master key may go on meanwhile, so that they are compared with each other.
func (c *checker) checkDataKeys() error {
	known, master := c.db.ring.Load().keys, ""
	err := c.walk(bucketDataKeys, func(k, v []byte) {
		var w wrappedKey
		err := json.Unmarshal(v, &w)
		switch {
		case err != nil || len(k) != 4 || known[binary.BigEndian.Uint32(k)] == nil:
			c.problem("data key %x is damaged", k)
		case master != "" && w.MasterKey != master:
			c.problem("data key %x is wrapped by the master key %q, and others by %q", k, w.MasterKey, master)
		}
		master = w.MasterKey
	})
	if !c.exists(bucketDataKeys, c.get(bucketMeta, []byte(metaActiveKey))) {
		c.problem("the active data key is missing")
	}
	return err
}

// checkSequences finds counters that are behind what they count: ids would be given
// twice.
func (c *checker) checkSequences() error {
	for _, s := range []struct {
		bucket string
		id     func(k, v []byte) uint64
	}{
		{bucketMailboxes, keyNumber},
		{bucketJobs, keyNumber},
		{bucketBodies, keyNumber},
		{bucketMailboxNames, c.validityOf},
	} {
		last := c.in(s.bucket).Sequence()
		err := c.walk(s.bucket, func(k, v []byte) {
			if id := s.id(k, v); id > last {
				c.problem("%s: %d is there, and %d is counted as the last", s.bucket, id, last)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// keyNumber is the number that a key begins with.
func keyNumber(k, _ []byte) uint64 {
	if len(k) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(k)
}

// validityOf is the UIDVALIDITY of the mailbox that a name leads to.
func (c *checker) validityOf(_, v []byte) uint64 {
	if len(v) != 8 {
		return 0
	}
	m, err := c.mailbox(MailboxID(binary.BigEndian.Uint64(v)))
	if err != nil {
		return 0
	}
	return uint64(m.UIDValidity)
}

// checkLogs finds changes of mailboxes that are neither there nor being removed.
func (c *checker) checkLogs() error {
	for _, bucket := range []string{bucketChanges, bucketTombs} {
		err := c.walk(bucket, func(k, _ []byte) {
			if len(k) != 16 || !c.exists(bucketMailboxes, k[:8]) && !c.exists(bucketDoomed, k[:8]) {
				c.problem("%s %x is of no mailbox", bucket, k)
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}
