package gateway

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// dark has nothing of a domain be found, until it is called.
func (w *world) dark(d string) (light func()) {
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "dns is down")}, string(r.Address.Domain()) == d
	}
	return func() { w.find = nil }
}

// seen counts the messages in a mailbox that are no notifications or notices.
func (s *site) seen(account string) (n int) {
	s.t.Helper()
	for _, text := range s.inbox(account) {
		if strings.Contains(text, "\r\n\r\n"+canary) {
			n++
		}
	}
	return n
}

// What somebody of ours hands in for an address of ours is for who had it then, whether
// that was removed before the message was sealed or after.
func TestDN8_WhatOurOwnHandInIsForWhoHadTheAddress(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		for _, how := range []string{"removed", "made anew", "an alias", "nothing"} {
			t.Run(fmt.Sprint(how, ", sealed ", sealed), func(t *testing.T) {
				w := newWorld(t)
				b := w.site("b.example")
				b.accounts("nurse@b.example", "bob@b.example")
				id := b.submit(message("nurse@b.example", "bob@b.example"), "nurse@b.example", "bob@b.example")
				if sealed {
					b.doStep(t.Context(), b.jobs(store.SealJob)[0], b.seal)
					equal(t, "to be opened", len(b.jobs(store.OpenJob)), 1)
				}
				if how == "nothing" {
					b.accounts("carol@b.example") // another era
				} else {
					b.leaves("bob@b.example", how)
				}
				w.settle()
				switch {
				case how == "nothing":
					equal(t, "bob has", b.seen("bob@b.example"), 1)
					return
				case sealed:
					equal(t, "she heard", b.answersAt("nurse@b.example"), []string{"bob@b.example failed", "bob@b.example processed"})
				default:
					wantStates(t, b.states(id), "bob@b.example failed unknown-recipient")
					equal(t, "notices", len(b.inbox("nurse@b.example")), 1)
				}
				for _, next := range []string{"bob@b.example", "carol@b.example"} {
					if _, known := b.directory().Account(addr(t, next)); known {
						equal(t, next+" has", len(b.inbox(next)), 0)
					}
				}
			})
		}
	}
}

