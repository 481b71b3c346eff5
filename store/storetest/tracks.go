package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"postern/mime"
	"postern/store"
)

func trackTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"ATrackComesBackAsItWas":             trackRoundTrip,
		"TracksAreFoundByMessageID":          trackByMessageID,
		"MessageIDsInAnyCase":                tracksInAnyCase,
		"WhatWasSentIsFoundByItsOwners":      tracksOfOwners,
		"AClaimIsApartFromWhatIsBelieved":    tracksOfAClass,
		"EventsStayInOrder":                  events,
		"AnEventNeedsATrack":                 eventAlone,
		"ATrackIDHasTwentySixCharacters":     trackIDs,
		"AMessageIDOfAnyLengthIsTakenAsItIs": longMessageID,
		"TracksAreFoundByAddress":            tracksByAddress,
		"TracksAreListedByTime":              tracksByTime,
		"ATrackCanBeForgotten":               removeTrack,
		"EventsAreBounded":                   eventsBounded,
	}
}

func newTrackID(s *suite, at time.Time) store.TrackID {
	s.Helper()
	id, err := store.NewTrackID(at, nil)
	s.must(err)
	return id
}

func trackRoundTrip(s *suite) {
	want := store.Track{ID: newTrackID(s, noon()), MessageID: "<1@a.example>", Outbound: true, Automatic: true,
		Sender: s.address("a@a.example"), Size: 7, Received: noon(), Recipients: []store.TrackRecipient{
			{Address: s.address("b@b.example"), State: store.TrackFailed, Reason: "expired", Detail: "why", Updated: noon()}}}
	s.update(func(tx store.Tx) error { return tx.PutTrack(want) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Track(want.ID)
		s.equal(got, want)
		_, missing := tx.Track(newTrackID(s, noon()))
		s.is(missing, store.ErrNotFound)
		return err
	})
}

func (s *suite) tracksOf(messageID string, want ...store.TrackID) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		var got []store.TrackID
		err := tx.EachTrack(store.TrackQuery{MessageID: messageID, Oldest: true}, func(k store.Track) bool {
			got = append(got, k.ID)
			return true
		})
		s.equal(got, want)
		return err
	})
}

func trackByMessageID(s *suite) {
	first := store.Track{ID: newTrackID(s, noon()), MessageID: "<1@a.example>"}
	second := store.Track{ID: newTrackID(s, noon().Add(time.Second)), MessageID: "<1@a.example>"}
	third := store.Track{ID: newTrackID(s, noon())}
	s.update(func(tx store.Tx) error {
		s.must(tx.PutTrack(second))
		s.must(tx.PutTrack(third))
		return tx.PutTrack(first)
	})
	s.tracksOf("<1@a.example>", first.ID, second.ID)
	s.tracksOf("<2@a.example>")
	first.MessageID, third.MessageID = "<2@a.example>", "<2@a.example>"
	s.update(func(tx store.Tx) error {
		s.must(tx.PutTrack(first))
		return tx.PutTrack(third)
	})
	s.tracksOf("<1@a.example>", second.ID)
	s.sound()
}

func tracksInAnyCase(s *suite) {
	k := store.Track{ID: newTrackID(s, noon()), MessageID: "<AbC.1@A.Example>"}
	s.update(func(tx store.Tx) error { return tx.PutTrack(k) })
	s.tracksOf("<abc.1@a.example>", k.ID)
	k.MessageID = "<ABC.1@a.example>"
	s.update(func(tx store.Tx) error { return tx.PutTrack(k) })
	s.tracksOf("<abc.1@A.EXAMPLE>", k.ID)
	s.sound()
}

