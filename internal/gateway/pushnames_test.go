package gateway

import (
	"slices"
	"strings"
	"testing"
	"time"

	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// An edgeEnd is how what waits for an edge ends.
type edgeEnd struct {
	name          string
	then          func(*ehr, *site)
	taken, inbox  int
	state, answer string
}

// asks is for notice of final delivery, but where its deadline would be over first.
func (e edgeEnd) asks() []string {
	if e.name == "expired" {
		return nil
	}
	return []string{wanted}
}

// The ways in which what waits for an edge ends.
var edgeEnds = []edgeEnd{
	{"taken", func(e *ehr, _ *site) { e.answer = nil }, 1, 0, "delivered", "dispatched"},
	{"refused", func(e *ehr, _ *site) { e.says(reason.PeerRefused, 550) }, 0, 0, "failed peer-refused", "failed"},
	{"expired", func(_ *ehr, b *site) { b.clock().advance(b.RetryFor) }, 0, 0, "failed queue-expired", "failed"},
	{"no edge any more", func(_ *ehr, b *site) {
		b.update(func(tx store.Tx) error { return tx.RemoveEdge("b.example") })
	}, 0, 1, "delivered", "dispatched"},
}

// DN-4, DN-10, DN-8: of each address that a message reaches an account under its sender
// is told what the edge made of it, and not before.
func TestDN10_EachNameOfAnAccountWaitsForItsEdge(t *testing.T) {
	for _, names := range [][]string{
		{"bob@b.example", "robert@b.example"}, {"robert@b.example", "bob@b.example"},
		{"bob@b.example", "team@b.example"}, {"team@b.example", "robert@b.example", "bob@b.example"},
	} {
		for _, again := range []bool{false, true} { // in one transmission, or in several
			for _, end := range edgeEnds {
				how := strings.Join(names, ",")
				if again {
					how += ", one by one"
				}
				t.Run(how+": "+end.name, func(t *testing.T) {
					w, a, b := twoSites(t)
					b.alias("robert@b.example", "bob@b.example")
					b.group("team@b.example", "bob@b.example")
					e := b.pushes("b.example")
					e.isDown()
					text := message("alice@a.example", strings.Join(names, ">, <"), end.asks()...)
					if again {
						for _, to := range names {
							a.submit(text, "alice@a.example", to)
							w.settle()
						}
					} else {
						a.submit(text, "alice@a.example", names...)
						w.settle()
					}
					w.wantNames(a, b, names, "queued peer-unreachable", "processed")
					if n := len(b.jobs(store.PushJob)); n != 1 {
						t.Fatalf("%d pushes", n)
					}
					end.then(e, b)
					b.clock().advance(time.Minute)
					w.settle()
					w.wantNames(a, b, names, end.state, "processed", end.answer)
					if len(e.got) != end.taken || len(b.inbox("bob@b.example")) != end.inbox || len(b.jobs()) != 0 {
						t.Errorf("%d at the edge, %d in the mailbox, jobs %+v", len(e.got), len(b.inbox("bob@b.example")), b.jobs())
					}
					if report, err := b.Store.Check(t.Context()); err != nil || len(report.Problems) > 0 {
						t.Errorf("%v, %q", err, report.Problems)
					}
				})
			}
		}
	}
}

// wantNames wants each of some names to stand so, and alice to have heard so of it.
func (w *world) wantNames(a, b *site, names []string, state string, answers ...string) {
	w.t.Helper()
	var states, wanted, heard []string
	for _, n := range names {
		wanted = append(wanted, n+" "+state)
		for _, answer := range answers {
			heard = append(heard, n+" "+answer)
		}
	}
	for _, t := range b.tracksOf("<m1@a.example>") {
		states = append(states, b.states(t.ID)...)
	}
	slices.Sort(states)
	slices.Sort(wanted)
	slices.Sort(heard)
	wantStates(w.t, states, wanted...)
	wantStates(w.t, a.answersAt("alice@a.example"), heard...)
}

// A message that comes again while it waits stands as the first does, and its sender is
// told once.
func TestACopyOfWhatWaitsForAnEdgeStandsAsItDoes(t *testing.T) {
	for _, end := range edgeEnds {
		t.Run(end.name, func(t *testing.T) {
			w, a, b := twoSites(t)
			e := b.pushes("b.example")
			e.isDown()
			a.submit(message("alice@a.example", "bob@b.example", end.asks()...), "alice@a.example", "bob@b.example")
			a.run()
			sent, raw := a.taken()
			for range 3 {
				w.carry(sent[0], raw[0])
				w.settle()
			}
			same := []string{"bob@b.example", "bob@b.example", "bob@b.example"}
			var states []string
			stand := func(want string) {
				t.Helper()
				states = nil
				for _, tr := range b.tracksOf("<m1@a.example>") {
					states = append(states, b.states(tr.ID)...)
				}
				wanted := slices.Clone(same)
				for i := range wanted {
					wanted[i] += " " + want
				}
				wantStates(t, states, wanted...)
			}
			stand("queued peer-unreachable")
			end.then(e, b)
			b.clock().advance(time.Minute)
			w.settle()
			stand(end.state)
			var told []string
			for _, answer := range a.answersAt("alice@a.example") {
				if !strings.HasSuffix(answer, "processed") {
					told = append(told, answer)
				}
			}
			wantStates(t, told, "bob@b.example "+end.answer)
			notifications := 0
			b.view(func(tx store.Tx) error {
				return tx.EachTrack(store.TrackQuery{}, func(k store.Track) bool {
					if k.Outbound && k.Automatic {
						notifications++
					}
					return true
				})
			})
			equal(t, "notifications", notifications, 3+1) // processed of each
			if len(e.got) != end.taken || len(b.jobs()) != 0 {
				t.Errorf("%d at the edge, jobs %+v", len(e.got), b.jobs())
			}
		})
	}
}

// The copy may come while the edge is being asked: what it adds is kept by the attempt.
func TestANameThatComesDuringAnAttemptIsToldToo(t *testing.T) {
	for _, c := range []struct {
		code               reason.Code
		state, end, answer string
	}{
		{reason.PeerDeferred, "queued peer-deferred", "delivered", "dispatched"},
		{reason.PeerRefused, "failed peer-refused", "failed peer-refused", "failed"},
	} {
		w, a, b := twoSites(t)
		b.alias("robert@b.example", "bob@b.example")
		e := b.pushes("b.example")
		text := message("alice@a.example", "bob@b.example>, <robert@b.example", wanted)
		a.submit(text, "alice@a.example", "bob@b.example")
		a.run()
		first, firstRaw := a.taken()
		a.submit(text, "alice@a.example", "robert@b.example")
		a.run()
		second, secondRaw := a.taken()
		w.carry(first[0], firstRaw[0])
		b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
		e.answer = func(smtp.Delivery) smtp.Result {
			e.answer = func(smtp.Delivery) smtp.Result { return smtp.Result{Code: c.code, Reply: 450} }
			w.carry(second[0], secondRaw[0])
			b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
			return smtp.Result{Code: c.code, Reply: 450}
		}
		b.doStep(t.Context(), b.jobs(store.PushJob)[0], b.push)
		var states []string
		for _, tr := range b.tracksOf("<m1@a.example>") {
			states = append(states, b.states(tr.ID)...)
		}
		slices.Sort(states)
		wantStates(t, states, "bob@b.example "+c.state, "robert@b.example "+c.state)
		e.answer = nil
		b.clock().advance(time.Minute)
		w.settle()
		w.wantNames(a, b, []string{"bob@b.example", "robert@b.example"}, c.end, "processed", c.answer)
	}
}

// However often it comes, a push answers for so many and no more.
func TestAPushAnswersForSoMany(t *testing.T) {
	_, _, b := twoSites(t)
	p := &part{opening: &opening{Core: b.Core, job: store.Job{Track: "T"}}}
	push := &pushing{names: make([]store.PushName, store.MaxPushNames-1)}
	if o := p.join(push, addr(t, "bob@b.example")); o.pushing != 1 {
		t.Errorf("%+v", o)
	}
	if o := p.join(push, addr(t, "bob@b.example")); o.code != reason.MailboxFull || len(push.names) != store.MaxPushNames {
		t.Errorf("%+v", o)
	}
}

// What waits for its edge longer than messages are known when they come again is handed
// over once all the same, and is known from then on.
func TestACopyAfterKeepDuplicatesJoinsWhatStillWaits(t *testing.T) {
	for _, end := range []string{"taken", "refused", "in INBOX"} {
		w, a, b := twoSites(t)
		b.Care.KeepDuplicates = 2 * time.Hour
		e := b.pushes("b.example")
		e.isDown()
		a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
		a.run()
		sent, raw := a.taken()
		comes := func() {
			b.Care.Tidy(t.Context())
			w.carry(sent[0], raw[0])
			w.settle()
		}
		comes()
		w.clock.advance(3 * time.Hour)
		comes()
		equal(t, end+": pushes", len(b.jobs(store.PushJob)), 1)
		e.answer = nil
		switch end {
		case "refused":
			e.says(reason.PeerRefused, 550)
		case "in INBOX":
			b.update(func(tx store.Tx) error { return tx.RemoveEdge("b.example") })
		}
		w.clock.advance(time.Hour)
		w.settle()
		e.answer = nil
		w.clock.advance(time.Hour)
		comes() // less than two hours after it was taken
		want := map[string][]int{"taken": {1, 0}, "refused": {1, 0}, "in INBOX": {0, 1}}[end]
		equal(t, end+": at the edge, in INBOX, jobs", []int{len(e.got), len(b.inbox("bob@b.example")), len(b.jobs())}, append(want, 0))
		if report, err := b.Store.Check(t.Context()); err != nil || len(report.Problems) > 0 {
			t.Errorf("%v, %q", err, report.Problems)
		}
	}
}

// DN-21: of a copy beyond those that a push answers for its sender is not told that it
// failed: what becomes of the address is told of the others.
func TestDN21_TooManyCopiesSayNothingContrary(t *testing.T) {
	w, a, b := twoSites(t)
	e := b.pushes("b.example")
	e.isDown()
	a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	w.runAll()
	j := b.jobs(store.PushJob)[0]
	all := j.Names()
	for len(all) < store.MaxPushNames {
		all = append(all, all[0])
	}
	b.update(func(tx store.Tx) error { return tx.Reschedule(j.Naming(all...)) })
	w.carry(sent[0], raw[0])
	w.settle()
	wantStates(t, a.answersAt("alice@a.example"), "bob@b.example processed")
	var states []string
	for _, k := range b.tracksOf("<m1@a.example>") {
		states = append(states, b.states(k.ID)...)
	}
	slices.Sort(states)
	wantStates(t, states, "bob@b.example queued peer-unreachable", "bob@b.example refused mailbox-full")
	e.answer = nil
	w.clock.advance(time.Minute)
	w.settle()
	wantStates(t, a.answersAt("alice@a.example"), "bob@b.example dispatched", "bob@b.example processed")
	equal(t, "at the edge", len(e.got), 1)
}