// A message is signed for who had the address when it was taken: by his certificates, and
// never by those of who has it since, but for that of the domain. Where nobody had it, those
// that were there sign.
func TestAS11_AS65_WhoHasAnAddressNextSignsNothingOfTheLast(t *testing.T) {
	for _, had := range []string{"an account", "an alias", "nobody"} {
		for _, how := range []string{"the same", "removed", "made anew"} {
			for _, domains := range []bool{false, true} {
				if had == "nobody" && how == "removed" {
					continue
				}
				t.Run(fmt.Sprint(had, ", ", how, ", certificate of the domain ", domains), func(t *testing.T) {
					w := newWorld(t)
					a, b := w.bare("a.example"), w.site("b.example")
					a.trust("", store.Both, w.root)
					b.accounts("bob@b.example")
					if domains {
						a.addKey("a.example", w.root.Leaf("a.example"))
					}
					a.accounts("ann@a.example")
					switch had {
					case "an alias":
						a.alias("alice@a.example", "ann@a.example")
					case "nobody":
						a.senders("ann@a.example", "alice@a.example")
					default:
						a.accounts("alice@a.example")
					}
					former, next := w.root.Leaf("alice@a.example"), w.root.Leaf("alice@a.example")
					a.addKey("alice@a.example", former)
					light := w.dark("b.example")
					by := "ann@a.example"
					if had == "an account" {
						by = "alice@a.example"
					}
					id := a.submitAs(by, message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
					w.runAll()
					wantStates(t, a.states(id), "bob@b.example queued discovery-timeout")
					if how != "the same" && had != "nobody" {
						a.update(func(tx store.Tx) error {
							if had == "an alias" {
								return tx.RemoveAlias(addr(t, "alice@a.example"))
							}
							return tx.RemoveAccount(addr(t, "alice@a.example"))
						})
					}
					if how == "made anew" {
						w.clock.advance(time.Second)
						a.update(func(tx store.Tx) error {
							return tx.PutAccount(store.Account{Address: addr(t, "alice@a.example"), Created: a.Now()})
						})
						a.addKey("alice@a.example", next)
					}
					light()
					w.clock.advance(time.Hour)
					a.run()
					sent, raw := a.taken()
					for i := range sent {
						w.carry(sent[i], raw[i])
					}
					b.run()
					inbox := strings.Join(b.inbox("bob@b.example"), "")
					equal(t, "signed by the next", strings.Contains(inbox, printOf(next)), false)
					switch {
					case how == "the same", had == "nobody": // whose certificate was there before hers
						equal(t, "signed by her", strings.Contains(inbox, printOf(former)), true)
					case domains:
						equal(t, "signed by the domain", strings.Contains(inbox, `bound-to="domain"`), true)
					default:
						wantStates(t, a.states(id), "bob@b.example failed no-signing-key")
						equal(t, "inbox", inbox, "")
					}
				})
			}
		}
	}
}

func printOf(id *testnet.Identity) string { return store.FingerprintOf(id.Cert.Raw).String() }

// What is of before eras is signed as ever for an address that nobody has or had.
func TestWhatIsOfBeforeErasIsSignedForNobodysAddress(t *testing.T) {
	_, a, _ := twoSites(t)
	a.leaves("alice@a.example", "removed")
	for from, want := range map[string]bool{"clinician@a.example": true, "alice@a.example": true} {
		equal(t, from, a.directory().isStill(speaker{addr(t, from), 0}), want) // alice was there in the first era alone
	}
	equal(t, "alice in hers", a.directory().isStill(speaker{addr(t, "alice@a.example"), 1}), false)
}

// A domain never speaks for an address that a patient controls, nor for what he left
// behind when he went.
func TestBB35_TheDomainSpeaksForNoPatientWhoIsGone(t *testing.T) {
	for _, alias := range []bool{false, true} {
		w, a, _ := twoSites(t)
		from := map[bool]string{false: "pat@a.example", true: "patty@a.example"}[alias]
		a.accounts("pat@a.example")
		a.alias("patty@a.example", "pat@a.example")
		a.change("pat@a.example", func(x *store.Account) { x.Patient = true })
		a.addKey(from, w.root.Leaf(from))
		light := w.dark("b.example")
		id := a.submitAs("pat@a.example", message(from, "bob@b.example"), from, "bob@b.example")
		w.runAll()
		a.leaves("pat@a.example", "made anew")
		a.alias("patty@a.example", "alice@a.example")
		light()
		w.clock.advance(time.Hour)
		w.settle()
		wantStates(t, a.states(id), "bob@b.example failed no-signing-key")
	}
}

// Of what waits for an account that is shut out its sender is told by the certificate of
// the address, where the domain has none.
func TestDN8_AnAccountThatIsShutOutTellsByItsOwnCertificate(t *testing.T) {
	for _, push := range []bool{false, true} {
		w := newWorld(t)
		a, b := w.site("a.example"), w.bare("b.example")
		a.accounts("alice@a.example")
		b.trust("", store.Both, w.root)
		b.accounts("bob@b.example")
		b.addKey("bob@b.example", w.root.Leaf("bob@b.example"))
		if push {
			b.pushes("b.example").isDown()
		}
		a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
		a.run()
		sent, raw := a.taken()
		w.carry(sent[0], raw[0])
		if push {
			w.settle()
		}
		b.leaves("bob@b.example", "disabled")
		w.settle()
		equal(t, "alice heard", a.answersAt("alice@a.example"), []string{"bob@b.example failed", "bob@b.example processed"})
	}
}

// What a recipient is made to answer is of the era of the message: nobody who has his
// address since says in his own name that it was taken.
func TestAS87_WhoHasAnAddressNextAnswersNothing(t *testing.T) {
	for _, domains := range []bool{false, true} {
		w, a, b := twoSites(t)
		if !domains {
			b = w.bare("b.example")
			b.trust("", store.Both, w.root)
			b.accounts("bob@b.example")
			b.addKey("bob@b.example", w.root.Leaf("bob@b.example"))
		}
		b.accounts("carol@b.example")
		b.alias("robert@b.example", "bob@b.example")
		b.addKey("robert@b.example", w.root.Leaf("robert@b.example"))
		e := b.pushes("bob@b.example")
		e.isDown()
		a.submit(message("alice@a.example", "robert@b.example", wanted), "alice@a.example", "robert@b.example")
		w.settle()
		b.update(func(tx store.Tx) error { return tx.RemoveAlias(addr(t, "robert@b.example")) })
		b.accounts("robert@b.example")
		next := w.root.Leaf("robert@b.example")
		b.addKey("robert@b.example", next)
		e.answer = nil
		w.clock.advance(time.Minute)
		w.settle()
		equal(t, "taken", len(e.got), 1) // by bob's edge, whom it was for
		want := []string{"robert@b.example processed"}
		if domains {
			want = []string{"robert@b.example dispatched", "robert@b.example processed"}
		}
		equal(t, "alice heard", a.answersAt("alice@a.example"), want)
		equal(t, "by the next holder", strings.Contains(strings.Join(a.inbox("alice@a.example"), ""), printOf(next)), false)
	}
}

// What was for an address that is gone reaches nobody whose detail its name looks like,
// nor is told to him: with details by "-", mary-jane@ is one of mary@ once it is free.
func TestDN8_WhatWasForSomebodyIsNoDetailOfAnother(t *testing.T) {
	const mary, jane = "mary@b.example", "mary-jane@b.example"
	for _, kind := range []string{"an account", "an alias", "a group"} {
		for _, how := range []string{"removed", "made anew", "an account of another"} {
			for _, what := range []string{"open", "failure notice", "notification", "taken since"} {
				t.Run(kind+", "+how+", "+what, func(t *testing.T) {
					w, a, b := aliceAnd(t, mary, "jane@b.example", "joan@b.example")
					b.subaddress("-")
					make := func(kind, of string) {
						switch kind {
						case "an account":
							b.accounts(jane)
						case "an alias":
							b.alias(jane, of)
						case "a group":
							b.group(jane, of)
						}
					}
					by := map[bool]string{true: jane, false: "jane@b.example"}[kind == "an account"]
					make(kind, "jane@b.example")
					leaves := func() {
						b.update(func(tx store.Tx) error {
							if kind == "an account" {
								return tx.RemoveAccount(addr(t, jane))
							}
							return tx.RemoveAlias(addr(t, jane))
						})
						switch how {
						case "made anew":
							make(kind, "joan@b.example")
						case "an account of another":
							b.accounts(jane)
						}
					}
					senders := func() { b.senders("jane@b.example", jane) }
					switch what {
					case "open":
						a.submit(message("alice@a.example", jane), "alice@a.example", jane)
						a.run()
						sent, raw := a.taken()
						w.carry(sent[0], raw[0])
						leaves()
						w.settle()
						wantStates(t, b.states(b.tracksOf("<m1@a.example>")[0].ID), jane+" failed unknown-recipient")
					case "taken since":
						if how != "removed" {
							return // it is for who has it now
						}
						leaves()
						a.submit(message("alice@a.example", jane), "alice@a.example", jane)
						w.settle()
						equal(t, "mary has", b.seen(mary), 1)
						return
					case "failure notice":
						senders()
						b.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerDeferred) }
						b.submitAs(by, message(jane, "alice@a.example"), jane, "alice@a.example")
						w.runAll()
						leaves()
						w.clock.advance(80 * time.Hour)
						w.settle()
					case "notification":
						senders()
						b.submitAs(by, message(jane, "alice@a.example", wanted), jane, "alice@a.example")
						b.run()
						sent, raw := b.taken()
						leaves()
						w.carry(sent[0], raw[0])
						w.settle()
					}
					equal(t, "mary has", len(b.inbox(mary)), 0)
					equal(t, "joan has", len(b.inbox("joan@b.example")), 0)
					if _, known := b.directory().Account(addr(t, jane)); known {
						equal(t, "who has the address since has", len(b.inbox(jane)), 0)
					}
				})
			}
		}
	}
}

