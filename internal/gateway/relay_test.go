package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// relaying is a site with one sealed message for two at b.example, about to be
// relayed.
func relaying(t *testing.T) (*world, *site, store.TrackID) {
	t.Helper()
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	id := a.submit(message("alice@a.example", "bob@b.example>, <ben@b.example"), "alice@a.example", "bob@b.example", "ben@b.example")
	a.doStep(t.Context(), a.jobs()[0], a.seal)
	return w, a, id
}

func each(d smtp.Delivery, codes map[string]reason.Code) []smtp.Result {
	var all []smtp.Result
	for _, to := range d.To {
		code, ok := codes[to.String()]
		if ok {
			all = append(all, smtp.Result{Recipient: to, Code: code, Host: "mx.b.example", Reply: code.Outcome().Reply, Enhanced: code.Outcome().Enhanced.String(), Text: "words"})
		}
	}
	return all
}

// AS-75: what is taken is taken, what is refused is told, and only what may pass
// is tried again.
func TestAS75_RelayOfSeveral(t *testing.T) {
	w, a, id := relaying(t)
	codes := map[string]reason.Code{"bob@b.example": reason.OK, "ben@b.example": reason.PeerDeferred}
	a.answer = func(d smtp.Delivery) []smtp.Result { return each(d, codes) }
	a.run()
	equal(t, "states", a.states(id), []string{"bob@b.example relayed", "ben@b.example sealed peer-deferred"})
	equal(t, "notices", len(a.inbox("alice@a.example")), 0)
	a.taken()
	codes["ben@b.example"] = reason.PeerRefused
	w.clock.advance(firstRetry - time.Second)
	a.run()
	sent, _ := a.taken()
	equal(t, "before its time", len(sent), 0)
	w.clock.advance(time.Second)
	a.run()
	sent, _ = a.taken()
	equal(t, "second attempt", len(sent), 1)
	equal(t, "for", sent[0].To, addrs(t, "ben@b.example"))
	equal(t, "states", a.states(id), []string{"bob@b.example relayed", "ben@b.example failed peer-refused"})
	notices := a.inbox("alice@a.example")
	equal(t, "notices", len(notices), 1)
	n := parseDSN(t, notices[0])
	equal(t, "diagnostics", diagnostics(n), map[string]string{"ben@b.example": "failed 5.0.0 smtp; 550 5.0.0 words"})
	equal(t, "original", n.OriginalMessageID, "<m1@a.example>")
	equal(t, "jobs left", len(a.jobs()), 0)
	if strings.Contains(notices[0], "CANARY") {
		t.Error("the notice quotes the message")
	}
}

func TestAS75_RelayEnds(t *testing.T) {
	w, a, id := relaying(t)
	a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerUnreachable) }
	last := time.Duration(0)
	for n := 0; len(a.jobs()) > 0; n++ {
		j := a.jobs()[0]
		wait := j.Due.Sub(w.clock.Now())
		if n > 0 && wait > lastRetry || n > 200 {
			t.Fatalf("attempt %d waits %s", n, wait)
		}
		w.clock.advance(max(wait, 0))
		last += max(wait, 0)
		a.run()
	}
	equal(t, "tried for", last, a.RetryFor)
	equal(t, "states", a.states(id), []string{"bob@b.example failed queue-expired", "ben@b.example failed queue-expired"})
	notices := a.inbox("alice@a.example")
	equal(t, "notices", len(notices), 1)
	equal(t, "diagnostics", diagnostics(parseDSN(t, notices[0])), map[string]string{
		"bob@b.example": "failed 5.4.7 x-postern; queue-expired: peer-unreachable", "ben@b.example": "failed 5.4.7 x-postern; queue-expired: peer-unreachable"})
}

// A recipient without a result was not served, whatever the Sender thinks.
func TestRelayMissesNobody(t *testing.T) {
	_, a, id := relaying(t)
	a.answer = func(d smtp.Delivery) []smtp.Result {
		return each(d, map[string]reason.Code{"bob@b.example": reason.OK})
	}
	a.run()
	equal(t, "states", a.states(id), []string{"bob@b.example relayed", "ben@b.example sealed internal"})
	equal(t, "recipients left", a.jobs()[0].Recipients, addrs(t, "ben@b.example"))
}

