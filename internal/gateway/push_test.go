package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/audit"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// An ehr is the edge of a test.
type ehr struct {
	t      *testing.T
	answer func(d smtp.Delivery) smtp.Result // nil takes all
	got    []smtp.Delivery
	texts  []string
	met    []smtp.Edge
}

// Push implements Pusher.
func (e *ehr) Push(_ context.Context, to smtp.Edge, d smtp.Delivery) []smtp.Result {
	e.met = append(e.met, to)
	r := smtp.Result{Code: reason.OK, Reply: 250, Enhanced: "2.0.0", Text: "taken", TLS: true}
	if e.answer != nil {
		r = e.answer(d)
	}
	r.Recipient, r.Host = d.To[0], to.Host
	if r.Code.IsOK() {
		message, err := d.Message()
		if err != nil {
			e.t.Fatal(err)
		}
		text, err := io.ReadAll(message)
		if err != nil {
			e.t.Fatal(err)
		}
		e.got, e.texts = append(e.got, d), append(e.texts, string(text))
	}
	return []smtp.Result{r}
}

// Meet implements Pusher.
func (e *ehr) Meet(context.Context, smtp.Edge) (smtp.Met, error) { return smtp.Met{}, nil }

func (e *ehr) says(code reason.Code, reply int) {
	e.answer = func(smtp.Delivery) smtp.Result {
		return smtp.Result{Code: code, Reply: reply, Enhanced: "5.1.1", Text: "said so"}
	}
}

func (e *ehr) isDown() {
	e.answer = func(smtp.Delivery) smtp.Result {
		return smtp.Result{Code: reason.PeerUnreachable, Text: "connecting: refused", Down: true}
	}
}

// pushes has the mail of an owner handed to an edge.
func (s *site) pushes(owner string) *ehr {
	s.t.Helper()
	e := &ehr{t: s.t}
	s.Edges = e
	s.update(func(tx store.Tx) error {
		return tx.PutEdge(store.Edge{Owner: owner, Host: "ehr.example", Port: 2525})
	})
	return e
}

// answersOf are the dispositions of the notifications that alice got.
func (s *site) answersOf(account string) []string {
	s.t.Helper()
	var reports []string
	for _, l := range s.inbox(account) {
		if strings.Contains(l, "disposition-notification") {
			reports = append(reports, l)
		}
	}
	return kinds(s.t, reports)
}

// settle runs all until also what waits for a processed notification has gone.
func (w *world) settle() {
	w.t.Helper()
	w.runAll()
	w.clock.advance(10 * time.Minute)
	w.runAll()
}

