package storetest

import (
	"errors"
	"time"

	"postern/store"
)

func deliveredTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"ADeliveryIsRemembered":          delivered,
		"DeliveriesDifferByWhatMakesOne": deliveryKeys,
		"OldDeliveriesAreForgotten":      forgetDelivered,
		"ADeliveryIsForgottenByItself":   removeDelivered,
		"WhatWaitsForAnEdgeIsKnown":      deliveredToEdge,
	}
}

func delivered(s *suite) {
	key := store.NewDeliveryKey(s.address("a@a.example"), 7, "<1@a.example>", "digest")
	first := store.Delivery{Track: newTrackID(s, noon()), At: noon()}
	second := store.Delivery{Track: newTrackID(s, noon()), At: noon().Add(time.Hour)}
	if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutDelivered(key, store.Delivery{Track: "x"}) }) == nil {
		s.Error("a delivery of no track was taken")
	}
	s.view(func(tx store.Tx) error {
		_, err := tx.Delivered(key)
		s.is(err, store.ErrNotFound)
		s.is(tx.PutDelivered(key, first), store.ErrReadOnly)
		return nil
	})
	for _, d := range []store.Delivery{first, second} {
		s.update(func(tx store.Tx) error { return tx.PutDelivered(key, d) })
		s.view(func(tx store.Tx) error {
			got, err := tx.Delivered(key)
			s.equal(got, d)
			return err
		})
		s.sound()
	}
}

// What waits for an edge is known as long as it waits.
func deliveredToEdge(s *suite) {
	key := store.NewDeliveryKey(s.address("a@a.example"), 7, "<1@a.example>", "digest")
	d := store.Delivery{Track: newTrackID(s, noon()), At: noon()}
	body := s.body([]byte("x"))
	defer body.Discard()
	s.update(func(tx store.Tx) error {
		id, err := tx.PutBody(body)
		s.must(err)
		d.Push, err = tx.Enqueue(store.Job{Kind: store.PushJob, Due: noon(), Era: store.Now, Body: id, Push: store.Push{Account: s.address("a@a.example"), Known: key}})
		s.must(err)
		return tx.PutDelivered(key, d)
	})
	s.sound()
	forget := func(want int) {
		s.Helper()
		s.update(func(tx store.Tx) error {
			n, err := tx.ForgetDelivered(noon().Add(1000*time.Hour), 10)
			s.equal(n, want)
			return err
		})
	}
	forget(0)
	s.view(func(tx store.Tx) error {
		got, err := tx.Delivered(key)
		s.equal(got, d)
		j, jobErr := tx.Job(d.Push)
		s.equal(j.Push.Known, key)
		return errors.Join(err, jobErr)
	})
	s.update(func(tx store.Tx) error {
		at := store.Delivery{Track: d.Track, At: noon().Add(time.Hour)}
		return errors.Join(tx.PutDelivered(key, at), tx.Finish(d.Push))
	})
	s.sound()
	forget(1)
}

func deliveryKeys(s *suite) {
	a, b := s.address("a@a.example"), s.address("b@b.example")
	keys := map[store.DeliveryKey]bool{
		store.NewDeliveryKey(a, 1, "<1>", "d"): true, store.NewDeliveryKey(b, 1, "<1>", "d"): true,
		store.NewDeliveryKey(a, 2, "<1>", "d"): true, store.NewDeliveryKey(a, 1, "<2>", "d"): true,
		store.NewDeliveryKey(a, 1, "<1>", "e"): true, store.NewDeliveryKey(a, 1, "<1>d", ""): true,
	}
	s.equal(len(keys), 6)
	if !keys[store.NewDeliveryKey(s.address("A@a.example"), 1, "<1>", "d")] {
		s.Error("the case of an address counts")
	}
}

func forgetDelivered(s *suite) {
	keys := make([]store.DeliveryKey, 5)
	s.update(func(tx store.Tx) error {
		for i := range keys {
			keys[i] = store.NewDeliveryKey(s.address("a@a.example"), store.MailboxID(i), "", "")
			s.must(tx.PutDelivered(keys[i], store.Delivery{Track: newTrackID(s, noon()), At: noon().Add(time.Duration(i) * time.Hour)}))
		}
		return nil
	})
	s.forgetsThree(func(tx store.Tx, before time.Time, most int) (int, error) { return tx.ForgetDelivered(before, most) })
	s.view(func(tx store.Tx) error {
		for i, k := range keys {
			_, err := tx.Delivered(k)
			if (err == nil) != (i >= 3) {
				s.Errorf("delivery %d: %v", i, err)
			}
		}
		return nil
	})
}

func removeDelivered(s *suite) {
	one := store.NewDeliveryKey(s.address("a@a.example"), 1, "<1>", "d")
	other := store.NewDeliveryKey(s.address("a@a.example"), 2, "<1>", "d")
	d := store.Delivery{Track: newTrackID(s, noon()), At: noon()}
	s.update(func(tx store.Tx) error {
		s.must(tx.PutDelivered(one, d))
		return tx.PutDelivered(other, d)
	})
	for range 2 {
		s.update(func(tx store.Tx) error { return tx.RemoveDelivered(one) })
	}
	s.view(func(tx store.Tx) error {
		_, err := tx.Delivered(one)
		s.is(err, store.ErrNotFound)
		s.is(tx.RemoveDelivered(other), store.ErrReadOnly)
		_, err = tx.Delivered(other)
		return err
	})
	s.sound()
}
