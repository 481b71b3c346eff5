package gateway

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/audit"
	"postern/internal/fetch"
	"postern/internal/webhook"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// A receiver is where hooks of a test go.
type receiver struct {
	answer func(p fetch.Post) (fetch.Reply, error) // nil is 204
	got    []fetch.Post
}

// Post implements Poster.
func (r *receiver) Post(_ context.Context, p fetch.Post) (fetch.Reply, error) {
	r.got = append(r.got, p)
	if r.answer != nil {
		return r.answer(p)
	}
	return fetch.Reply{Status: http.StatusNoContent}, nil
}

func (r *receiver) says(status int) {
	r.answer = func(fetch.Post) (fetch.Reply, error) { return fetch.Reply{Status: status}, nil }
}

// events are those that came since it was asked last, as "failed bob@b.example no-route".
func (r *receiver) events(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, p := range r.got {
		var e webhook.Event
		if err := json.Unmarshal(p.Body, &e); err != nil {
			t.Fatal(err)
		}
		line := e.Type + " " + e.Data.Recipient
		if e.Data.Reason != "" {
			line += " " + e.Data.Reason
		}
		if e.Data.UID != 0 {
			line += fmt.Sprintf(" %s/%d", e.Data.Mailbox, e.Data.UID)
		}
		if e.Data.Notification {
			line += " notification"
		}
		all = append(all, line)
	}
	r.got = nil
	return all
}

// everything is a hook for all events of an account.
func (s *site) everything(account string) (*receiver, store.Hook, string) {
	s.t.Helper()
	r := &receiver{}
	s.Poster = r
	h, secret, err := s.AddHook(s.t.Context(), "test", HookOrder{addr(s.t, account), "https://app.example/in?token=hunter2", store.HookEventTypes()})
	if err != nil {
		s.t.Fatal(err)
	}
	return r, h.Hook, secret
}