func wantStates(t testing.TB, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// EP-1, EP-14, DN-4, DN-10: the edge gets the message itself, and its sender hears of the
// final delivery when the edge has answered 250, and not before.
func TestEP14_TheEdgeGetsTheMessage(t *testing.T) {
	w, a, b := twoSites(t)
	e := b.pushes("b.example")
	e.isDown()
	a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	w.runAll()
	in := b.tracksOf("<m1@a.example>")[0].ID
	wantStates(t, b.states(in), "bob@b.example queued peer-unreachable")
	wantStates(t, a.answersOf("alice@a.example"), "processed")
	e.answer = nil
	b.clock().advance(time.Minute)
	w.runAll()
	wantStates(t, b.states(in), "bob@b.example delivered")
	wantStates(t, a.answersOf("alice@a.example"), "processed", "dispatched+")
	if n := len(b.inbox("bob@b.example")); n != 0 || len(e.got) != 1 {
		t.Fatalf("%d in the mailbox, %d at the edge", n, len(e.got))
	}
	d := e.got[0]
	if d.From != addr(t, "alice@a.example") || len(d.To) != 1 || d.To[0] != addr(t, "bob@b.example") || d.Size != int64(len(e.texts[0])) {
		t.Errorf("envelope %+v", d)
	}
	if !strings.Contains(e.texts[0], canary) || !strings.Contains(e.texts[0], "Authentication-Results: ") {
		t.Errorf("the edge got\n%s", e.texts[0])
	}
	if e.met[0].TLS.InsecureSkipVerify || e.met[0].TLS.ServerName != "ehr.example" {
		t.Error("the certificate is not verified")
	}
	if jobs := b.jobs(); len(jobs) != 0 {
		t.Errorf("left: %+v", jobs)
	}
	if report, err := b.Store.Check(t.Context()); err != nil || len(report.Problems) > 0 {
		t.Errorf("%v, %q", err, report.Problems)
	}
}

// RFC 5321 §2.3.8: what SMTP cannot carry goes to the edge in base64, octet by octet, and
// lies in a mailbox as it was signed. What cannot go so is told to its sender.
func TestAnEdgeGetsNothingThatSMTPCannotCarry(t *testing.T) {
	const text, pdf = "hello\r.\nMAIL FROM:<evil@x.example>\r\x00", "%PDF\r\x00\r.\n"
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("bob@b.example", "ben@b.example")
	e := b.pushes("bob@b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	body := "--b\nContent-Type: text/plain\n\n" + text + "\n--b\nContent-Type: application/pdf\nContent-Transfer-Encoding: binary\n\n" + pdf + "\n--b--\n"
	whole := func(kind, to string) string {
		head, _, _ := strings.Cut(message("alice@a.example", to, "Content-Type: multipart/"+kind+"; boundary=b"), "\n\n")
		return head + "\n\n" + body
	}
	// What is wrapped in base64 may have any octets.
	seal := func(text, to string) []byte {
		outer, _, _ := strings.Cut(message("alice@a.example", to), "Subject:")
		wrapped := "Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n" + base64.StdEncoding.EncodeToString(crlf(text)) + "\n"
		return alice.entity(outer, wrapped, b, to)
	}
	for _, to := range []string{"bob@b.example", "ben@b.example"} {
		id := b.receive(seal(whole("mixed", to), to), addr(t, "alice@a.example"), addr(t, to))
		w.runAll()
		wantStates(t, b.states(id), to+" delivered")
	}
	if !strings.HasSuffix(latest(b.inbox("ben@b.example")), string(crlf(body))) {
		t.Error("the mailbox has it otherwise than it was signed")
	}
	got := e.texts[0]
	if bare := strings.ReplaceAll(got, "\r\n", ""); strings.ContainsAny(bare, "\r\n\x00") || e.got[0].Size != int64(len(got)) {
		t.Errorf("the edge got %q, by size of %d", got, e.got[0].Size)
	}
	for _, part := range []string{text, pdf} {
		if !strings.Contains(got, "Content-Transfer-Encoding: base64\r\n\r\n"+base64.StdEncoding.EncodeToString(crlf(part))+"\r\n") {
			t.Errorf("%q is not in\n%s", part, got)
		}
	}

	id := b.receive(seal(strings.Replace(whole("signed", "bob@b.example"), "<m1", "<m2", 1), "bob@b.example"), addr(t, "alice@a.example"), addr(t, "bob@b.example"))
	w.settle()
	wantStates(t, b.states(id), "bob@b.example failed malformed")
	if len(e.got) != 1 || len(b.jobs(store.PushJob)) != 0 {
		t.Errorf("the edge got %d, left %+v", len(e.got), b.jobs())
	}
}

// Who does not ask for it gets no dispatched.
func TestDN6_AnEdgeThatIsAskedForNothingTellsNothing(t *testing.T) {
	w, a, b := twoSites(t)
	b.pushes("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	w.runAll()
	wantStates(t, a.answersOf("alice@a.example"), "processed")
}

// DN-8, MT 41: what the edge does not take is told to the sender, after processed, and
// once.
func TestDN8_TheEdgeRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		edge func(*ehr)
		wait bool
		want string
	}{
		{"refused", func(e *ehr) { e.says(reason.PeerRefused, 550) }, false, "bob@b.example failed peer-refused"},
		{"put off for too long", func(e *ehr) { e.says(reason.PeerDeferred, 451) }, true, "bob@b.example failed queue-expired"},
		{"down for too long", (*ehr).isDown, true, "bob@b.example failed queue-expired"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a, b := twoSites(t)
			c.edge(b.pushes("b.example"))
			a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			w.settle()
			in := b.tracksOf("<m1@a.example>")[0].ID
			if c.wait {
				wantStates(t, a.answersOf("alice@a.example"), "processed")
				b.clock().advance(b.RetryFor)
				w.settle()
			}
			wantStates(t, b.states(in), c.want)
			wantStates(t, a.answersOf("alice@a.example"), "processed", "failed")
			if len(b.inbox("bob@b.example")) != 0 || len(b.jobs()) != 0 {
				t.Errorf("left: %d in the mailbox, jobs %+v", len(b.inbox("bob@b.example")), b.jobs())
			}
		})
	}
}

