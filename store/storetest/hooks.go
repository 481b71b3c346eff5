package storetest

import (
	"time"

	"postern/store"
)

func hookTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"HooksComeAndGo":                        hooks,
		"AHookNeedsAnIDAnAccountAURLAndASecret": hooksWhole,
		"EventsOfHooksAreCounted":               hookCounts,
		"RemoveAccountTakesHooksAndEdgeAlong":   hooksOfAccount,
		"EdgesComeAndGo":                        edges,
		"AnEdgeIsThatOfTheAddressFirst":         edgeFor,
		"RemoveDomainTakesItsEdgeAlong":         edgeOfDomain,
		"WhatWaitsForAnEdgeIsCounted":           pushTotals,
	}
}

func (s *suite) hook(id string) store.Hook {
	return store.Hook{ID: id, Account: s.address("doctor@b.example"), URL: "https://app.example/" + id,
		Events: []store.HookEventType{store.HookArrived}, Secret: []byte("key of " + id), Created: noon()}
}

func hooks(s *suite) {
	one, other := s.hook("one"), s.hook("two")
	one.Previous, one.PreviousUntil = []byte("an older key"), noon().Add(time.Hour)
	s.update(func(tx store.Tx) error {
		s.must(tx.PutHook(one))
		return tx.PutHook(other)
	})
	s.view(func(tx store.Tx) error {
		got, err := tx.Hook(s.address("Doctor@B.example"), "one")
		s.equal(got, one)
		s.must(err)
		all, err := tx.HooksOf(one.Account)
		bare, bareOther := one, other
		bare.Secret, bare.Previous, bareOther.Secret = nil, nil, nil
		s.equal(all, []store.Hook{bare, bareOther})
		s.must(err)
		every, err := tx.Hooks()
		s.equal(every, all)
		none, _ := tx.HooksOf(s.address("doctor@b.exampl"))
		s.equal(len(none), 0)
		return err
	})
	s.update(func(tx store.Tx) error { return tx.RemoveHook(one.Account, "one") })
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveHook(one.Account, "one") }), store.ErrNotFound)
	s.is(s.View(s.ctx, func(tx store.Tx) error { return tx.PutHook(one) }), store.ErrReadOnly)
	s.view(func(tx store.Tx) error {
		_, err := tx.Hook(one.Account, "one")
		s.is(err, store.ErrNotFound)
		return nil
	})
}

func hooksWhole(s *suite) {
	for _, spoil := range []func(*store.Hook){
		func(h *store.Hook) { h.ID = "" },
		func(h *store.Hook) { h.ID = "a\x00b" },
		func(h *store.Hook) { h.Account = s.address("a@b.example"); h.URL = "" },
		func(h *store.Hook) { h.Secret = nil },
	} {
		h := s.hook("one")
		spoil(&h)
		if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutHook(h) }) == nil {
			s.Errorf("%+v was stored", h)
		}
	}
}

func hookCounts(s *suite) {
	h := s.hook("one")
	var ids []store.JobID
	put := func(tx store.Tx, hook string) {
		id, err := tx.Enqueue(store.Job{Kind: store.HookJob, Due: noon(), Sender: h.Account, Hook: hook,
			Event: store.HookEvent{ID: "e", Type: store.HookFailed, At: noon()}})
		s.must(err)
		ids = append(ids, id)
	}
	s.update(func(tx store.Tx) error {
		ids = nil
		s.must(tx.PutAccount(store.Account{Address: h.Account, Created: noon()}))
		s.must(tx.PutHook(h))
		put(tx, "one")
		put(tx, "one")
		put(tx, "gone") // which is not counted
		s.must(tx.PutHookState(h.Account, "one", store.HookState{Delivered: 7, LastAt: noon()}))
		return tx.Finish(ids[0])
	})
	state := func() (got store.HookState) {
		s.view(func(tx store.Tx) (err error) {
			got, err = tx.HookState(h.Account, "one")
			return err
		})
		return got
	}
	s.equal(state(), store.HookState{Waiting: 1, Delivered: 7, LastAt: noon()})
	s.update(func(tx store.Tx) error {
		j, err := tx.Job(ids[1])
		s.must(err)
		j.Held = true
		return tx.Reschedule(j)
	})
	s.equal(state().Waiting, 1)
	s.sound()
	s.update(func(tx store.Tx) error {
		s.must(tx.RemoveHook(h.Account, "one"))
		s.must(tx.Finish(ids[1]))
		return tx.Finish(ids[2])
	})
	s.equal(state(), store.HookState{})
	s.sound()
	body := s.body([]byte("x"))
	defer body.Discard()
	for _, j := range []store.Job{{Kind: store.HookJob, Due: noon()}, {Kind: store.WatchJob, Due: noon(), Hook: "one"}} {
		if s.Update(s.ctx, func(tx store.Tx) error { _, err := tx.Enqueue(j); return err }) == nil {
			s.Errorf("%+v was queued", j)
		}
	}
}

func hooksOfAccount(s *suite) {
	h := s.hook("one")
	e := store.Edge{Owner: "doctor@b.example", Host: "ehr.example", Port: 25, Created: noon()}
	s.update(func(tx store.Tx) error {
		s.must(tx.PutAccount(store.Account{Address: h.Account, Created: noon()}))
		s.must(tx.PutHook(h))
		s.must(tx.PutEdge(e))
		s.must(tx.PutHookState(h.Account, h.ID, store.HookState{Lost: 1}))
		return nil
	})
	s.sound()
	s.update(func(tx store.Tx) error { return tx.RemoveAccount(h.Account) })
	s.view(func(tx store.Tx) error {
		all, err := tx.Hooks()
		s.equal(len(all), 0)
		_, none := tx.Edge(e.Owner)
		s.is(none, store.ErrNotFound)
		return err
	})
	s.sound()
}