// Stopping is nobody's failure: not even when the time was over.
func TestRelayWhileStopping(t *testing.T) {
	w, a, id := relaying(t)
	job := a.jobs()[0]
	w.clock.advance(a.RetryFor + time.Hour)
	stopping := func(codes map[string]reason.Code) {
		ctx, stop := context.WithCancel(t.Context())
		a.answer = func(d smtp.Delivery) []smtp.Result { stop(); return each(d, codes) }
		a.doStep(ctx, job, a.relay)
		equal(t, "jobs left", len(a.jobs()), 1)
		equal(t, "notices", len(a.inbox("alice@a.example")), 0)
	}
	stopping(map[string]reason.Code{"bob@b.example": reason.PeerUnreachable, "ben@b.example": reason.PeerUnreachable})
	equal(t, "attempts", a.jobs()[0].Attempts, 0)
	stopping(map[string]reason.Code{"bob@b.example": reason.OK, "ben@b.example": reason.PeerUnreachable})
	equal(t, "state", a.states(id)[0], "bob@b.example relayed")
	equal(t, "left", a.jobs()[0].Recipients, addrs(t, "ben@b.example"))
}

func TestPostpone(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	j := store.Job{Created: now, Due: now, Expires: now.Add(24 * time.Hour)}
	var waits []time.Duration
	for range 9 {
		next := postpone(j, now, exactly)
		waits = append(waits, next.Due.Sub(now))
		j = next
	}
	equal(t, "waits", waits, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute,
		8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour})
	j.Expires = now.Add(time.Minute)
	equal(t, "the last attempt", postpone(j, now, exactly).Due, j.Expires)
	j.Attempts = 1 << 40
	equal(t, "after the end", postpone(j, now.Add(2*time.Minute), exactly).Due, now.Add(time.Hour+2*time.Minute))
}

// A wait is shorter or longer by up to a fifth, whatever the randomness.
func TestJitter(t *testing.T) {
	const wait = 100 * time.Second
	for octet, want := range map[byte]time.Duration{0: 80 * time.Second, 0xff: 0} {
		got := jitter(wait, bytes.NewReader(bytes.Repeat([]byte{octet}, 8)))
		if want != 0 && got != want || got < 80*time.Second || got > 120*time.Second {
			t.Errorf("octets %x: %s", octet, got)
		}
	}
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		got := jitter(wait, rand.Reader)
		least, most = min(least, got), max(most, got)
	}
	if least < 80*time.Second || least > 90*time.Second || most > 120*time.Second || most < 110*time.Second {
		t.Errorf("from %s to %s", least, most)
	}
	equal(t, "without randomness", jitter(wait, exactly), wait)
	equal(t, "of nothing", jitter(0, rand.Reader), 0)
}

// Notifications are tried for a day, and no longer than all else.
func TestNotificationsExpireSooner(t *testing.T) {
	c := newWorld(t).bare("a.example")
	equal(t, "a message", c.expiry(false).Sub(c.Steady()), 72*time.Hour)
	equal(t, "a notification", c.expiry(true).Sub(c.Steady()), 24*time.Hour)
	c.RetryFor = time.Hour
	equal(t, "a notification of a hasty house", c.expiry(true).Sub(c.Steady()), time.Hour)
}

// A refusing store fails so many commits as a full disk does.
type refusing struct {
	store.Store
	left *atomic.Int32
}

func (r refusing) Update(ctx context.Context, fn func(store.Tx) error) error {
	if r.left.Add(-1) >= 0 {
		return store.ErrFull
	}
	return r.Store.Update(ctx, fn)
}

func (r refusing) NewBody(ctx context.Context) (store.BodyWriter, error) {
	w, err := r.Store.NewBody(ctx)
	if r.left.Add(-1) >= 0 {
		return fullBody{w}, err
	}
	return w, err
}

// A fullBody does not fit.
type fullBody struct{ store.BodyWriter }

func (fullBody) Write([]byte) (int, error) { return 0, store.ErrFull }

// What the far side took is sent once, however long it cannot be written down.
func TestRelayCommitsLateAndSendsOnce(t *testing.T) {
	for name, answer := range map[string]map[string]reason.Code{
		"taken":            {"bob@b.example": reason.OK, "ben@b.example": reason.OK},
		"taken or refused": {"bob@b.example": reason.OK, "ben@b.example": reason.PeerRefused},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := live(t)
				a := w.site("a.example")
				w.site("b.example")
				a.accounts("alice@a.example")
				id := a.submit(message("alice@a.example", "bob@b.example>, <ben@b.example"), "alice@a.example", "bob@b.example", "ben@b.example")
				a.doStep(t.Context(), a.jobs()[0], a.seal)
				var left atomic.Int32
				whole := a.Store
				a.Store = refusing{whole, &left}
				a.answer = func(d smtp.Delivery) []smtp.Result { left.Store(9); return each(d, answer) }
				began := time.Now()
				a.doStep(t.Context(), a.jobs()[0], a.relay)
				a.Store = whole
				sent, _ := a.taken()
				equal(t, "sent", len(sent), 1)
				equal(t, "jobs left", len(a.jobs()), 0)
				equal(t, "state", a.states(id)[0], "bob@b.example relayed")
				equal(t, "it took", time.Since(began), (1+2+4+8+16+4*30)*time.Second)
				closeStores(w)
			})
		})
	}
}

