package storetest

import (
	"bytes"
	"context"

	"postern/store"
)

func wholeTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"CheckCountsEverything":      checkCounts,
		"BackupIsWrittenWhileServed": backupServed,
		"CloseMayBeCalledTwice":      closeTwice,
	}
}

func checkCounts(s *suite) {
	s.update(func(tx store.Tx) error {
		s.must(putDomain("b.example")(tx))
		s.must(tx.PutAccount(store.Account{Address: s.address("doctor@b.example")}))
		s.must(tx.PutAnchor(newAnchor("manual", "", "x")))
		s.must(tx.PutDocument(newDocument("x")))
		return tx.PutTrack(store.Track{ID: newTrackID(s, noon())})
	})
	s.deliver(s.mailbox("x").ID, "text")
	s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	got := s.sound()
	want := store.CheckReport{Schema: got.Schema, Domains: 1, Accounts: 1, Anchors: 1, Messages: 1, Jobs: 1,
		Documents: 1, Tracks: 1, Bodies: 2, Bytes: 7, Audit: got.Audit}
	s.equal(got, want)
}

// A backupWriter lets a transaction commit in the middle of a backup.
type backupWriter struct {
	*suite
	buf     bytes.Buffer
	written bool
}

func (w *backupWriter) Write(p []byte) (int, error) {
	if !w.written {
		w.written = true
		w.update(putDomain("during.example"))
	}
	return w.buf.Write(p)
}

func backupServed(s *suite) {
	s.update(putDomain("before.example"))
	w := &backupWriter{suite: s}
	n, err := s.Backup(s.ctx, w)
	s.must(err)
	s.equal(n, int64(w.buf.Len()))
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err = s.Backup(ctx, &w.buf)
	s.is(err, context.Canceled)
}

func closeTwice(s *suite) {
	s.must(s.Close())
	s.must(s.Close())
}
