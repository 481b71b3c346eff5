package control

import (
	"fmt"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/store"
)

// A push is found by each of the addresses that it answers for, and by the account whose
// edge gets it.
func TestAPushIsPickedByEachOfItsNames(t *testing.T) {
	j := store.Job{Kind: store.PushJob, Recipients: addresses(t, "bob@b.example"),
		Push: store.Push{Account: addressOf(t, "doctor@d.example"), Also: []store.PushName{{Address: addressOf(t, "robert@c.example")}}}}
	for _, c := range []struct {
		p    picker
		want bool
	}{
		{picker{to: addressOf(t, "bob@b.example")}, true},
		{picker{to: addressOf(t, "robert@c.example")}, true},
		{picker{toDom: "c.example"}, true},
		{picker{to: addressOf(t, "doctor@d.example")}, true},
		{picker{toDom: "d.example"}, true},
		{picker{to: addressOf(t, "nurse@d.example")}, false},
		{picker{to: addressOf(t, "carol@b.example")}, false},
	} {
		if got := c.p.picks(j); got != c.want {
			t.Errorf("%+v: %v", c.p, got)
		}
	}
}

// Each transmission that a push answers for finds it by its id, and has what an operator
// does to it in its track and in the trail.
func TestAPushIsFoundByEachOfItsTransmissions(t *testing.T) {
	s, _ := queued(t)
	second := s.job(t, s.enqueue(t, store.Job{Kind: store.RelayJob, Recipients: addresses(t, "dr@a.example"), Destination: "b.example"}))
	push := s.job(t, s.enqueue(t, store.Job{Kind: store.PushJob, Recipients: addresses(t, "alice@a.example"), Push: store.Push{
		Account: addressOf(t, "alice@a.example"), Also: []store.PushName{{Track: second.Track, Address: addressOf(t, "dr@a.example")}},
	}}))
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error { return tx.Finish(second.ID) }))
	for _, id := range push.Tracks() {
		shown, err := s.ShowQueued(t.Context(), string(id))
		must(t, err)
		if len(shown.Jobs) != 1 || shown.Jobs[0].ID != push.ID || shown.Track == nil || shown.Track.ID != id {
			t.Errorf("%s: %+v", id, shown)
		}
	}
	changed, err := s.HoldQueued(t.Context(), QueueOrder{IDs: []string{string(second.Track)}})
	must(t, err)
	if changed.Jobs != 1 || !s.job(t, push.ID).Held {
		t.Errorf("%+v", changed)
	}
	for _, id := range push.Tracks() {
		must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
			events, err := tx.Events(id)
			if len(events) != 1 || !strings.HasPrefix(events[0].Detail, "held by ") {
				t.Errorf("%s: %+v", id, events)
			}
			return err
		}))
		if got := s.ofTrack(t, id); len(got) != 1 || got[0] != "held" {
			t.Errorf("%s: the trail has %q", id, got)
		}
	}
}

// What is done to an event of a web hook is not done to the message that it tells of.
func TestAnEventThatIsHeldIsNotItsMessage(t *testing.T) {
	s, ids := queued(t)
	m := s.job(t, ids[0])
	var id store.JobID
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) (err error) {
		id, err = tx.Enqueue(store.Job{Kind: store.HookJob, Track: m.Track, Hook: "h", Sender: m.Sender, Recipients: m.Recipients, Era: store.Now, Due: m.Due})
		return err
	}))
	_, err := s.HoldQueued(t.Context(), QueueOrder{IDs: []string{fmt.Sprint(id)}})
	must(t, err)
	must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
		events, err := tx.Events(m.Track)
		if len(events) != 0 || !s.job(t, id).Held {
			t.Errorf("%+v", events)
		}
		return err
	}))
}

// Several transmissions of one message are several messages, unless all that waits is of one.
func TestOfOneMessage(t *testing.T) {
	one := store.Job{Track: "1"}
	both := store.Job{Track: "2", Push: store.Push{Also: []store.PushName{{Track: "1"}}}}
	for _, c := range []struct {
		jobs []store.Job
		want bool
	}{
		{[]store.Job{one, one}, true},
		{[]store.Job{both}, true},
		{[]store.Job{one, both}, true},
		{[]store.Job{one, {Track: "2"}}, false},
		{[]store.Job{one, both, {Track: "2"}}, false},
	} {
		if got := ofOneMessage(c.jobs); got != c.want {
			t.Errorf("%+v: %v", c.jobs, got)
		}
	}
}

// ofTrack is what the trail says of a message.
func (s *server) ofTrack(t *testing.T, id store.TrackID) (details []string) {
	t.Helper()
	must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
		details = nil
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err == nil && e.Track == string(id) {
				details = append(details, e.Detail)
			}
			return true
		})
	}))
	return details
}