// What was a detail of somebody when it came is his, though an account of that very name
// was made since.
func TestWhatWasADetailIsOfWhomItWasOne(t *testing.T) {
	w, a, b := aliceAnd(t, "mary@b.example")
	b.subaddress("-")
	a.submit(message("alice@a.example", "mary-jane@b.example"), "alice@a.example", "mary-jane@b.example")
	a.run()
	sent, raw := a.taken()
	w.carry(sent[0], raw[0])
	b.accounts("mary-jane@b.example")
	w.settle()
	equal(t, "mary and mary-jane have", []int{b.seen("mary@b.example"), b.seen("mary-jane@b.example")}, []int{1, 0})

	b.accounts("nurse@b.example") // handed in here, before it is sealed
	b.submit(message("nurse@b.example", "mary-lou@b.example"), "nurse@b.example", "mary-lou@b.example")
	b.accounts("mary-lou@b.example")
	w.settle()
	equal(t, "mary and mary-lou have", []int{b.seen("mary@b.example"), b.seen("mary-lou@b.example")}, []int{2, 0})
}

// A message that who has an address now hands in is not settled by that of who had it
// before, however much it is the same: he is told of his own.
func TestDN8_DN19_CopiesAreOfOneHolder(t *testing.T) {
	for _, how := range []string{"nothing", "made anew"} {
		t.Run("fails, "+how, func(t *testing.T) {
			w, a, _ := aliceAnd(t, "bob@b.example")
			a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			a.run()
			a.taken() // taken, and lost over there
			if how != "nothing" {
				a.leaves("alice@a.example", how)
			}
			w.clock.advance(30 * time.Minute)
			a.answer = func(d smtp.Delivery) []smtp.Result { return said(d, reason.PeerRefused) }
			two := a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			a.run()
			a.taken()
			if how != "nothing" {
				wantStates(t, a.states(two), "bob@b.example failed peer-refused")
				equal(t, "told at once", len(a.inbox("alice@a.example")), 1)
			}
			w.clock.advance(3 * time.Hour)
			a.run()
			equal(t, "told at last", len(a.inbox("alice@a.example")), 1)
		})
		t.Run("reaches, "+how, func(t *testing.T) {
			w, a, _ := aliceAnd(t, "bob@b.example")
			a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			w.settle()
			before := len(a.inbox("alice@a.example"))
			if how != "nothing" {
				a.leaves("alice@a.example", how)
				before = 0
			}
			w.clock.advance(30 * time.Minute)
			two := a.submit(message("alice@a.example", "bob@b.example", wanted), "alice@a.example", "bob@b.example")
			w.settle()
			w.clock.advance(3 * time.Hour)
			w.settle()
			want := map[string]int{"nothing": 0, "made anew": 2}[how]
			equal(t, "notifications of the second", len(a.inbox("alice@a.example"))-before, want)
			wantStates(t, a.states(two), "bob@b.example dispatched")
		})
	}
}

