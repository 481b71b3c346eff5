package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/mime/mdn"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// A counting store counts the tracks that are read, and the events that are written.
type counting struct {
	store.Store
	read, written int
}

type countingTx struct {
	store.Tx
	*counting
}

func (s *counting) Update(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return fn(countingTx{tx, s}) })
}

func (s *counting) View(ctx context.Context, fn func(store.Tx) error) error {
	return s.Store.View(ctx, func(tx store.Tx) error { return fn(countingTx{tx, s}) })
}

func (t countingTx) Track(id store.TrackID) (store.Track, error) {
	t.read++
	return t.Tx.Track(id)
}

func (t countingTx) EachTrack(q store.TrackQuery, fn func(store.Track) bool) error {
	return t.Tx.EachTrack(q, func(k store.Track) bool {
		t.read++
		return fn(k)
	})
}

func (t countingTx) AddEvent(id store.TrackID, e store.Event) error {
	t.written++
	return t.Tx.AddEvent(id, e)
}

// crowd stores many tracks of one Message-ID.
func (s *site) crowd(n int, id string, change func(i int, t *store.Track)) {
	s.t.Helper()
	s.update(func(tx store.Tx) error {
		for i := range n {
			tr, err := s.newTrack(store.Now, id, addr(s.t, "bob@b.example"), addrs(s.t, "alice@a.example"), 100, s.Now())
			if err != nil {
				return err
			}
			change(i, &tr)
			err = tx.PutTrack(tr)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// A partner has sent much under one Message-ID, and then a notification that names it
// in many spellings to many: none of his tracks is read.
func TestDN12_APartnersMessageIDs(t *testing.T) {
	const base = "<abcdefghijklmnopqrst@b.example>"
	w := newWorld(t)
	a, _ := sent(t, w, nil, "bob@b.example")
	to := []string{"alice@a.example"}
	for i := range 20 {
		to = append(to, fmt.Sprintf("u%d@a.example", i))
	}
	a.accounts(to[1:]...)
	a.crowd(500, base, func(int, *store.Track) {})
	var references strings.Builder
	for i := range 40 {
		id := []byte(base)
		for bit := range 6 {
			if i>>bit&1 == 1 {
				id[1+bit] -= 'a' - 'A'
			}
		}
		references.WriteString("\r\n " + string(id))
	}
	n := mdn.Notification{
		From: addr(t, "bob@b.example"), To: addrs(t, to...), MessageID: "<n@n.example>", Date: w.clock.Now(),
		FinalRecipient: addr(t, "bob@b.example"), OriginalMessageID: "<nothing@x.example>", Disposition: mdn.Processed,
	}
	text, err := n.Compose(nil)
	equal(t, "composed", err, nil)
	report := strings.Replace(string(text), "From: ", "References:"+references.String()+"\r\nFrom: ", 1)
	p := peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}
	a.receive(p.seal(report, a, to...), addr(t, "bob@b.example"), addrs(t, to...)...)
	job, counted := a.jobs(store.OpenJob)[0], &counting{Store: a.Store}
	a.Store = counted
	a.doStep(t.Context(), job, a.open)
	equal(t, "delivered", len(a.inbox(to[20])), 1)
	if counted.read > 10 {
		t.Errorf("%d tracks were read", counted.read)
	}
	counted.read = 0
	a.receive(p.seal(message("bob@b.example", "alice@a.example", "Auto-Submitted: auto-generated", "In-Reply-To: "+base), a, "alice@a.example"), addr(t, "bob@b.example"), addrs(t, "alice@a.example")...)
	a.doStep(t.Context(), a.jobs(store.OpenJob)[0], a.open)
	equal(t, "an automatic reply delivered", len(a.inbox("alice@a.example")), 2)
	if counted.read > 10 {
		t.Errorf("%d tracks were read for an automatic reply", counted.read)
	}
}

// A failure among very many messages under one Message-ID reads a bounded number.
func TestDN12_AFailureAmongMany(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	const many = 500
	a.crowd(many, "<m1@a.example>", func(i int, tr *store.Track) {
		tr.Sender, tr.Outbound, tr.Digest = addr(t, "alice@a.example"), true, fmt.Sprint(i)
	})
	a.crowd(many, "<m1@a.example>", func(i int, tr *store.Track) {
		tr.Sender, tr.Outbound = addr(t, "carol@a.example"), true
	})
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.doStep(t.Context(), a.jobs(store.SealJob)[0], a.seal)
	job, counted := a.jobs(store.RelayJob)[0], &counting{Store: a.Store}
	a.Store = counted
	a.doStep(t.Context(), job, a.relay)
	equal(t, "shown", len(a.shown()), 1)
	if counted.read > 20 { // it is the only one of its kind
		t.Errorf("%d tracks were read", counted.read)
	}
}

// A program hands one message in without end: no step reads or writes more than a few of
// the copies, and each of the notices is the answer for those around it.
func TestDN21_HandedInWithoutEnd(t *testing.T) {
	const many, around = 60, 2*nearby + 1
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	to := []string{"bob@b.example", "eve@b.example", "dan@b.example"}
	for range many {
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", to...)
		w.clock.advance(time.Millisecond)
	}
	counted := &counting{Store: a.Store}
	a.Store = counted
	for _, j := range a.jobs(store.SealJob) {
		counted.read, counted.written = 0, 0
		a.doStep(t.Context(), j, a.seal)
		if counted.read > 5*around || counted.written > len(to)*(around+1)+2 {
			t.Errorf("%d tracks were read and %d events written", counted.read, counted.written)
		}
	}
	equal(t, "notices", len(a.inbox("alice@a.example")), (many+nearby)/(nearby+1))
	for _, track := range a.tracksOf("<m1@a.example>") {
		equal(t, "told", track.Recipients[2].Told, store.ToldFailure)
	}
	equal(t, "waits", len(a.jobs(store.WatchJob)), 0)
}

// What is heard of one message that was handed in without end moves those around it.
func TestDN21_AnAnswerToWhatIsHandedInWithoutEnd(t *testing.T) {
	w := newWorld(t)
	a, _ := sent(t, w, nil, "bob@b.example")
	again := func() {
		w.clock.advance(time.Millisecond)
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	}
	for range 3 * nearby {
		again()
	}
	a.run()
	moved := func() int {
		n := 0
		for _, track := range a.tracksOf("<m1@a.example>") {
			if track.Recipients[0].State == store.TrackProcessed {
				n++
			}
		}
		return n
	}
	for _, want := range []int{nearby + 1, 2 * (nearby + 1)} {
		a.hears("b.example", "bob@b.example", mdn.Processed, false)
		equal(t, "moved", moved(), want)
	}
}

// A colleague wants the sender of a message to have the notifications about very many of
// his own under its Message-ID: that of the sender is heard all the same.
func TestDN12_AColleagueWhoNamesTheSender(t *testing.T) {
	w := newWorld(t)
	a, id := sent(t, w, nil, "bob@b.example")
	w.clock.advance(time.Minute)
	a.crowd(maxOwn/trackCost, "<M1@a.example>", func(_ int, tr *store.Track) {
		tr.Sender, tr.Outbound, tr.AnswersTo = addr(t, "carol@a.example"), true, addrs(t, "alice@a.example")
	})
	a.hears("b.example", "bob@b.example", mdn.Processed, false)
	equal(t, "states", a.states(id), []string{"bob@b.example processed"})
	w.clock.advance(time.Hour)
	a.run()
	equal(t, "shown", a.shown(), []string{"processed"})
}

// One notification goes to all of those whom an account wanted to have the answers to
// very many messages of one Message-ID: it is as much work as one to him alone.
func TestAS92_OneNotificationToMany(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	var to []string
	for i := range 50 {
		to = append(to, fmt.Sprintf("u%d@a.example", i))
	}
	a.accounts(to...)
	a.crowd(200, "<m1@a.example>", func(_ int, tr *store.Track) {
		tr.Outbound, tr.Digest, tr.AnswersTo = true, "same", addrs(t, to...)
		tr.Recipients[0].Address, tr.Recipients[0].State = addr(t, "bob@b.example"), store.TrackRelayed
	})
	n := mdn.Notification{
		From: addr(t, "bob@b.example"), To: addrs(t, to...), MessageID: "<n@n.example>", Date: w.clock.Now(),
		FinalRecipient: addr(t, "bob@b.example"), OriginalMessageID: "<m1@a.example>", Disposition: mdn.Processed,
	}
	text, err := n.Compose(nil)
	equal(t, "composed", err, nil)
	p := peer{t: t, at: w.clock, id: w.root.Leaf("b.example")}
	a.receive(p.seal(string(text), a, to...), addr(t, "bob@b.example"), addrs(t, to...)...)
	job, counted := a.jobs(store.OpenJob)[0], &counting{Store: a.Store}
	a.Store = counted
	a.doStep(t.Context(), job, a.open)
	equal(t, "delivered", len(a.inbox(to[49])), 1)
	if counted.read > maxOwn/(trackCost+1)+60 || counted.written > 3*len(to)+2*nearby {
		t.Errorf("%d tracks were read and %d events written", counted.read, counted.written)
	}
}

// Of messages to many recipients fewer are read.
func TestDN12_MessagesToManyCostMore(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	alice, to := addr(t, "alice@a.example"), make([]store.TrackRecipient, 193)
	for i := range to {
		to[i].Address = addr(t, fmt.Sprintf("u%d@b.example", i))
	}
	a.crowd(50, "<m1@a.example>", func(_ int, tr *store.Track) {
		tr.Sender, tr.Outbound, tr.Recipients = alice, true, to
	})
	a.view(func(tx store.Tx) error {
		all, err := ownTracks(tx, "<m1@a.example>", alice, maxOwn)
		equal(t, "read", len(all), maxOwn/200)
		return err
	})
}