func (s *site) hookState(h store.Hook) store.HookState {
	s.t.Helper()
	info, err := s.Core.Hook(s.t.Context(), h.Account, h.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	return info.State
}

func wantEvents(t testing.TB, r *receiver, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.events(t)); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

func twoSites(t *testing.T) (*world, *site, *site) {
	t.Helper()
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	return w, a, b
}

// Both sides are told what happened to them, once of each, and nothing of what the
// message says.
func TestHooksAreToldOfWhatArrivedAndWhatBecameOfIt(t *testing.T) {
	w, a, b := twoSites(t)
	sender, _, _ := a.everything("alice@a.example")
	reader, _, _ := b.everything("bob@b.example")
	id := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example", "nobody@c.example")
	w.runAll()
	for _, r := range []*receiver{sender, reader} {
		for _, p := range r.got {
			if text := string(p.Body) + fmt.Sprint(p.Header); strings.Contains(text, canary) || strings.Contains(text, "Alice") {
				t.Errorf("a hook is told %s", text)
			}
		}
	}
	var first webhook.Event
	if err := json.Unmarshal(sender.got[0].Body, &first); err != nil || first.Data.Message != string(id) || first.Data.Account != "alice@a.example" {
		t.Errorf("%+v, %v", first, err)
	}
	got := sender.events(t)
	slices.Sort(got)
	want := []string{
		"arrived alice@a.example INBOX/1 notification", // that c.example has no certificate
		"arrived alice@a.example INBOX/2 notification", // processed
		"delivered bob@b.example",
		"failed nobody@c.example no-certificate",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
	wantEvents(t, reader, "arrived bob@b.example INBOX/1")
	a.clock().advance(2 * time.Hour)
	w.runAll()
	wantEvents(t, sender)
}

// What an event names an application fetches over HTTP: a record, and what is told of
// what it sent.
func TestHooksNameWhatTheHTTPEdgeHas(t *testing.T) {
	w, a, b := twoSites(t)
	sender, _, _ := a.everything("alice@a.example")
	reader, _, _ := b.everything("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example", "nobody@c.example")
	w.runAll()
	for s, told := range map[*site]*receiver{a: sender, b: reader} {
		arrived := 0
		for _, p := range told.got {
			var event webhook.Event
			err := json.Unmarshal(p.Body, &event)
			if err != nil {
				t.Fatal(err)
			}
			e, l := s.app(event.Data.Account)
			if event.Type != "arrived" {
				m, err := e.SentMessage(t.Context(), l, event.Data.Message)
				if err != nil || m.MessageID != "<m1@a.example>" {
					t.Errorf("%+v: %+v, %v", event, m, err)
				}
				continue
			}
			arrived++
			m, body, err := e.Open(t.Context(), l, event.Data.InboxID)
			if err != nil || m.ID != event.Data.InboxID {
				t.Fatalf("%+v: %+v, %v", event, m, err)
			}
			head, err := mime.ReadHeader(bufio.NewReader(io.NewSectionReader(body, 0, body.Size())), mime.Limits{})
			if err != nil || mime.IsNotification(head) != event.Data.Notification {
				t.Errorf("%+v: %v", event, err)
			}
		}
		equal(t, "arrived", arrived, len(s.inbox(map[*site]string{a: "alice@a.example", b: "bob@b.example"}[s])))
	}
}

func (s *site) clock() *clock { return s.world.clock }

func TestAHookIsToldNothingThatWasBeforeIt(t *testing.T) {
	w, a, _ := twoSites(t)
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example", "nobody@c.example")
	a.run() // nobody's failure
	sent, raw := a.taken()
	a.clock().advance(time.Minute)
	r, _, _ := a.everything("alice@a.example")
	w.carry(sent[0], raw[0])
	w.runAll()
	got := r.events(t)
	slices.Sort(got)
	if diff := cmp.Diff([]string{"arrived alice@a.example INBOX/2 notification", "delivered bob@b.example"}, got); diff != "" {
		t.Errorf("events (-want +got)\n%s", diff)
	}
}

// A message without an answer, and one that an operator dropped with a word to nobody.
func TestHooksAndAnswersThatDoNotCome(t *testing.T) {
	_, a, _ := twoSites(t)
	r, _, _ := a.everything("alice@a.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	wantEvents(t, r)
	a.clock().advance(time.Hour)
	a.run()
	wantEvents(t, r, "failed bob@b.example no-processed", "arrived alice@a.example INBOX/1 notification")
	a.submit(message("alice@a.example", "bob@b.example", "X-Other: 1"), "alice@a.example", "bob@b.example")
	if err := a.Drop(t.Context(), a.jobs(store.SealJob)[0].ID, "operator", true, nil); err != nil {
		t.Fatal(err)
	}
	a.run()
	wantEvents(t, r)
}

func TestEventsAreSignedAndRotationKeepsTheOldSecretForADay(t *testing.T) {
	w, a, _ := twoSites(t)
	r, h, secret := a.everything("alice@a.example")
	check := func(secrets ...string) {
		t.Helper()
		a.submit(message("alice@a.example", "nobody@c.example"), "alice@a.example", "nobody@c.example")
		a.run()
		p := r.got[len(r.got)-1]
		var keys [][]byte
		for _, s := range secrets {
			key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
		want := webhook.Sign(p.Header.Get("webhook-id"), a.Now(), p.Body, keys...)
		if got := p.Header.Get("webhook-signature"); got != want {
			t.Errorf("signed %q, want %q", got, want)
		}
		if got, want := p.Header.Get("webhook-timestamp"), fmt.Sprint(a.Now().Unix()); got != want {
			t.Errorf("timestamp %s, want %s", got, want)
		}
	}
	check(secret)
	rotated, newer, err := a.RotateHook(t.Context(), "test", h.Account, h.ID)
	if err != nil || !rotated.PreviousUntil.Equal(a.Now().Add(hookOverlap)) || rotated.Secret != nil || rotated.Previous != nil {
		t.Fatal(rotated, err)
	}
	check(newer, secret)
	w.clock.advance(hookOverlap)
	check(newer)
}

// A secret whose day is over stays no longer than to the next change of its hook: that an
// account has one enabled, or that a receiver wants no more.
func TestASecretThatIsOverGoes(t *testing.T) {
	for how, change := range map[string]func(*site, *receiver, store.Hook){
		"enabled": func(a *site, _ *receiver, h store.Hook) {
			if err := a.EnableHook(t.Context(), "test", h.Account, h.ID); err != nil {
				t.Fatal(err)
			}
		},
		"disabled": func(a *site, r *receiver, h store.Hook) {
			r.answer = func(fetch.Post) (fetch.Reply, error) { return fetch.Reply{Status: 410}, nil }
			a.update(func(tx store.Tx) error { return a.raise(tx, h.Account, store.HookEvent{Type: store.HookFailed}) })
			a.run()
		},
	} {
		t.Run(how, func(t *testing.T) {
			w, a, _ := twoSites(t)
			r, h, _ := a.everything("alice@a.example")
			previous := func() (key []byte, until time.Time) {
				t.Helper()
				a.view(func(tx store.Tx) error {
					h, err := tx.Hook(h.Account, h.ID)
					key, until = h.Previous, h.PreviousUntil
					return err
				})
				return key, until
			}
			_, _, err := a.RotateHook(t.Context(), "test", h.Account, h.ID)
			if err != nil {
				t.Fatal(err)
			}
			w.clock.advance(hookOverlap - time.Second)
			change(a, r, h)
			if key, until := previous(); len(key) == 0 || until.IsZero() {
				t.Errorf("it went before its time: %d octets, %s", len(key), until)
			}
			w.clock.advance(time.Second)
			a.update(func(tx store.Tx) error {
				h, err := tx.Hook(h.Account, h.ID)
				h.Disabled = ""
				return errors.Join(err, tx.PutHook(h))
			})
			change(a, r, h)
			if key, until := previous(); len(key) > 0 || !until.IsZero() {
				t.Errorf("it is there still: %d octets, %s", len(key), until)
			}
		})
	}
}

// A new secret is told once: its answer is made in the transaction that stores it, so that
// nothing behind that can lose it.
func TestANewSecretIsToldWhateverComesBehind(t *testing.T) {
	_, a, _ := twoSites(t)
	_, token := a.withToken("hooks")
	e := NewHTTPEdge(a.Core)
	l, err := e.Authenticate(t.Context(), token, netip.MustParseAddrPort("192.0.2.7:1"))
	if err != nil {
		t.Fatal(err)
	}
	made, err := e.AddHook(t.Context(), l, "https://app.example/in", []string{"arrived"})
	if err != nil {
		t.Fatal(err)
	}
	a.Store = blind{a.Store}
	newer, err := e.RotateHook(t.Context(), l, made.ID)
	if err != nil || newer.Secret == made.Secret || newer.Secret == "" || newer.ID != made.ID || newer.URL != made.URL {
		t.Errorf("%+v, %v", newer, err)
	}
}

// What is not taken is tried again with the same id, until its time is over; then its
// loss is seen.
func TestAHookThatFailsIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(fetch.Post) (fetch.Reply, error)
		status int
		code   reason.Code
	}{
		{"500", func(fetch.Post) (fetch.Reply, error) { return fetch.Reply{Status: 500}, nil }, 500, reason.PeerDeferred},
		{"404", func(fetch.Post) (fetch.Reply, error) { return fetch.Reply{Status: 404}, nil }, 404, reason.PeerDeferred},
		{"a redirection", func(fetch.Post) (fetch.Reply, error) { return fetch.Reply{Status: 302}, nil }, 302, reason.PeerDeferred},
		{"no answer", func(fetch.Post) (fetch.Reply, error) { return fetch.Reply{}, fetch.ErrUnanswered }, 0, reason.PeerUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, a, _ := twoSites(t)
			r, h, _ := a.everything("alice@a.example")
			r.answer = c.answer
			a.update(func(tx store.Tx) error { return a.raise(tx, h.Account, store.HookEvent{Type: store.HookFailed}) })
			a.run()
			first := r.got[0]
			j := a.jobs(store.HookJob)[0]
			if s := a.hookState(h); j.Reason != c.code.String() || s.LastStatus != c.status || s.Waiting != 1 || s.FailingSince.IsZero() {
				t.Errorf("%+v, %+v", j, s)
			}
			a.clock().advance(time.Minute)
			a.run()
			if len(r.got) < 2 || r.got[1].Header.Get("webhook-id") != first.Header.Get("webhook-id") || string(r.got[1].Body) != string(first.Body) {
				t.Fatal("the second attempt has another id or body")
			}
			a.clock().advance(a.RetryFor)
			a.run()
			s := a.hookState(h)
			if len(a.jobs(store.HookJob)) != 0 || s.Lost != 1 || s.LostAt.IsZero() || s.Waiting != 0 || s.Delivered != 0 {
				t.Errorf("after its time: %+v", s)
			}
			if !strings.Contains(a.log.String(), "an event was lost") || strings.Contains(a.log.String(), "hunter2") {
				t.Errorf("the log has\n%s", a.log.String())
			}
			r.answer = nil
			a.update(func(tx store.Tx) error { return a.raise(tx, h.Account, store.HookEvent{Type: store.HookFailed}) })
			a.OpenLane(store.HookJob, hookLane(h))
			a.run()
			if s := a.hookState(h); s.Delivered != 1 || !s.FailingSince.IsZero() || s.LastError != "" {
				t.Errorf("after it is back: %+v", s)
			}
		})
	}
}

func TestAReceiverThatIsGoneIsToldNothingMore(t *testing.T) {
	_, a, _ := twoSites(t)
	r, h, _ := a.everything("alice@a.example")
	r.says(http.StatusGone)
	event := func(tx store.Tx) error { return a.raise(tx, h.Account, store.HookEvent{Type: store.HookFailed}) }
	a.update(func(tx store.Tx) error { return errors.Join(event(tx), event(tx)) })
	a.run()
	if len(r.got) != 1 || len(a.jobs(store.HookJob)) != 0 {
		t.Errorf("%d attempts, %d jobs", len(r.got), len(a.jobs(store.HookJob)))
	}
	info, err := a.Core.Hook(t.Context(), h.Account, h.ID)
	if err != nil || info.Disabled != store.HookGone || info.State.Lost != 2 {
		t.Errorf("%+v, %v", info, err)
	}
	if got := a.details(audit.Changed); !slices.Contains(got, "disabled: the receiver answers 410") {
		t.Errorf("the trail has %q", got)
	}
	a.update(event)
	if n := len(a.jobs(store.HookJob)); n != 0 {
		t.Errorf("%d events for a disabled hook", n)
	}
	if err := a.EnableHook(t.Context(), "test", h.Account, h.ID); err != nil {
		t.Fatal(err)
	}
	r.answer = nil
	a.update(event)
	a.run()
	if s := a.hookState(h); s.Delivered != 1 {
		t.Errorf("%+v", s)
	}
}

func TestADeadHookDoesNotFillTheQueue(t *testing.T) {
	_, a, _ := twoSites(t)
	_, h, _ := a.everything("alice@a.example")
	a.update(func(tx store.Tx) error {
		for range maxHookWaiting + 7 {
			err := a.raise(tx, h.Account, store.HookEvent{Type: store.HookArrived})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if s := a.hookState(h); len(a.jobs(store.HookJob)) != maxHookWaiting || s.Waiting != maxHookWaiting || s.Lost != 7 {
		t.Errorf("%d jobs, %+v", len(a.jobs(store.HookJob)), s)
	}
	if err := a.RemoveHook(t.Context(), "test", h.Account, h.ID); err != nil {
		t.Fatal(err)
	}
	a.doStep(t.Context(), a.jobs(store.HookJob)[0], a.hook)
	if n := len(a.jobs(store.HookJob)); n != maxHookWaiting-1 {
		t.Errorf("%d jobs after the hook is gone", n)
	}
}

// Mail waits for no hook: the event is in the transaction of the delivery, and its
// attempt is a step of its own.
func TestAHookThatDoesNotAnswerIsLeftAlone(t *testing.T) {
	_, a, _ := twoSites(t)
	r, h, _ := a.everything("alice@a.example")
	r.answer = func(fetch.Post) (fetch.Reply, error) { return fetch.Reply{}, fetch.ErrUnanswered }
	for range breakAfter {
		a.update(func(tx store.Tx) error { return a.raise(tx, h.Account, store.HookEvent{Type: store.HookArrived}) })
	}
	a.run()
	down := a.DownLanes()
	if len(down) != 1 || down[0].Kind != store.HookJob || down[0].Lane != h.ID+" of alice@a.example at app.example" {
		t.Errorf("%+v", down)
	}
	a.clock().advance(a.RetryFor)
	before := len(r.got)
	a.run()
	if len(a.jobs(store.HookJob)) != 0 || a.hookState(h).Lost != breakAfter || len(r.got) != before {
		t.Errorf("%d jobs, %+v, %d attempts while its host is left alone", len(a.jobs(store.HookJob)), a.hookState(h), len(r.got)-before)
	}
}

func TestAServerThatWantsToBeLeftAloneIs(t *testing.T) {
	_, a, _ := twoSites(t)
	r, h, _ := a.everything("alice@a.example")
	r.answer = func(fetch.Post) (fetch.Reply, error) {
		return fetch.Reply{Status: 429, RetryAfter: 20 * time.Minute}, nil
	}
	a.update(func(tx store.Tx) error { return a.raise(tx, h.Account, store.HookEvent{Type: store.HookArrived}) })
	a.run()
	if got := a.jobs(store.HookJob)[0].Due.Sub(a.Steady()); got != 20*time.Minute {
		t.Errorf("tried again in %s", got)
	}
}

func TestWhichHooksAreMade(t *testing.T) {
	_, a, _ := twoSites(t)
	alice := addr(t, "alice@a.example")
	some := []store.HookEventType{store.HookArrived}
	for _, c := range []struct {
		name  string
		order HookOrder
		want  error
	}{
		{"http", HookOrder{alice, "http://app.example/", some}, ErrHookURL},
		{"a user", HookOrder{alice, "https://u:p@app.example/", some}, ErrHookURL},
		{"port of mail", HookOrder{alice, "https://app.example:25/", some}, ErrHookURL},
		{"no host", HookOrder{alice, "https:///x", some}, ErrHookURL},
		{"no events", HookOrder{alice, "https://app.example/", nil}, ErrHookEvents},
		{"an event twice", HookOrder{alice, "https://app.example/", append(some, some...)}, ErrHookEvents},
		{"ping", HookOrder{alice, "https://app.example/", []store.HookEventType{store.HookPing}}, ErrHookEvents},
		{"nobody's", HookOrder{addr(t, "x@a.example"), "https://app.example/", some}, store.ErrNotFound},
		{"good", HookOrder{alice, "https://app.example/", some}, nil},
	} {
		_, _, err := a.AddHook(t.Context(), "test", c.order)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for range maxHooks - 1 {
		_, _, err := a.AddHook(t.Context(), "test", HookOrder{alice, "https://app.example/", some})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := a.AddHook(t.Context(), "test", HookOrder{alice, "https://app.example/", some})
	if !errors.Is(err, ErrHooksEnough) {
		t.Error(err)
	}
	all, err := a.Hooks(t.Context(), mime.Address{})
	if err != nil || len(all) != maxHooks {
		t.Errorf("%d hooks, %v", len(all), err)
	}
	for _, h := range all {
		if h.Secret != nil {
			t.Error("a listing has a secret")
		}
	}
	if _, err := a.Core.Hook(t.Context(), addr(t, "bob@a.example"), all[0].ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's hook: %v", err)
	}
}

func TestAPingGoesPastTheQueue(t *testing.T) {
	_, a, _ := twoSites(t)
	r, h, _ := a.everything("alice@a.example")
	got, err := a.TestHook(t.Context(), "test", h.Account, h.ID)
	if err != nil || !got.Taken() || got.Status != 204 {
		t.Errorf("%+v, %v", got, err)
	}
	wantEvents(t, r, "ping ")
	r.says(500)
	got, err = a.TestHook(t.Context(), "test", h.Account, h.ID)
	if err != nil || got.Taken() || got.Status != 500 {
		t.Errorf("%+v, %v", got, err)
	}
	if s := a.hookState(h); s.LastStatus != 0 {
		t.Errorf("a ping counts: %+v", s)
	}
}
