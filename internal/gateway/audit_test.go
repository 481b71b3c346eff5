package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/internal/login"
	"postern/internal/password"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// trail returns the records of a site, which must be whole, each in one line.
func (s *site) trail() (all []string) {
	s.t.Helper()
	s.view(func(tx store.Tx) error {
		report, err := tx.VerifyAudit(s.t.Context(), nil)
		if err != nil {
			return err
		}
		if !report.Whole() {
			s.t.Errorf("the audit trail: %v, %v", report.Problem, report.Differences)
		}
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			noCanary(s.t, "the audit trail", string(stored))
			e, err := audit.ParseEntry(stored)
			if err != nil {
				s.t.Fatal(err)
			}
			if e.Action != audit.Noted {
				all = append(all, lineOf(e))
				return true
			}
			for _, row := range e.Rows { // a rig makes its directory without records
				kind, _, _ := strings.Cut(row.Name, " ")
				if slices.Contains([]string{"track", "job", "message"}, kind) {
					s.t.Errorf("%s was changed without a record", row.Name)
				}
			}
			return true
		})
	})
	return all
}

// lineOf leaves out what differs from run to run.
func lineOf(e audit.Entry) string {
	line := fmt.Sprint(e.Actor, " ", e.Action)
	if e.Object != "" {
		line += " " + e.Object
	}
	for _, p := range e.Parts {
		line += strings.TrimRight(fmt.Sprintf("; %s %s %s", p.Recipient, p.State, p.Reason), " ")
	}
	if len(e.Keys) > 0 {
		line += fmt.Sprintf("; %d keys", len(e.Keys))
	}
	return line
}

// A message and its answer leave a record for each step, on both sides, and
// nothing of what is in it.
func TestAuditOfAMessage(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example", "Cc: nobody@nowhere.example"), "alice@a.example", "bob@b.example", "nobody@nowhere.example")
	w.runAll()
	equal(t, "our side", a.trail(), []string{
		"account:alice@a.example accepted from alice@a.example",
		"system sealed; bob@b.example sealed; nobody@nowhere.example failed no-certificate; 1 keys",
		"system delivered failure notice; alice@a.example delivered",
		"system relayed; bob@b.example relayed",
		"peer:192.0.2.1 accepted from bob@b.example",
		"system answered; bob@b.example processed",
		"system opened; alice@a.example delivered; 1 keys",
	})
	equal(t, "the far side", b.trail(), []string{
		"peer:192.0.2.1 accepted from alice@a.example",
		"system notified from bob@b.example",
		"system opened; bob@b.example delivered; 1 keys",
		"system sealed; alice@a.example sealed; 1 keys",
		"system relayed; alice@a.example relayed",
	})
}

// What came twice is delivered once, and what is not believed is refused: both
// stand in the trail.
func TestAuditOfWhatIsNotDelivered(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
	a.run()
	_, raw := a.taken()
	alice, bob := addr(t, "alice@a.example"), addr(t, "bob@b.example")
	for range 2 {
		b.receive(raw[0], alice, bob)
		b.run()
	}
	b.receive(crlf(message("alice@a.example", "bob@b.example")), alice, bob)
	b.run()
	var opened []string
	for _, line := range b.trail() {
		if strings.HasPrefix(line, "system opened") {
			opened = append(opened, line)
		}
	}
	equal(t, "opened", opened, []string{
		"system opened; bob@b.example delivered; 1 keys",
		"system opened; bob@b.example duplicate; 1 keys",
		"system opened; bob@b.example refused not-encrypted",
	})
}

// An agreeingStore looks after each commit whether deeds and records agree: what a
// crash at this moment would leave.
type agreeingStore struct {
	store.Store
	t *testing.T
}