// Of whom a notification tells that an address was sent as which is nobody's, is whoever
// sent: not who may send as it since, where it was somebody's.
func TestNotificationsOfWhoIsGoneAreNotOfWhoSendsAsHimSince(t *testing.T) {
	w, _, b := aliceAnd(t, "jane@b.example", "ehr@b.example")
	b.submit(message("jane@b.example", "alice@a.example", wanted), "jane@b.example", "alice@a.example")
	then := b.jobs(store.SealJob)[0].Era
	b.run()
	sent, raw := b.taken()
	b.leaves("jane@b.example", "removed")
	b.senders("ehr@b.example", "jane@b.example")
	b.submitAs("ehr@b.example", strings.Replace(message("jane@b.example", "alice@a.example"), "m1@", "m2@", 1), "jane@b.example", "alice@a.example")
	w.settle()
	before := len(b.inbox("ehr@b.example"))
	equal(t, "of its own", before, 1)
	w.carry(sent[0], raw[0])
	w.settle()
	equal(t, "more", len(b.inbox("ehr@b.example")), before)
	jane := addr(t, "jane@b.example") // of a message whose track is gone
	b.view(func(tx store.Tx) error {
		was, err := b.sentAsIn(tx, jane, then)
		if err != nil {
			return err
		}
		is, err := b.sentAsIn(tx, jane, store.Now)
		equal(t, "who sends as jane, then and now", []mime.Address{was, is}, []mime.Address{{}, addr(t, "ehr@b.example")})
		return err
	})
}

