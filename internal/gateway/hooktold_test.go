package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"postern/internal/audit"
	"postern/internal/fetch"
	"postern/store"
)

// An account names the URL: it is told nothing of what is where in our network, nor what
// that says. Operators are.
func TestAnAccountIsToldNoWordsOfTheNetwork(t *testing.T) {
	const words = "dial tcp 10.1.2.3:5432: connection refused, secretbanner"
	for _, c := range []struct {
		reply fetch.Reply
		err   error
		want  string
	}{
		{fetch.Reply{}, fmt.Errorf("%w: %s", fetch.ErrUnanswered, words), "peer-unreachable"},
		{fetch.Reply{}, fmt.Errorf("%w: %s", fetch.ErrBroken, words), "peer-unreachable"},
		{fetch.Reply{}, errors.New(words), "peer-unreachable"},
		{fetch.Reply{Status: http.StatusTeapot}, nil, "peer-deferred"},
		{fetch.Reply{Status: http.StatusOK}, nil, ""},
	} {
		w, _, b := twoSites(t)
		r, h, _ := b.everything("bob@b.example")
		r.answer = func(fetch.Post) (fetch.Reply, error) { return c.reply, c.err }
		b.update(func(tx store.Tx) error { return b.raise(tx, h.Account, store.HookEvent{Type: store.HookArrived}) })
		w.runAll()
		s := b.hookState(h)
		if s.LastError != c.want || s.LastStatus != c.reply.Status {
			t.Errorf("%v: %+v", c.err, s)
		}
		if jobs := b.jobs(store.HookJob); c.err != nil && (len(jobs) != 1 || jobs[0].Detail != c.err.Error()) {
			t.Errorf("the operator sees %+v", jobs)
		}
	}
}

// What comes while too many wait is lost, and the trail has each.
func TestEventsThatFindNoRoomAreInTheTrail(t *testing.T) {
	_, _, b := twoSites(t)
	_, h, _ := b.everything("bob@b.example")
	b.update(func(tx store.Tx) error {
		for i := range maxHookWaiting + 2 {
			err := b.raise(tx, h.Account, store.HookEvent{Type: store.HookArrived, Message: store.TrackID(fmt.Sprintf("T%d", i))})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if s := b.hookState(h); s.Lost != 2 {
		t.Errorf("%+v", s)
	}
	want := []string{"arrived: 1000 events wait", "arrived: 1000 events wait"}
	if got := b.details(audit.Dropped); !slices.Equal(got, want) {
		t.Errorf("the trail has %q", got)
	}
}
