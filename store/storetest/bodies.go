package storetest

import (
	"bytes"
	"io"
	"sync"

	"postern/store"
)

func bodyTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"BodiesOfEverySizeComeBack":           bodySizes,
		"ABodyIsReadFromAnyPlaceSideBySide":   bodyAnywhere,
		"ABodyWithoutReferenceFails":          bodyUnreferenced,
		"TheLastReferenceTakesTheBodyAlong":   bodyReferences,
		"AReferenceCanMoveInOneTransaction":   bodyMoves,
		"ADiscardedBodyIsForgotten":           bodyDiscarded,
		"DiscardLeavesACommittedBody":         bodyKept,
		"AFailedUpdateCanPutTheBodyOnceMore":  bodyAgain,
		"AReferenceToAnUnknownBodyIsRefused":  bodyUnknown,
		"AStoredBodyIsNotWrittenOn":           bodyComplete,
		"ABigBodyGoesWithItsLastReferenceToo": bodyBigGone,
	}
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>16) ^ byte(i>>8) ^ byte(i)
	}
	return b
}

func putJob(w store.BodyWriter, id *store.BodyID) func(store.Tx) error {
	return func(tx store.Tx) (err error) {
		*id, err = tx.PutBody(w)
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(store.Job{Kind: store.OpenJob, Body: *id, Due: noon()})
		return err
	}
}

func bodySizes(s *suite) {
	for _, n := range []int{0, 1, 1000, 64<<10 - 1, 64 << 10, 256<<10 - 1, 256 << 10, 256<<10 + 1, 1 << 20, 3<<20 + 7} {
		data := pattern(n)
		w, err := s.NewBody(s.ctx)
		s.must(err)
		_, err = io.CopyBuffer(w, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, 10_007))
		s.must(err)
		s.equal(w.Size(), int64(n))
		var id store.BodyID
		s.update(putJob(w, &id))
		s.reads(id, data)
	}
	s.sound()
}

func bodyAnywhere(s *suite) {
	data := pattern(1<<20 + 5)
	w := s.body(data)
	var id store.BodyID
	s.update(putJob(w, &id))
	b, err := s.OpenBody(s.ctx, id)
	s.must(err)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for off := g * 1000; off < len(data); off += 77_777 {
				p := make([]byte, 50_000)
				n, err := b.ReadAt(p, int64(off))
				want := data[off:min(len(data), off+len(p))]
				if !bytes.Equal(p[:n], want) || (n < len(p)) != (err == io.EOF) {
					s.Errorf("at %d: %d bytes, %v", off, n, err)
				}
			}
		})
	}
	wg.Wait()
	_, err = b.ReadAt(make([]byte, 1), int64(len(data)))
	s.is(err, io.EOF)
}

func bodyUnreferenced(s *suite) {
	w := s.body(pattern(10))
	defer w.Discard()
	err := s.Update(s.ctx, func(tx store.Tx) error {
		_, err := tx.PutBody(w)
		return err
	})
	if err == nil {
		s.Fatal("a body without a reference was stored")
	}
	s.equal(s.sound().Bodies, 0)
}

func bodyReferences(s *suite) {
	box := s.mailbox("INBOX")
	m := s.deliver(box.ID, "text")
	var job store.JobID
	s.update(func(tx store.Tx) (err error) {
		_, err = tx.Append(box.ID, store.Message{Body: m.Body})
		s.must(err)
		job, err = tx.Enqueue(store.Job{Kind: store.RelayJob, Body: m.Body, Due: noon()})
		return err
	})
	s.update(func(tx store.Tx) error { return tx.Expunge(box.ID, 1) })
	s.update(func(tx store.Tx) error { return tx.Finish(job) })
	s.reads(m.Body, []byte("text"))
	s.sound()
	s.update(func(tx store.Tx) error { return tx.Expunge(box.ID, 2) })
	s.gone(m.Body)
	s.equal(s.sound().Bodies, 0)
}

func bodyMoves(s *suite) {
	box := s.mailbox("INBOX")
	job := s.enqueue(store.Job{Kind: store.OpenJob, Due: noon()})
	s.update(func(tx store.Tx) error {
		s.must(tx.Finish(job.ID))
		_, err := tx.Append(box.ID, store.Message{Body: job.Body})
		return err
	})
	s.reads(job.Body, []byte("job"))
	s.sound()
}

func bodyDiscarded(s *suite) {
	w := s.body(pattern(2 << 20))
	w.Discard()
	w.Discard()
	_, err := w.Write([]byte("more"))
	if err == nil {
		s.Error("a discarded body was written on")
	}
	var id store.BodyID
	err = s.Update(s.ctx, putJob(w, &id))
	if err == nil {
		s.Error("a discarded body was stored")
	}
	s.equal(s.sound().Bodies, 0)
}

func bodyKept(s *suite) {
	w := s.body(pattern(2 << 20))
	var id store.BodyID
	s.update(putJob(w, &id))
	w.Discard()
	s.reads(id, pattern(2<<20))
	s.sound()
}

func bodyAgain(s *suite) {
	w := s.body(pattern(600 << 10))
	var id store.BodyID
	err := s.Update(s.ctx, func(tx store.Tx) error {
		s.must(putJob(w, &id)(tx))
		return store.ErrExists
	})
	s.is(err, store.ErrExists)
	s.gone(id)
	s.update(putJob(w, &id))
	s.reads(id, pattern(600<<10))
}

func bodyUnknown(s *suite) {
	box := s.mailbox("INBOX")
	s.is(s.Update(s.ctx, func(tx store.Tx) error {
		_, err := tx.Append(box.ID, store.Message{Body: 77})
		return err
	}), store.ErrNotFound)
	s.is(s.Update(s.ctx, func(tx store.Tx) error {
		_, err := tx.Enqueue(store.Job{Kind: store.SealJob, Body: 77, Due: noon()})
		return err
	}), store.ErrNotFound)
}

func bodyComplete(s *suite) {
	w := s.body(pattern(10))
	var id store.BodyID
	s.update(putJob(w, &id))
	_, err := w.Write([]byte("more"))
	if err == nil {
		s.Error("a stored body was written on")
	}
	s.reads(id, pattern(10))
}

func bodyBigGone(s *suite) {
	w := s.body(pattern(20 << 20))
	var id store.BodyID
	s.update(putJob(w, &id))
	s.update(func(tx store.Tx) error { return tx.Finish(1) })
	s.gone(id)
	s.equal(s.sound().Bodies, 0)
}