// DN-10: dispatched waits for a processed that cannot be sent yet.
func TestDN10_DispatchedOfAnEdgeWaitsForProcessed(t *testing.T) {
	w, a, b := twoSites(t)
	b.pushes("b.example")
	b.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
	a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	b.taken()
	w.runAll()
	jobs := b.jobs(store.PushJob)
	if len(jobs) != 1 || jobs[0].Detail != waitsForProcessed || jobs[0].Push.Ended != store.TrackDelivered || jobs[0].Lane != "" {
		t.Fatalf("%+v", jobs)
	}
	b.answer = nil
	w.settle()
	w.settle()
	wantStates(t, a.answersOf("alice@a.example"), "processed", "dispatched+")
}

// EP-14, EP-15: notices of ours and notifications of others go to the edge as well, with
// a null reverse-path, and are not lost where it refuses them.
func TestEP15_NoticesGoToTheEdge(t *testing.T) {
	w, a, _ := twoSites(t)
	e := a.pushes("alice@a.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example", "nobody@c.example")
	w.runAll()
	if len(e.got) != 2 || len(a.inbox("alice@a.example")) != 0 {
		t.Fatalf("%d at the edge, %d in the mailbox", len(e.got), len(a.inbox("alice@a.example")))
	}
	for i, d := range e.got {
		if !d.From.IsZero() || d.To[0] != addr(t, "alice@a.example") || !strings.Contains(e.texts[i], "<m1@a.example>") {
			t.Errorf("%+v\n%s", d, e.texts[i])
		}
	}
	e.says(reason.PeerRefused, 550)
	a.submit(message("alice@a.example", "bob@b.example", "X-Other: 1"), "alice@a.example", "nobody@c.example")
	w.runAll()
	if n := len(a.inbox("alice@a.example")); n != 1 || len(a.jobs()) != 0 {
		t.Errorf("%d in the mailbox after the edge refused, jobs %+v", n, a.jobs())
	}
}

// A notice about a message to oneself says nothing of where that stands.
func TestANoticeToTheEdgeMovesNoRecipient(t *testing.T) {
	w, a, _ := twoSites(t)
	a.pushes("alice@a.example")
	id := a.submit(message("alice@a.example", "alice@a.example"), "alice@a.example", "alice@a.example", "nobody@c.example")
	w.runAll()
	wantStates(t, a.states(id), "alice@a.example processed", "nobody@c.example failed no-certificate")
}

// What comes again while it is on its way to the edge, or was taken, is handed over once;
// what the edge refused may come again.
func TestAPushIsMadeOnce(t *testing.T) {
	w, a, b := twoSites(t)
	e := b.pushes("b.example")
	e.isDown()
	a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	for range 2 {
		w.carry(sent[0], raw[0])
		w.runAll()
	}
	wantStates(t, a.answersOf("alice@a.example"), "processed")
	if n := len(b.jobs(store.PushJob)); n != 1 {
		t.Errorf("%d jobs", n)
	}
	e.answer = nil
	b.clock().advance(time.Minute)
	w.runAll()
	w.carry(sent[0], raw[0])
	w.runAll()
	if len(e.got) != 1 {
		t.Errorf("taken %d times", len(e.got))
	}
}

func TestARefusedMessageMayComeToTheEdgeAgain(t *testing.T) {
	w, a, b := twoSites(t)
	e := b.pushes("b.example")
	e.says(reason.PeerRefused, 550)
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	w.runAll()
	e.answer = nil
	w.carry(sent[0], raw[0])
	w.runAll()
	if len(e.got) != 1 {
		t.Errorf("taken %d times", len(e.got))
	}
}

