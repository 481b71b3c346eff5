package storetest

import (
	"errors"

	"postern/mime"
	"postern/store"
)

// eras is by a model: whoever gets an address, as an account or as an alias, was not there
// when something was taken before, and stays who he is through every change.
func eras(s *suite) {
	a, b, alias := s.address("Doctor@b.example"), s.address("nurse@b.example"), s.address("ward@b.example")
	group := s.address("all@b.example")
	put := func(as ...mime.Address) func(store.Tx) error {
		return func(tx store.Tx) error {
			for _, a := range as {
				s.must(tx.PutAccount(store.Account{Address: a}))
			}
			return nil
		}
	}
	leads := func(a mime.Address, group bool, to ...mime.Address) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.PutAlias(store.Alias{Address: a, Group: group, Members: to}) }
	}
	holders := func() map[mime.Address]store.Era {
		all := make(map[mime.Address]store.Era)
		s.view(func(tx store.Tx) error {
			accounts, err := tx.Accounts()
			s.must(err)
			for _, a := range accounts {
				all[a.Address] = a.Era
			}
			aliases, err := tx.Aliases()
			for _, a := range aliases {
				all[a.Address] = a.Era
			}
			return err
		})
		return all
	}
	for i, step := range []struct {
		do   func(store.Tx) error
		anew []mime.Address
	}{
		{put(a, b), []mime.Address{a, b}},
		{put(a), nil}, // changed, by a record that says no era
		{leads(alias, false, a), []mime.Address{alias}},
		{leads(alias, false, a), nil},
		{leads(group, true, a), []mime.Address{group}},
		{leads(group, true, a, b), nil}, // another member
		{leads(group, true, b), nil},
		{leads(alias, false, b), []mime.Address{alias}}, // another's
		{func(tx store.Tx) error { return tx.RemoveAccount(a) }, nil},
		{put(a), []mime.Address{a}},
		{func(tx store.Tx) error { s.must(tx.RemoveAccount(b)); return put(b)(tx) }, []mime.Address{b}},
		{func(tx store.Tx) error { s.must(tx.RemoveAccount(a)); return leads(a, false, b)(tx) }, []mime.Address{a}},
		{func(tx store.Tx) error { s.must(tx.RemoveAlias(a)); return put(a)(tx) }, []mime.Address{a}},
	} {
		var then store.Era
		s.view(func(tx store.Tx) (err error) {
			then, err = tx.Era()
			return err
		})
		before := holders()
		s.update(step.do)
		after := holders()
		for who, era := range after {
			isNew := false
			for _, w := range step.anew {
				isNew = isNew || w.Same(who)
			}
			if isNew != (era > then) || !isNew && era != before[who] {
				s.Errorf("step %d: %s is of era %d, was of %d, in era %d", i, who, era, before[who], then)
			}
		}
	}
	s.sound()
}

// takenIn has tracks and jobs be of the era that they are taken in, whatever is made
// afterwards and whoever writes them again.
func takenIn(s *suite) {
	s.accounts("doctor@b.example")
	var then store.Era
	track := store.Track{ID: "01ARZ3NDEKTSV4RRFFQ69G5FAV", Era: store.Now}
	s.update(func(tx store.Tx) (err error) {
		then, err = tx.Era()
		s.must(err)
		return tx.PutTrack(track)
	})
	job := s.enqueueOnly(store.Job{Kind: store.OpenJob, Due: noon(), Era: store.Now})
	s.accounts("nurse@b.example")
	s.update(func(tx store.Tx) error {
		s.must(tx.PutTrack(track))
		t, err := tx.Track(track.ID)
		s.must(err)
		j, err := tx.Job(job)
		s.must(err)
		now, err := tx.Era()
		s.must(err)
		if then == 0 || now <= then || t.Era != then || j.Era != then {
			s.Errorf("taken in %d, the track is of %d and the job of %d, now is %d", then, t.Era, j.Era, now)
		}
		// What follows from a job is for those whom it was for.
		j.ID = 0
		id, err := tx.Enqueue(j)
		s.must(err)
		j, err = tx.Job(id)
		if j.Era != then {
			s.Errorf("what followed is of %d", j.Era)
		}
		return err
	})
	s.sound()
}