func (s agreeingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	err := s.Store.Update(ctx, fn)
	if err != nil {
		return err
	}
	return s.View(ctx, func(tx store.Tx) error {
		told := make(map[string]int)
		err := tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, _ := audit.ParseEntry(stored)
			for _, p := range e.Parts {
				if e.Action == audit.Opened && p.State == string(store.TrackDelivered) {
					told[e.Track+" "+p.Recipient]++
				}
			}
			return true
		})
		if err != nil {
			return err
		}
		return s.compare(tx, told)
	})
}

func (s agreeingStore) compare(tx store.Tx, told map[string]int) error {
	accounts, err := tx.Accounts()
	if err != nil {
		return err
	}
	there := 0
	for _, a := range accounts {
		inbox, err := tx.MailboxByName(a.Address, store.Inbox)
		if err != nil {
			return err
		}
		err = tx.EachMessage(inbox.ID, 0, func(m store.Message) bool {
			there++
			if told[string(m.Track)+" "+a.Address.String()] != 1 {
				s.t.Errorf("message %d of %s has %d records", m.UID, a.Address, told[string(m.Track)+" "+a.Address.String()])
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	if there != len(told) {
		s.t.Errorf("%d messages have %d records", there, len(told))
	}
	return nil
}

// At no moment is there a delivered message without its record, or a record
// without its message.
func TestDeliveriesAndRecordsAgreeAtEveryMoment(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	a.accounts("alice@a.example")
	b.accounts("bob@b.example", "carol@b.example")
	b.Store = agreeingStore{b.Store, t}
	for range 5 {
		a.submit(message("alice@a.example", "bob@b.example", "Cc: carol@b.example"), "alice@a.example", "bob@b.example", "carol@b.example")
	}
	w.runAll()
	if n := len(b.inbox("bob@b.example")); n == 0 {
		t.Error("nothing was delivered")
	}
}

func TestAuditOfLogins(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	hash, err := password.Hash([]byte("correct horse battery"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s.update(func(tx store.Tx) error {
		return tx.PutAccount(store.Account{Address: addr(t, "alice@a.example"), Password: hash})
	})
	from := netip.MustParseAddr("::ffff:192.0.2.7")
	for _, pair := range [][2]string{
		{"Alice@a.example", "correct horse battery"}, {"alice@a.example", "wrong"},
		{"nobody@a.example", "wrong"}, {canary, "the name in the wrong field"},
	} {
		_, _ = s.Login(t.Context(), login.Attempt{Client: login.Client{Remote: from}, User: pair[0], Secret: pair[1]})
	}
	equal(t, "records", s.trail(), []string{
		"system changed account alice@a.example", // it can be proven by SCRAM from now on
		"account:alice@a.example logged-in",
		"peer:192.0.2.7 login-failed account alice@a.example",
		"peer:192.0.2.7 login-failed an unknown name",
		"peer:192.0.2.7 login-failed an unknown name",
	})
	for range 100 { // most of them are not looked at
		_, _ = s.Login(t.Context(), login.Attempt{Client: login.Client{Remote: from}, User: "alice@a.example", Secret: "wrong"})
	}
	if n := len(s.trail()); n > 20 {
		t.Errorf("%d records of what the throttle kept off", n)
	}

	s.Store = fullStore{s.Store}
	_, err = s.Login(t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr("192.0.2.8")}, User: "alice@a.example", Secret: "correct horse battery"})
	equal(t, "a login that cannot be recorded", reasonOf(err), "busy")
	_, err = s.Login(t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr("192.0.2.8")}, User: "alice@a.example", Secret: "wrong"})
	equal(t, "a wrong one", reasonOf(err), "auth-failed")
}

// A fullStore takes nothing.
type fullStore struct{ store.Store }

func (fullStore) Update(context.Context, func(store.Tx) error) error { return store.ErrFull }

// What fails with a kept original is no notification that came in.
func TestAuditOfAKeptOriginal(t *testing.T) {
	job := store.Job{Kind: store.KeptJob, Recipients: []mime.Address{addr(t, "bob@b.example")}}
	equal(t, "deed", deedOf(outcomes(job, "", reason.Internal, "")), audit.Dropped)
}