// Without its edge the account has its mailbox again, also for what is under way.
func TestMailOfAnEdgeThatIsGoneGoesToTheMailbox(t *testing.T) {
	w, a, b := twoSites(t)
	b.pushes("b.example").isDown()
	a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	w.runAll()
	b.update(func(tx store.Tx) error { return tx.RemoveEdge("b.example") })
	b.clock().advance(time.Minute)
	w.runAll()
	if n := len(b.inbox("bob@b.example")); n != 1 {
		t.Errorf("%d in the mailbox", n)
	}
	wantStates(t, a.answersOf("alice@a.example"), "processed", "dispatched+")
}

// What waits for an edge is bounded as a mailbox is: a dead one fills no queue.
func TestADeadEdgeTakesNoMoreThanAMailbox(t *testing.T) {
	w, a, b := twoSites(t)
	b.pushes("b.example").isDown()
	b.MailboxBytes = 3000
	for i := range 4 {
		a.submit(message("alice@a.example", "bob@b.example", fmt.Sprintf("X-Number: %d", i)), "alice@a.example", "bob@b.example")
	}
	w.settle()
	var total store.JobTotal
	b.view(func(tx store.Tx) (err error) {
		bob, err := tx.Account(addr(t, "bob@b.example"))
		if err == nil {
			total, err = tx.PushTotal(bob)
		}
		return err
	})
	if total.Jobs != 2 || total.Bytes > 3000 || len(b.jobs(store.PushJob)) != 2 {
		t.Errorf("%+v", total)
	}
	if got := a.answersOf("alice@a.example"); !slices.Contains(got, "failed") {
		t.Errorf("the sender heard %q", got)
	}
}

// What waits for the edge of somebody who had an address before takes no room of who has
// it now.
func TestWhatWaitsForAFormerAccountTakesNoRoom(t *testing.T) {
	w, a, b := twoSites(t)
	b.pushes("b.example").isDown()
	b.MailboxBytes = 3000
	for i := range 4 {
		a.submit(message("alice@a.example", "bob@b.example", fmt.Sprintf("X-Number: %d", i)), "alice@a.example", "bob@b.example")
	}
	w.runAll()
	equal(t, "of the first", len(b.jobs(store.PushJob)), 2)
	b.leaves("bob@b.example", "removed")
	b.accounts("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example", "X-Number: 5"), "alice@a.example", "bob@b.example")
	w.runAll()
	equal(t, "with that of the second", len(b.jobs(store.PushJob)), 3)
}

func TestAnOperatorDropsAPush(t *testing.T) {
	for _, silent := range []bool{false, true} {
		w, a, b := twoSites(t)
		b.pushes("b.example").isDown()
		a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
		w.runAll()
		if err := b.Drop(t.Context(), b.jobs(store.PushJob)[0].ID, "operator", silent, nil); err != nil {
			t.Fatal(err)
		}
		w.settle()
		want := []string{"processed", "failed"}
		if silent {
			want = want[:1]
		}
		wantStates(t, a.answersOf("alice@a.example"), want...)
		wantStates(t, b.states(b.tracksOf("<m1@a.example>")[0].ID), "bob@b.example failed dropped")
		if len(b.jobs(store.PushJob)) != 0 {
			t.Error("it is still there")
		}
	}
}