func tracksOfOwners(s *suite) {
	alice, desk, bob := s.address("alice@a.example"), s.address("desk@a.example"), s.address("bob@b.example")
	k := store.Track{ID: newTrackID(s, noon()), MessageID: "<1@a.example>", Outbound: true, Sender: alice, Digest: "1",
		AnswersTo: []mime.Address{desk}, Recipients: []store.TrackRecipient{{Address: bob}}}
	found := func(want bool, all ...store.TrackQuery) {
		s.Helper()
		for _, q := range all {
			q.MessageID = "<1@A.example>"
			s.equal(len(s.listed(q)) == 1, want)
		}
		s.sound()
	}
	sentBy := func(a mime.Address) store.TrackQuery { return store.TrackQuery{SentBy: a} }
	answeredTo := func(a mime.Address) store.TrackQuery { return store.TrackQuery{AnsweredTo: a} }
	same := func(digest string) store.TrackQuery { return store.TrackQuery{SentBy: alice, Digest: digest} }
	put := func() { s.update(func(tx store.Tx) error { return tx.PutTrack(k) }) }
	put()
	found(true, sentBy(alice), answeredTo(desk), answeredTo(s.address("DESK@A.example")), same("1"))
	found(false, sentBy(bob), sentBy(desk), answeredTo(alice), same("2"), store.TrackQuery{SentBy: desk, Digest: "1"})
	k.Recipients[0].State = store.TrackRefused // as it was handed in: it was never sent
	put()
	found(false, sentBy(alice), answeredTo(desk), same("1"))
	found(true, store.TrackQuery{Class: store.TrackSent}, store.TrackQuery{Address: alice})
	k.Recipients[0].State = store.TrackQueued
	k.AnswersTo, k.Digest = []mime.Address{bob}, "2"
	put()
	found(true, sentBy(alice), answeredTo(bob), same("2"))
	found(false, answeredTo(desk), same("1"))
	k.Automatic = true
	put()
	found(true, sentBy(alice))
	found(false, same("2"))
	k.Outbound = false
	put()
	found(false, sentBy(alice), answeredTo(bob), same("2"))
	k.Outbound, k.Automatic = true, false
	put()
	s.update(func(tx store.Tx) error {
		_, err := tx.RemoveTrack(k.ID)
		return err
	})
	found(false, sentBy(alice), answeredTo(bob), same("2"))
}

func tracksOfAClass(s *suite) {
	alice := s.address("alice@a.example")
	const name = "<1@a.example>"
	var all []store.Track
	for i, k := range []store.Track{{}, {Outbound: true, Sender: alice}, {}, {Author: alice}, {}} {
		k.ID, k.MessageID = newTrackID(s, noon().Add(time.Duration(i)*time.Second)), name
		all = append(all, k)
		s.update(func(tx store.Tx) error { return tx.PutTrack(k) })
	}
	found := func(q store.TrackQuery, want ...int) {
		s.Helper()
		q.MessageID = name
		var ids []store.TrackID
		for _, i := range want {
			ids = append(ids, all[i].ID)
		}
		s.equal(s.listed(q), ids)
	}
	found(store.TrackQuery{Class: store.TrackSent}, 1)
	found(store.TrackQuery{Class: store.TrackBelieved}, 3)
	found(store.TrackQuery{Class: store.TrackClaimed}, 4, 2, 0)
	found(store.TrackQuery{}, 4, 3, 2, 1, 0)
	found(store.TrackQuery{Oldest: true}, 0, 1, 2, 3, 4)
	found(store.TrackQuery{After: all[3].ID}, 2, 1, 0)
	found(store.TrackQuery{After: all[1].ID, Oldest: true, Until: noon().Add(4 * time.Second)}, 2, 3)
	found(store.TrackQuery{Address: alice}, 3, 1)
	all[2].Author = alice // it was opened
	s.update(func(tx store.Tx) error { return tx.PutTrack(all[2]) })
	found(store.TrackQuery{Class: store.TrackBelieved}, 3, 2)
	found(store.TrackQuery{Class: store.TrackClaimed}, 4, 0)
	s.sound()
	s.update(func(tx store.Tx) error {
		_, err := tx.RemoveTrack(all[2].ID)
		return err
	})
	found(store.TrackQuery{}, 4, 3, 1, 0)
	s.sound()
}

func events(s *suite) {
	one, two := store.Track{ID: newTrackID(s, noon())}, store.Track{ID: newTrackID(s, noon())}
	var want []store.Event
	s.update(func(tx store.Tx) error {
		s.must(tx.PutTrack(one))
		return tx.PutTrack(two)
	})
	for i := range 20 {
		e := store.Event{At: noon().Add(-time.Duration(i) * time.Second), Stage: "relay",
			Recipient: s.address("b@b.example"), Reason: "peer-deferred", Detail: strings.Repeat("x", i)}
		want = append(want, e)
		s.update(func(tx store.Tx) error {
			s.must(tx.AddEvent(two.ID, store.Event{Stage: "accept"}))
			return tx.AddEvent(one.ID, e)
		})
	}
	one.MessageID = "<later@a.example>"
	s.update(func(tx store.Tx) error { return tx.PutTrack(one) })
	s.view(func(tx store.Tx) error {
		got, err := tx.Events(one.ID)
		s.equal(got, want)
		return err
	})
	s.sound()
}

