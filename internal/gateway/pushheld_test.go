package gateway

import (
	"strings"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// DN-4, DN-8: what an operator did to a push was not done to the answer that it leaves:
// its sender is told how it ended, whenever the push was held.
func TestDN8_AnswersOfHeldPushesAreNotHeld(t *testing.T) {
	for _, c := range []struct {
		name  string
		code  reason.Code // what the edge says while the push is being held; none is that it is dropped
		state string
		want  []string
	}{
		{"dropped", "", "failed dropped", []string{"bob@b.example failed", "bob@b.example processed"}},
		{"taken", reason.OK, "delivered", []string{"bob@b.example dispatched", "bob@b.example processed"}},
		{"refused", reason.PeerRefused, "failed peer-refused", []string{"bob@b.example failed", "bob@b.example processed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a, b := twoSites(t)
			e := b.pushes("b.example")
			e.isDown()
			a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			w.runAll()
			if c.code == "" {
				b.hold(true)
				if err := b.Drop(t.Context(), b.jobs(store.PushJob)[0].ID, "operator", false, nil); err != nil {
					t.Fatal(err)
				}
			} else {
				e.answer = func(smtp.Delivery) smtp.Result {
					b.hold(true)
					return smtp.Result{Code: c.code, Reply: 250}
				}
			}
			w.clock.advance(time.Minute)
			w.settle()
			wantStates(t, b.states(b.tracksOf("<m1@a.example>")[0].ID), "bob@b.example "+c.state)
			wantStates(t, a.answersAt("alice@a.example"), c.want...)
			equal(t, "jobs left", len(b.jobs()), 0)
		})
	}
}

// A drop of what is left of a push, the answer to its sender, has that go at once; in
// silence it ends.
func TestADroppedAnswerIsGiven(t *testing.T) {
	for _, silent := range []bool{false, true} {
		w, a, b := twoSites(t)
		e := b.pushes("b.example")
		e.isDown()
		a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
		w.settle()
		e.answer = nil
		b.clock().advance(time.Minute)
		b.doStep(t.Context(), b.jobs(store.PushJob)[0], b.push)
		b.hold(true) // as a restore does
		left := b.jobs(store.PushJob)[0]
		if !left.Held || left.Push.Ended == "" || left.Attempts != 0 || left.Ordered != 0 {
			t.Fatalf("left %+v", left)
		}
		if err := b.Drop(t.Context(), left.ID, "operator", silent, func(j store.Job) bool { return j.Held }); err != nil {
			t.Fatal(err)
		}
		w.settle()
		want := []string{"bob@b.example dispatched", "bob@b.example processed"}
		if silent {
			want = want[1:]
		}
		wantStates(t, a.answersAt("alice@a.example"), want...)
		in := b.tracksOf("<m1@a.example>")[0].ID
		wantStates(t, b.states(in), "bob@b.example delivered")
		if told := b.events(in, store.StageQueue); len(told) != 1 || !strings.HasSuffix(told[0], "by operator") {
			t.Errorf("events %q", told)
		}
		equal(t, "jobs left", len(b.jobs()), 0)
		equal(t, "dropped, by the trail", len(b.details(audit.Dropped)) == 1, silent)
	}
}

// Each of the transmissions that a push answers for tells how it ended, in its track and
// in the log.
func TestADropIsToldOfEachTransmission(t *testing.T) {
	w, a, b := twoSites(t)
	b.alias("robert@b.example", "bob@b.example")
	b.pushes("b.example").isDown()
	text := message("alice@a.example", "bob@b.example>, <robert@b.example", wanted)
	for _, to := range []string{"bob@b.example", "robert@b.example"} {
		a.submit(text, "alice@a.example", to)
		w.settle()
	}
	b.log.Reset()
	if err := b.Drop(t.Context(), b.jobs(store.PushJob)[0].ID, "operator:7", false, nil); err != nil {
		t.Fatal(err)
	}
	for _, k := range b.tracksOf("<m1@a.example>") {
		equal(t, "events", b.events(k.ID, store.StageQueue), []string{"dropped by operator:7"})
		if !strings.Contains(b.log.String(), "track="+string(k.ID)) {
			t.Errorf("the log has nothing of %s: %s", k.ID, b.log.String())
		}
	}
	equal(t, "tracks", len(b.tracksOf("<m1@a.example>")), 2)
}

// An edge, or an account, that is there again before a message is put into a mailbox gets it.
func TestAnEdgeThatIsThereAgainIsAsked(t *testing.T) {
	for _, how := range []string{"its account is enabled", "its edge is set"} {
		w, a, b := twoSites(t)
		e := b.pushes("b.example")
		e.isDown()
		a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
		w.settle()
		again := func() { b.change("bob@b.example", func(x *store.Account) { x.Disabled = false }) }
		if how == "its edge is set" {
			edge := b.edge("b.example")
			b.update(func(tx store.Tx) error { return tx.RemoveEdge(edge.Owner) })
			again = func() { b.update(func(tx store.Tx) error { return tx.PutEdge(edge) }) }
		} else {
			b.leaves("bob@b.example", "disabled")
		}
		end, err := b.pushed(t.Context(), b.jobs(store.PushJob)[0])
		if err != nil {
			t.Fatal(err)
		}
		again()
		b.update(func(tx store.Tx) error {
			_, err := end.commit(tx)
			return err
		})
		e.answer = nil
		b.clock().advance(time.Minute)
		w.settle()
		if len(e.got) != 1 || len(b.inbox("bob@b.example")) != 0 {
			t.Errorf("%s: %d at the edge, %d in INBOX", how, len(e.got), len(b.inbox("bob@b.example")))
		}
		wantStates(t, b.states(b.tracksOf("<m1@a.example>")[0].ID), "bob@b.example delivered")
	}
}

func (s *site) edge(owner string) (e store.Edge) {
	s.t.Helper()
	s.view(func(tx store.Tx) (err error) {
		e, err = tx.Edge(owner)
		return err
	})
	return e
}
