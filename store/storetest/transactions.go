package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"postern/mime"
	"postern/store"
)

func transactionTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"UpdateKeepsNothingOfAFailure":        failedUpdate,
		"AFailureDoesNotHurtOthers":           failuresApart,
		"APanicIsAnErrorOfItsCaller":          panics,
		"ViewRefusesToWrite":                  readOnly,
		"ViewIsASnapshot":                     snapshot,
		"ADoneContextStopsATransaction":       doneContext,
		"ClosedStoreRefuses":                  closed,
		"UpdatesFromManySidesAreAllThere":     manyWriters,
		"LaterUpdatesSeeWhatEarlierOnesWrote": ordered,
	}
}

func putDomain(name mime.Domain) func(store.Tx) error {
	return func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: name, Created: noon()}) }
}

func failedUpdate(s *suite) {
	wrong := errors.New("wrong")
	err := s.Update(s.ctx, func(tx store.Tx) error {
		return errors.Join(putDomain("a.example")(tx), wrong)
	})
	s.is(err, wrong)
	s.view(func(tx store.Tx) error {
		_, err := tx.Domain("a.example")
		s.is(err, store.ErrNotFound)
		return nil
	})
}

func failuresApart(s *suite) {
	wrong := errors.New("wrong")
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			name := mime.Domain(fmt.Sprintf("d%d.example", i))
			err := s.Update(s.ctx, func(tx store.Tx) error {
				err := putDomain(name)(tx)
				if err == nil && i%3 == 0 {
					err = wrong
				}
				return err
			})
			if (i%3 == 0) != errors.Is(err, wrong) || (i%3 != 0 && err != nil) {
				s.Errorf("update %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	s.view(func(tx store.Tx) error {
		all, err := tx.Domains()
		s.equal(len(all), 40)
		return err
	})
}

func panics(s *suite) {
	err := s.Update(s.ctx, func(tx store.Tx) error {
		s.must(putDomain("a.example")(tx))
		panic("at work")
	})
	if err == nil {
		s.Fatal("a panic became a success")
	}
	s.update(putDomain("b.example"))
	s.view(func(tx store.Tx) error {
		_, err := tx.Domain("a.example")
		s.is(err, store.ErrNotFound)
		return nil
	})
}

func readOnly(s *suite) {
	box := s.mailbox("INBOX")
	m := s.deliver(box.ID, "text")
	job := s.enqueue(store.Job{Kind: store.SealJob, Due: noon()})
	w := s.body([]byte("text"))
	defer w.Discard()
	track := store.Track{ID: newTrackID(s, noon())}
	s.update(func(tx store.Tx) error { return tx.PutTrack(track) })
	s.view(func(tx store.Tx) error {
		_, body := tx.PutBody(w)
		_, box1 := tx.CreateMailbox(s.address("a@b.example"), "x")
		_, msg := tx.Append(box.ID, store.Message{Body: m.Body})
		_, flags := tx.SetFlags(box.ID, m.UID, []string{`\Seen`})
		_, enqueue := tx.Enqueue(job)
		for i, err := range []error{
			body, box1, msg, flags, enqueue,
			tx.RenameMailbox(box.ID, "y"), tx.SubscribeMailbox(box.ID, true), tx.Expunge(box.ID, m.UID),
			tx.PutDomain(store.Domain{Name: "a.example"}), tx.RemoveDomain("a.example"),
			tx.PutAccount(store.Account{Address: s.address("a@b.example")}), tx.RemoveAccount(s.address("a@b.example")),
			tx.PutKey(newKey("a@b.example")), tx.PutAnchor(newAnchor("manual", "", "x")),
			tx.Reschedule(job), tx.Finish(job.ID), tx.PutTrack(track), tx.AddEvent(track.ID, store.Event{}),
		} {
			if !errors.Is(err, store.ErrReadOnly) {
				s.Errorf("method %d: %v", i, err)
			}
		}
		return nil
	})
}

func snapshot(s *suite) {
	s.view(func(tx store.Tx) error {
		done := make(chan error)
		go func() { done <- s.Update(s.ctx, putDomain("a.example")) }()
		err := <-done
		if err != nil {
			return err
		}
		_, err = tx.Domain("a.example")
		s.is(err, store.ErrNotFound)
		return nil
	})
}

func doneContext(s *suite) {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	s.is(s.Update(ctx, putDomain("a.example")), context.Canceled)
	s.is(s.View(ctx, func(store.Tx) error { return nil }), context.Canceled)
	_, err := s.Claim(ctx, store.SealJob)
	s.is(err, context.Canceled)
}

func closed(s *suite) {
	box := s.mailbox("INBOX")
	errs := make(chan error, 2)
	go func() {
		_, err := s.Claim(s.ctx, store.SealJob)
		errs <- err
	}()
	go func() { errs <- s.WaitMailbox(s.ctx, box.ID, box.ModSeq) }()
	s.must(s.Close())
	s.is(<-errs, store.ErrClosed)
	s.is(<-errs, store.ErrClosed)
	s.is(s.Update(s.ctx, putDomain("a.example")), store.ErrClosed)
	s.is(s.View(s.ctx, func(store.Tx) error { return nil }), store.ErrClosed)
	_, err := s.NewBody(s.ctx)
	s.is(err, store.ErrClosed)
	_, err = s.OpenBody(s.ctx, 1)
	s.is(err, store.ErrClosed)
	_, err = s.Check(s.ctx)
	s.is(err, store.ErrClosed)
}

func manyWriters(s *suite) {
	box := s.mailbox("INBOX")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 5 {
				s.deliver(box.ID, "text")
			}
		})
	}
	wg.Wait()
	s.view(func(tx store.Tx) error {
		want := uint32(0)
		err := tx.EachMessage(box.ID, 0, func(m store.Message) bool {
			want++
			s.equal(m.UID, want)
			return true
		})
		s.equal(want, uint32(100))
		return err
	})
	s.sound()
}

func ordered(s *suite) {
	for i := range 20 {
		name := mime.Domain(fmt.Sprintf("d%d.example", i))
		s.update(putDomain(name))
		s.update(func(tx store.Tx) error { return tx.RemoveDomain(name) })
	}
}