// Of what was sent before eras, it is told by its time whose it was.
func TestWhatWasSentBeforeErasIsOfWhoWasThere(t *testing.T) {
	made := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		account store.Account
		track   store.Track
		want    bool
	}{
		{store.Account{Created: made}, store.Track{Received: made.Add(-time.Second)}, false},
		{store.Account{Created: made}, store.Track{Received: made}, true},
		{store.Account{Created: made, Era: 1}, store.Track{Received: made}, false},
		{store.Account{Created: made, Era: 1}, store.Track{Received: made.Add(-time.Hour), Era: 1}, true}, // the clock was set
	} {
		equal(t, fmt.Sprint(tt), wasThere(tt.account, tt.track), tt.want)
	}
}

// A transmission that joins a push is answered in its own era: by the alias that was made
// since the first.
func TestAS87_AnswersAreOfTheEraOfTheirTransmission(t *testing.T) {
	w := newWorld(t)
	a, b := w.site("a.example"), w.bare("b.example")
	a.accounts("alice@a.example")
	b.trust("", store.Both, w.root)
	b.accounts("bob@b.example")
	b.addKey("bob@b.example", w.root.Leaf("bob@b.example"))
	e := b.pushes("bob@b.example")
	e.isDown()
	text := message("alice@a.example", "bob@b.example>, <robert@b.example", wanted)
	a.submit(text, "alice@a.example", "bob@b.example")
	w.settle()
	b.alias("robert@b.example", "bob@b.example")
	b.addKey("robert@b.example", w.root.Leaf("robert@b.example"))
	a.submit(text, "alice@a.example", "robert@b.example")
	w.settle()
	equal(t, "pushes", len(b.jobs(store.PushJob)), 1)
	e.answer = nil
	w.clock.advance(20 * time.Minute)
	w.settle()
	equal(t, "alice heard", a.answersAt("alice@a.example"), []string{
		"bob@b.example dispatched", "bob@b.example processed", "robert@b.example dispatched", "robert@b.example processed"})
}

// Every job and track that is made here says of which era it is. One that says nothing
// reaches nobody, but for who was there before eras.
func TestWhatIsMadeSaysItsEra(t *testing.T) {
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	files, seen := token.NewFileSet(), 0
	for _, name := range sources {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			made, ok := n.(*ast.CompositeLit)
			if !ok || !isMade(made.Type) {
				return true
			}
			var fields []string
			for _, e := range made.Elts {
				fields = append(fields, fmt.Sprint(e.(*ast.KeyValueExpr).Key))
			}
			switch {
			case len(fields) == 0, slices.Equal(fields, []string{"ID"}): // it names one
			case slices.Contains(fields, "Era"):
				seen++
			default:
				t.Errorf("%s: a job or a track of no era", files.Position(made.Pos()))
			}
			return true
		})
	}
	if seen < 6 {
		t.Errorf("found %d that are made", seen)
	}
}

func isMade(e ast.Expr) bool {
	s, ok := e.(*ast.SelectorExpr)
	return ok && (s.Sel.Name == "Job" || s.Sel.Name == "Track") && fmt.Sprint(s.X) == "store"
}