// formers has every address that somebody leaves be noted with the eras in which it was
// his, so that it is known of what came then, and of what comes later, whether it was
// there.
func formers(s *suite) {
	a, b, alias := s.address("Doctor@b.example"), s.address("nurse@b.example"), s.address("ward@b.example")
	now := func() (e store.Era) {
		s.view(func(tx store.Tx) (err error) {
			e, err = tx.Era()
			return err
		})
		return e
	}
	of := func(a mime.Address) (f store.Former) {
		s.view(func(tx store.Tx) (err error) {
			f, err = tx.Former(a)
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			return err
		})
		return f
	}
	do := func(fn func(store.Tx) error) store.Era {
		s.update(fn)
		return now()
	}
	leads := func(to mime.Address) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.PutAlias(store.Alias{Address: alias, Members: []mime.Address{to}}) }
	}
	put := func(a mime.Address, patient bool) func(store.Tx) error {
		return func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: a, Patient: patient}) }
	}
	before := now()
	first := do(put(a, false))
	do(put(b, true))
	to := do(leads(a))
	s.equal(of(a), store.Former{})

	given := do(leads(b)) // the alias is another's
	s.equal(of(alias).Tenures, []store.Tenure{{From: to, To: given - 1}})

	last := now()
	gone := do(func(tx store.Tx) error { return tx.RemoveAccount(a) })
	f := of(s.address("doctor@b.example"))
	one := store.Tenure{From: first, To: last}
	s.equal(f, store.Former{Address: f.Address, Tenures: []store.Tenure{one}})

	again := do(put(a, true))
	until := do(put(b, true))
	do(func(tx store.Tx) error { return tx.RemoveAccount(a) })
	f = of(a)
	two := store.Tenure{From: again, To: until, Patient: true}
	s.equal(f.Tenures, []store.Tenure{one, two})
	for e, want := range map[store.Era]store.Tenure{before: {}, first: one, last: one, gone: {}, again: two, until: two, now(): {}, store.Now: {}} {
		tenure, held := f.In(e)
		s.equal(tenure, want)
		s.equal(held, want != store.Tenure{})
	}

	end := now()
	do(func(tx store.Tx) error { return tx.RemoveAccount(b) }) // and the alias with it
	s.equal(of(alias).Tenures, []store.Tenure{{From: to, To: given - 1}, {From: given, To: end, Patient: true}})
	s.equal(len(of(b).Tenures) == 1 && of(b).Tenures[0].Patient, true)
	s.view(func(tx store.Tx) error {
		all, err := tx.Formers()
		s.equal(len(all), 3)
		return err
	})
	s.sound()
}

// forgetsFormers forgets who had addresses before an era, a few at a time, and knows them
// anew when they leave again.
func forgetsFormers(s *suite) {
	all := []mime.Address{s.address("a@b.example"), s.address("b@b.example"), s.address("c@b.example")}
	leave := func(a mime.Address) (last store.Era) {
		s.update(func(tx store.Tx) (err error) {
			s.must(tx.PutAccount(store.Account{Address: a}))
			last, err = tx.Era()
			s.must(err)
			return tx.RemoveAccount(a)
		})
		return last
	}
	var ends []store.Era
	for _, a := range all {
		ends = append(ends, leave(a))
	}
	for _, row := range []struct {
		before     store.Era
		most, want int
	}{{ends[0], 10, 0}, {ends[1] + 1, 1, 1}, {ends[1] + 1, 2, 1}, {ends[1] + 1, 2, 0}} {
		s.update(func(tx store.Tx) error {
			n, err := tx.ForgetFormers(row.before, row.most)
			s.equal(n, row.want)
			return err
		})
		s.sound()
	}
	left := func() (f []store.Former) {
		s.view(func(tx store.Tx) (err error) {
			f, err = tx.Formers()
			return err
		})
		return f
	}
	s.equal(left(), []store.Former{{Address: all[2], Tenures: []store.Tenure{{From: ends[2], To: ends[2]}}}})
	again := leave(all[0])
	s.equal(left()[0], store.Former{Address: all[0], Tenures: []store.Tenure{{From: again, To: again}}})
	s.view(func(tx store.Tx) error {
		_, err := tx.ForgetFormers(store.Now, 1)
		s.is(err, store.ErrReadOnly)
		return nil
	})
	// Of several who had one address those are forgotten whose time is over.
	then := leave(all[0])
	s.update(func(tx store.Tx) error {
		n, err := tx.ForgetFormers(then, 10)
		s.equal(n, 2)
		return err
	})
	s.equal(left(), []store.Former{{Address: all[0], Tenures: []store.Tenure{{From: then, To: then}}}})
	s.sound()
}

// manyTenures has an address come and go more often than is told apart: the first of those
// who had it count as one, a patient's if any was, and as long as somebody has it.
func manyTenures(s *suite) {
	a := s.address("a@b.example")
	type holder struct {
		from, to store.Era
		patient  bool
	}
	var all []holder
	for i := range 40 {
		h := holder{patient: i%3 == 1}
		s.update(func(tx store.Tx) (err error) {
			s.must(tx.PutAccount(store.Account{Address: a, Patient: h.patient}))
			h.from, err = tx.Era()
			h.to = h.from
			s.must(err)
			return tx.RemoveAccount(a)
		})
		all = append(all, h)
	}
	s.view(func(tx store.Tx) error {
		f, err := tx.Former(a)
		s.must(err)
		for i, h := range all {
			tenure, held := f.In(h.from)
			s.equal(held, true)
			s.equal(tenure.Patient, h.patient || i < len(all)-15)
			_, between := f.In(h.to + 1)
			s.equal(between, i < len(all)-16)
		}
		s.equal(len(f.Tenures), 16)
		return nil
	})
	s.sound()
}