func eventAlone(s *suite) {
	id := newTrackID(s, noon())
	s.is(s.Update(s.ctx, func(tx store.Tx) error { return tx.AddEvent(id, store.Event{}) }), store.ErrNotFound)
	s.view(func(tx store.Tx) error {
		_, err := tx.Events(id)
		s.is(err, store.ErrNotFound)
		return nil
	})
}

func trackIDs(s *suite) {
	id := newTrackID(s, noon())
	later := newTrackID(s, noon().Add(time.Millisecond))
	if len(id) != 26 || id >= later {
		s.Errorf("%q, then %q", id, later)
	}
	_, err := store.NewTrackID(noon(), bytes.NewReader(nil))
	if err == nil {
		s.Error("an id was made without randomness")
	}
}

func longMessageID(s *suite) {
	id := "<" + strings.Repeat("é\x00", 20_000) + "@a.example>"
	k := store.Track{ID: newTrackID(s, noon()), MessageID: id}
	s.update(func(tx store.Tx) error { return tx.PutTrack(k) })
	s.view(func(tx store.Tx) error {
		return tx.EachTrack(store.TrackQuery{MessageID: id}, func(got store.Track) bool {
			s.equal(got, k)
			return true
		})
	})
	s.sound()
}

// listed returns the tracks that q asks for.
func (s *suite) listed(q store.TrackQuery) (ids []store.TrackID) {
	s.Helper()
	s.view(func(tx store.Tx) error {
		ids = nil
		return tx.EachTrack(q, func(k store.Track) bool {
			ids = append(ids, k.ID)
			return true
		})
	})
	return ids
}

// life stores a track from one address to others.
func (s *suite) life(at time.Time, messageID, from string, to ...string) store.Track {
	s.Helper()
	k := store.Track{ID: newTrackID(s, at), MessageID: messageID, Received: at}
	if from != "" {
		k.Sender = s.address(from)
	}
	for _, a := range to {
		k.Recipients = append(k.Recipients, store.TrackRecipient{Address: s.address(a)})
	}
	s.update(func(tx store.Tx) error { return tx.PutTrack(k) })
	return k
}

func tracksByAddress(s *suite) {
	one := s.life(noon(), "<1@a.example>", "a@a.example", "b@b.example", "c@b.example")
	two := s.life(noon().Add(time.Second), "", "", "B@b.example")
	three := s.life(noon().Add(2*time.Second), "<1@a.example>", "b@b.example", "a@a.example", "a@a.example")
	by := func(text string) store.TrackQuery { return store.TrackQuery{Address: s.address(text)} }
	s.equal(s.listed(by("b@b.example")), []store.TrackID{three.ID, two.ID, one.ID})
	s.equal(s.listed(by("c@b.example")), []store.TrackID{one.ID})
	s.equal(s.listed(by("b@b.exampl")), []store.TrackID{})
	oldest := by("b@B.example")
	oldest.Oldest = true
	s.equal(s.listed(oldest), []store.TrackID{one.ID, two.ID, three.ID})
	both := by("b@b.example")
	both.MessageID = "<1@a.example>"
	s.equal(s.listed(both), []store.TrackID{three.ID, one.ID})
	both.Address = s.address("c@b.example")
	s.equal(s.listed(both), []store.TrackID{one.ID})

	two.Author, one.Recipients = s.address("d@d.example"), one.Recipients[:1]
	s.update(func(tx store.Tx) error {
		s.must(tx.PutTrack(two))
		return tx.PutTrack(one)
	})
	s.equal(s.listed(by("d@d.example")), []store.TrackID{two.ID})
	s.equal(s.listed(by("c@b.example")), []store.TrackID{})
	s.sound()
}