func edges(s *suite) {
	pin := store.FingerprintOf([]byte("a certificate"))
	e := store.Edge{Owner: "b.example", Host: "ehr.b.example", Port: 465, Implicit: true, Pin: &pin, CA: []byte("PEM"),
		User: "hisp", Password: []byte("secret"), Created: noon()}
	s.update(func(tx store.Tx) error { return tx.PutEdge(e) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Edge("B.Example")
		s.equal(got, e)
		s.must(err)
		all, err := tx.Edges()
		bare := e
		bare.Password = nil
		s.equal(all, []store.Edge{bare})
		return err
	})
	for _, spoil := range []func(*store.Edge){
		func(e *store.Edge) { e.Owner = "" },
		func(e *store.Edge) { e.Host = "" },
		func(e *store.Edge) { e.Port = 0 },
		func(e *store.Edge) { e.Password = nil },
		func(e *store.Edge) { e.User = "" },
	} {
		bad := e
		spoil(&bad)
		if s.Update(s.ctx, func(tx store.Tx) error { return tx.PutEdge(bad) }) == nil {
			s.Errorf("%+v was stored", bad)
		}
	}
	s.update(func(tx store.Tx) error { return tx.RemoveEdge("b.example") })
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.RemoveEdge("b.example") }), store.ErrNotFound)
}

func edgeFor(s *suite) {
	a := s.address("Doctor@b.example")
	find := func(want string, known bool) {
		s.Helper()
		s.view(func(tx store.Tx) error {
			e, ok, err := store.EdgeFor(tx, a)
			s.equal(ok, known)
			s.equal(e.Host, want)
			return err
		})
	}
	find("", false)
	s.update(func(tx store.Tx) error { return tx.PutEdge(store.Edge{Owner: "b.example", Host: "domain", Port: 25}) })
	find("domain", true)
	s.update(func(tx store.Tx) error {
		return tx.PutEdge(store.Edge{Owner: "doctor@b.example", Host: "address", Port: 25})
	})
	find("address", true)
}

func edgeOfDomain(s *suite) {
	s.update(func(tx store.Tx) error {
		s.must(tx.PutDomain(store.Domain{Name: "b.example", Created: noon()}))
		return tx.PutEdge(store.Edge{Owner: "b.example", Host: "domain", Port: 25})
	})
	s.update(func(tx store.Tx) error { return tx.RemoveDomain("b.example") })
	s.view(func(tx store.Tx) error {
		all, err := tx.Edges()
		s.equal(len(all), 0)
		return err
	})
}

func pushTotals(s *suite) {
	a := s.address("Doctor@b.example")
	total := func() (total store.JobTotal) {
		s.view(func(tx store.Tx) (err error) {
			total, err = tx.PushTotal(store.Account{Address: s.address("doctor@b.example")})
			return err
		})
		return total
	}
	var id store.JobID
	body := s.body([]byte("four"))
	defer body.Discard()
	s.update(func(tx store.Tx) error {
		b, err := tx.PutBody(body)
		s.must(err)
		_, err = tx.Enqueue(store.Job{Kind: store.PushJob, Due: noon(), Body: b, Push: store.Push{Account: a}})
		s.must(err)
		id, err = tx.Enqueue(store.Job{Kind: store.PushJob, Due: noon(), Body: b, Push: store.Push{Account: a}})
		return err
	})
	s.equal(total(), store.JobTotal{Jobs: 2, Bytes: 8})
	s.sound()
	s.update(func(tx store.Tx) error { return tx.Finish(id) })
	s.equal(total(), store.JobTotal{Jobs: 1, Bytes: 4})
	s.update(func(tx store.Tx) error { // who has the address next has none of it
		s.must(tx.PutDomain(store.Domain{Name: "b.example", Created: noon()}))
		return tx.PutAccount(store.Account{Address: a, Password: "x"})
	})
	s.view(func(tx store.Tx) error {
		next, err := tx.Account(a)
		s.must(err)
		his, err := tx.PushTotal(next)
		s.equal(his, store.JobTotal{})
		return err
	})
	var later store.JobID
	s.update(func(tx store.Tx) error {
		j, err := tx.Job(id - 1)
		s.must(err)
		later, err = tx.Enqueue(store.Job{Kind: store.PushJob, Due: noon(), Era: store.Now, Body: j.Body, Push: store.Push{Account: a}})
		s.must(err)
		next, err := tx.Account(a)
		s.must(err)
		his, err := tx.PushTotal(next)
		s.equal(his, store.JobTotal{Jobs: 1, Bytes: 4})
		return err
	})
	s.sound()
	s.update(func(tx store.Tx) error { return tx.Finish(later) })
	s.update(func(tx store.Tx) error { // the answer to its sender takes no room
		j, err := tx.Job(id - 1)
		s.must(err)
		j.Push.Ended = store.TrackDelivered
		return tx.Reschedule(j)
	})
	s.equal(total(), store.JobTotal{})
	s.sound()
	if s.Update(s.ctx, func(tx store.Tx) error {
		j, err := tx.Job(1)
		s.must(err)
		j.Push = store.Push{}
		return tx.Reschedule(j)
	}) == nil {
		s.Error("a push for nobody")
	}
}