// Of a group some members have an edge: final delivery is told when the last has it, and
// a failure once.
func TestAGroupWithEdges(t *testing.T) {
	for _, c := range []struct {
		name   string
		refuse string
		want   []string
		state  string
	}{
		{"all take it", "", []string{"processed", "dispatched+"}, "team@b.example delivered"},
		{"one refuses", "dave@b.example", []string{"processed", "failed"}, "team@b.example failed peer-refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a, b := twoSites(t)
			b.accounts("carol@b.example", "dave@b.example")
			e := b.pushes("dave@b.example")
			b.pushes("carol@b.example")
			b.Edges = e
			b.update(func(tx store.Tx) error {
				return tx.PutAlias(store.Alias{Address: addr(t, "team@b.example"), Group: true, Members: addrs(t, "bob@b.example", "carol@b.example", "dave@b.example")})
			})
			e.answer = func(d smtp.Delivery) smtp.Result {
				if d.To[0].String() == c.refuse {
					return smtp.Result{Code: reason.PeerRefused, Reply: 550}
				}
				return smtp.Result{Code: reason.OK, Reply: 250}
			}
			a.submit(message("alice@a.example", "team@b.example", wanted), "alice@a.example", "team@b.example")
			w.settle()
			wantStates(t, a.answersOf("alice@a.example"), c.want...)
			wantStates(t, b.states(b.tracksOf("<m1@a.example>")[0].ID), c.state)
			if n := len(b.inbox("bob@b.example")); n != 1 || len(b.jobs(store.PushJob)) != 0 {
				t.Errorf("%d in the mailbox of the third, jobs %+v", n, b.jobs(store.PushJob))
			}
		})
	}
}

// A crash between the edge's 250 and our commit is one push more, and no answer more:
// the store says what was committed.
func TestAPushThatIsDoneTwiceAnswersOnce(t *testing.T) {
	w, a, b := twoSites(t)
	e := b.pushes("b.example")
	a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	b.doStep(t.Context(), b.jobs(store.OpenJob)[0], b.open)
	job := b.jobs(store.PushJob)[0]
	_, err := b.pushed(t.Context(), job) // and the process ends here
	if err != nil {
		t.Fatal(err)
	}
	w.settle()
	wantStates(t, a.answersOf("alice@a.example"), "processed", "dispatched+")
	if len(e.got) != 2 {
		t.Errorf("taken %d times", len(e.got))
	}
}

func TestEdgesOfTheDomainAndTheAddress(t *testing.T) {
	w, a, b := twoSites(t)
	b.accounts("carol@b.example")
	e := b.pushes("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example", "carol@b.example")
	w.runAll()
	if len(e.got) != 1 || len(b.inbox("carol@b.example")) != 1 {
		t.Errorf("%d at the edge, %d in the other's mailbox", len(e.got), len(b.inbox("carol@b.example")))
	}
	if got := b.details(audit.Changed); len(got) != 0 {
		t.Errorf("the trail has %q", got)
	}
}

func TestHowAnEdgeIsVerified(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	good, wrongName := w.root.Leaf("ehr.example"), w.root.Leaf("x.example")
	pin := store.FingerprintOf(wrongName.Cert.Raw)
	e := store.Edge{Owner: "b.example", Host: "ehr.example", Port: 25}
	to, err := b.reachOf(e)
	if err != nil || to.TLS.InsecureSkipVerify || to.TLS.ServerName != "ehr.example" {
		t.Errorf("%+v, %v", to, err)
	}
	e.CA = []byte("no certificate")
	if err := b.CheckEdge(e); !errors.Is(err, ErrEdgeCA) {
		t.Error(err)
	}
	e.CA, e.Pin = nil, &pin
	to, err = b.reachOf(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := to.TLS.VerifyConnection(stateOf(wrongName.Cert)); err != nil {
		t.Error(err)
	}
	if err := to.TLS.VerifyConnection(stateOf(good.Cert)); err == nil {
		t.Error("another certificate than the pinned one is taken")
	}
	if err := to.TLS.VerifyConnection(stateOf()); err == nil {
		t.Error("no certificate is taken")
	}
	w.clock.advance(100 * 365 * 24 * time.Hour)
	if err := to.TLS.VerifyConnection(stateOf(wrongName.Cert)); err == nil {
		t.Error("the pinned certificate is taken out of its dates")
	}
	b.noEdgeRoots = errors.New("network.ca cannot be read")
	if err := b.CheckEdge(store.Edge{Host: "ehr.example", Port: 25}); err == nil {
		t.Error("an edge is believed from nobody knows whom")
	}
}

func stateOf(chain ...*x509.Certificate) tls.ConnectionState {
	return tls.ConnectionState{PeerCertificates: chain}
}
