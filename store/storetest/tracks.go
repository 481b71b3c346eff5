package storetest

import (
	"bytes"
	"strings"
	"time"

	"postern/store"
)

func trackTests() map[string]func(*suite) {
	return map[string]func(*suite){
		"ATrackComesBackAsItWas":             trackRoundTrip,
		"TracksAreFoundByMessageID":          trackByMessageID,
		"TracksOfAMessageIDAreBounded":       tracksBounded,
		"EventsStayInOrder":                  events,
		"AnEventNeedsATrack":                 eventAlone,
		"ATrackIDHasTwentySixCharacters":     trackIDs,
		"AMessageIDOfAnyLengthIsTakenAsItIs": longMessageID,
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
		all, err := tx.TracksByMessageID(messageID)
		var got []store.TrackID
		for _, k := range all {
			got = append(got, k.ID)
		}
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

func tracksBounded(s *suite) {
	var want []store.TrackID
	s.update(func(tx store.Tx) error {
		want = nil
		for i := range store.MaxTracks + 1 {
			id := newTrackID(s, noon().Add(time.Duration(i)*time.Second))
			want = append(want, id)
			s.must(tx.PutTrack(store.Track{ID: id, MessageID: "<1@a.example>"}))
		}
		return nil
	})
	s.tracksOf("<1@a.example>", want[:store.MaxTracks]...)
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
		all, err := tx.TracksByMessageID(id)
		s.equal(all, []store.Track{k})
		return err
	})
	s.sound()
}