// Of those who had an address one after another each is told for as who he was: that one was
// a patient's keeps the certificate of the domain from nobody before or behind it.
func TestBB35_OnlyThePatientWasAPatient(t *testing.T) {
	for _, patients := range []bool{false, true} { // was the first, or the second
		w, a, b := aliceAnd(t)
		hold := func(patient bool) {
			b.update(func(tx store.Tx) error {
				return tx.PutAccount(store.Account{Address: addr(t, "bob@b.example"), Patient: patient})
			})
			b.accounts("nurse@b.example")
		}
		var eras []store.Era
		for _, patient := range []bool{patients, !patients} {
			hold(patient)
			b.view(func(tx store.Tx) error {
				e, err := tx.Era()
				eras = append(eras, e)
				return err
			})
			if !patient {
				a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
				a.run()
				sent, raw := a.taken()
				w.carry(sent[0], raw[0])
			}
			b.leaves("bob@b.example", "removed")
		}
		for i, patient := range []bool{patients, !patients} {
			_, domain := b.directory().Signs(addr(t, "bob@b.example"), eras[i], b.Now())
			equal(t, fmt.Sprintf("the domain signs for holder %d", i), domain, !patient)
		}
		w.settle()
		equal(t, "she heard", a.answersAt("alice@a.example"), []string{"bob@b.example failed", "bob@b.example processed"})
	}
}

// What came as a detail while nobody had an address stays one, whoever had it before and
// has it since.
func TestWhatCameBetweenTwoHoldersStaysADetail(t *testing.T) {
	for _, since := range []string{"nothing", "made", "made and removed"} {
		w, a, b := aliceAnd(t, "mary@b.example", "mary-jane@b.example")
		b.subaddress("-")
		b.leaves("mary-jane@b.example", "removed")
		a.submit(message("alice@a.example", "mary-jane@b.example"), "alice@a.example", "mary-jane@b.example")
		a.run()
		sent, raw := a.taken()
		w.carry(sent[0], raw[0])
		if since != "nothing" {
			b.accounts("mary-jane@b.example")
		}
		if since == "made and removed" {
			b.leaves("mary-jane@b.example", "removed")
		}
		w.settle()
		equal(t, since+": mary has", b.seen("mary@b.example"), 1)
	}
}

// A key is of who had its address when it came, whatever the clock said then: for who had
// that before answer those that were there, and none once he is gone, also where it was a
// detail of his.
func TestKeysAreToldApartByEras(t *testing.T) {
	w := newWorld(t)
	b := w.bare("b.example")
	b.subaddress("+")
	lab := addr(t, "bob+lab@b.example")
	var eras []store.Era
	var prints []store.Fingerprint
	key := func() {
		b.view(func(tx store.Tx) error {
			e, err := tx.Era()
			eras = append(eras, e)
			return err
		})
		id := w.root.Leaf(lab.String())
		b.addKey(lab.String(), id)
		prints = append(prints, store.FingerprintOf(id.Cert.Raw))
		w.clock.advance(-time.Hour)
	}
	answers := func(what string, want map[int]int) { // how many of the keys, by era
		t.Helper()
		for i, n := range want {
			have := []store.Fingerprint{}
			for _, id := range b.directory().ownKeys(speaker{lab, eras[i]}) {
				have = append(have, id.Fingerprint)
			}
			slices.SortFunc(have, func(x, y store.Fingerprint) int { return slices.Index(prints, x) - slices.Index(prints, y) })
			equal(t, fmt.Sprintf("%s, in era %d", what, i), have, slices.Clone(prints[:n]))
		}
	}
	key() // while it was nobody's
	b.accounts("bob@b.example")
	key()
	answers("a detail", map[int]int{0: 1, 1: 2})
	b.accounts(lab.String())
	key()
	answers("an account", map[int]int{0: 1, 1: 2, 2: 3})
	b.leaves("bob@b.example", "removed")
	answers("he is gone", map[int]int{1: 0, 2: 3})
}

// What was handed in for an address that nobody had fails, and is told, whether somebody has
// it when it is sealed or not.
func TestDN8_AnAddressThatIsMadeSinceIsNotWhoWasWrittenTo(t *testing.T) {
	for _, made := range []bool{false, true} {
		w := newWorld(t)
		b := w.site("b.example")
		b.accounts("nurse@b.example")
		id := b.submit(message("nurse@b.example", "bob@b.example"), "nurse@b.example", "bob@b.example")
		if made {
			b.accounts("bob@b.example")
		}
		w.settle()
		wantStates(t, b.states(id), "bob@b.example failed peer-refused")
		if made {
			equal(t, "bob has", len(b.inbox("bob@b.example")), 0)
		}
	}
}