// A counted store counts how often a track is written, and says whether anything
// was written lately.
type counted struct {
	store.Store
	lately bool
	tracks int
}

func (c *counted) WroteWithin(time.Duration) bool { return c.lately }

func (c *counted) Update(ctx context.Context, fn func(store.Tx) error) error {
	return c.Store.Update(ctx, func(tx store.Tx) error { return fn(countedTx{tx, c}) })
}

type countedTx struct {
	store.Tx
	in *counted
}

func (t countedTx) PutTrack(k store.Track) error {
	t.in.tracks++
	return t.Tx.PutTrack(k)
}

// Before it is sent it is shown that something can be written, by writing unless
// something was written just now.
func TestRelayTriesToWriteBeforeItSends(t *testing.T) {
	for _, lately := range []bool{false, true} {
		_, a, _ := relaying(t)
		c := &counted{Store: a.Store, lately: lately}
		a.Store = c
		before := -1
		a.answer = func(d smtp.Delivery) []smtp.Result {
			before = c.tracks
			return said(d, reason.OK)
		}
		a.doStep(t.Context(), a.jobs()[0], a.relay)
		want := 1
		if lately {
			want = 0
		}
		equal(t, "written before sending", before, want)
	}
}

// While nothing can be written nothing is sent, and the attempt does not count.
func TestRelaySendsNothingThatCannotBeWrittenDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := live(t)
		a := w.site("a.example")
		w.site("b.example")
		a.accounts("alice@a.example")
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		a.doStep(t.Context(), a.jobs()[0], a.seal)
		var left atomic.Int32
		left.Store(1 << 20)
		whole := a.Store
		a.Store = refusing{whole, &left}
		stop := a.work()
		time.Sleep(time.Hour)
		stop()
		sent, _ := a.taken()
		equal(t, "sent", len(sent), 0)
		equal(t, "attempts", a.jobs()[0].Attempts, 0)
		if tries := 1<<20 - left.Load(); tries > 300 {
			t.Errorf("%d writes were tried in an hour", tries)
		}
		left.Store(0)
		stop = a.work()
		time.Sleep(time.Minute)
		stop()
		sent, _ = a.taken()
		equal(t, "sent", len(sent), 1)
		equal(t, "jobs left", len(a.jobs()), 0)
		closeStores(w)
	})
}

// relayEvents are the events of a track that tell of attempts.
func (s *site) relayEvents(id store.TrackID) []string {
	s.t.Helper()
	var all []string
	s.view(func(tx store.Tx) error {
		events, err := tx.Events(id)
		all = nil
		for _, e := range events {
			if e.Stage == store.StageRelay {
				all = append(all, strings.TrimSpace(e.Recipient.String()+" "+e.Reason+" "+e.Detail))
			}
		}
		return err
	})
	return all
}

// Each host that was tried is in the track with its words, and in the log by name, also
// when another took the message.
func TestEachHostThatWasTriedIsTold(t *testing.T) {
	_, a, id := relaying(t)
	others := []smtp.Result{
		{Code: reason.PeerDeferred, Reply: 421, Enhanced: "4.3.2", Text: "maintenance until noon", Host: "down.b.example"},
		{Code: reason.PeerUnreachable, Text: "connecting: connection refused", Host: "dead.b.example"},
	}
	a.answer = func(d smtp.Delivery) []smtp.Result {
		all := each(d, map[string]reason.Code{"bob@b.example": reason.OK, "ben@b.example": reason.PeerRefused})
		for i := range all {
			all[i].Others = others
		}
		return all
	}
	a.run()
	equal(t, "events", a.relayEvents(id), []string{
		"peer-deferred for b.example: down.b.example without TLS: 421 4.3.2 maintenance until noon",
		"peer-unreachable for b.example: dead.b.example: connecting: connection refused",
		"bob@b.example ok mx.b.example without TLS: 250 2.0.0 words",
		"ben@b.example peer-refused mx.b.example without TLS: 550 5.0.0 words",
	})
	for _, host := range []string{"down.b.example", "dead.b.example", "mx.b.example"} {
		if !strings.Contains(a.log.String(), "host="+host) {
			t.Errorf("the log does not name %s", host)
		}
	}
	equal(t, "words in the log", strings.Contains(a.log.String(), "until noon"), false)
}