func tracksByTime(s *suite) {
	var ids []store.TrackID
	for i := range 6 {
		ids = append(ids, s.life(noon().Add(time.Duration(i)*time.Minute), "", "a@a.example").ID)
	}
	at := func(i int) time.Time { return noon().Add(time.Duration(i) * time.Minute) }
	newest := []store.TrackID{ids[5], ids[4], ids[3], ids[2], ids[1], ids[0]}
	for name, tt := range map[string]struct {
		q    store.TrackQuery
		want []store.TrackID
	}{
		"all":              {store.TrackQuery{}, newest},
		"oldest":           {store.TrackQuery{Oldest: true}, ids},
		"since":            {store.TrackQuery{Since: at(4)}, newest[:2]},
		"until":            {store.TrackQuery{Until: at(2)}, newest[4:]},
		"between":          {store.TrackQuery{Since: at(1), Until: at(3)}, newest[3:5]},
		"after":            {store.TrackQuery{After: ids[3]}, newest[3:]},
		"oldest after":     {store.TrackQuery{After: ids[3], Oldest: true}, ids[4:]},
		"after, in bounds": {store.TrackQuery{After: ids[3], Since: at(1), Until: at(5)}, newest[3:5]},
		"after the bounds": {store.TrackQuery{After: ids[5], Since: at(1), Until: at(3)}, newest[3:5]},
		"ends before 1970": {store.TrackQuery{Until: time.Unix(-1, 0)}, nil},
		"far away":         {store.TrackQuery{Since: time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)}, nil},
	} {
		for _, a := range []string{"", "a@a.example"} {
			q := tt.q
			if a != "" {
				q.Address = s.address(a)
			}
			got := s.listed(q)
			if len(got) != len(tt.want) {
				s.Errorf("%s %s: %d tracks, want %d", name, a, len(got), len(tt.want))
				continue
			}
			s.equal(got, tt.want)
		}
	}
}

func removeTrack(s *suite) {
	one := s.life(noon(), "<1@a.example>", "a@a.example", "b@b.example")
	two := s.life(noon().Add(time.Second), "<1@a.example>", "a@a.example", "b@b.example")
	for range 3 {
		s.update(func(tx store.Tx) error {
			s.must(tx.AddEvent(one.ID, store.Event{Stage: "accept"}))
			return tx.AddEvent(two.ID, store.Event{Stage: "accept"})
		})
	}
	s.forget(one.ID, 3)
	s.view(func(tx store.Tx) error {
		_, err := tx.Track(one.ID)
		s.is(err, store.ErrNotFound)
		n, err := tx.CountTracks()
		s.equal(n, 1)
		s.must(err)
		events, err := tx.Events(two.ID)
		s.equal(len(events), 3)
		return err
	})
	s.tracksOf("<1@a.example>", two.ID)
	s.equal(s.listed(store.TrackQuery{Address: s.address("b@b.example")}), []store.TrackID{two.ID})
	s.is(s.Update(s.ctx, func(tx store.Tx) error {
		_, err := tx.RemoveTrack(one.ID)
		return err
	}), store.ErrNotFound)
	s.sound()
}

// forget removes a track that has so many events.
func (s *suite) forget(id store.TrackID, events int) {
	s.Helper()
	s.update(func(tx store.Tx) error {
		n, err := tx.RemoveTrack(id)
		s.equal(n, events)
		return err
	})
}

// The first half of the events stays, and the latest; details are cut between
// characters.
func eventsBounded(s *suite) {
	k := s.life(noon(), "", "a@a.example")
	const more = 5
	for from := 0; from < store.MaxEvents+more; from += 1000 {
		s.update(func(tx store.Tx) error {
			for i := from; i < min(from+1000, store.MaxEvents+more); i++ {
				s.must(tx.AddEvent(k.ID, store.Event{Stage: "relay", Detail: fmt.Sprint(i)}))
			}
			return nil
		})
	}
	s.view(func(tx store.Tx) error {
		all, err := tx.Events(k.ID)
		s.equal(len(all), store.MaxEvents)
		half := store.MaxEvents / 2
		s.equal([]string{all[0].Detail, all[half-1].Detail, all[half].Detail, all[len(all)-1].Detail},
			[]string{"0", fmt.Sprint(half - 1), fmt.Sprint(half + more), fmt.Sprint(store.MaxEvents + more - 1)})
		s.equal([]uint32{all[half-1].Omitted, all[half].Omitted, all[half+1].Omitted}, []uint32{0, more, 0})
		return err
	})
	other := s.life(noon(), "", "a@a.example")
	s.update(func(tx store.Tx) error {
		return tx.AddEvent(other.ID, store.Event{Detail: strings.Repeat("é", store.MaxEventDetail)})
	})
	s.view(func(tx store.Tx) error {
		all, err := tx.Events(other.ID)
		s.equal(all[0].Detail, strings.Repeat("é", (store.MaxEventDetail-3)/2)+"…")
		return err
	})
	s.forget(k.ID, store.MaxEvents)
	s.sound()
}
