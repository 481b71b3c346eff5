package gateway

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/gateway/care"
	"postern/internal/login"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/store/storetest"
)

// durable is a site whose store is a file that can be damaged.
func (w *world) durable(d mime.Domain) (s *site, path string) {
	w.t.Helper()
	s = w.bare(d)
	path = filepath.Join(w.t.TempDir(), care.StoreFile)
	db, err := store.Create(path, store.Options{MasterKey: store.NewMasterKey(), Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { db.Close() })
	s.Store, s.directories.store = db, db
	s.update(func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: d}) })
	s.addKey(string(d), w.root.Leaf(string(d)))
	s.trust("", store.Both, w.root)
	return s, path
}

// eves is a site b with bob, who has nothing but an account, and with eve, who has all that
// there is, beside each other in a group. path is the file of its store.
func eves(t *testing.T) (w *world, a, b *site, path string) {
	t.Helper()
	w = newWorld(t)
	a = w.site("a.example")
	b, path = w.durable("b.example")
	a.accounts("alice@a.example")
	b.subaddress("-")
	b.Care.KeepDuplicates = time.Hour
	hash, err := b.Hasher.Hash(t.Context(), []byte(rightSecret))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"bob@b.example", "eve@b.example"} {
		account := store.Account{Address: addr(t, name), Password: hash}
		keys, err := b.PasswordAccess(t.Context(), account, rightSecret)
		if err != nil {
			t.Fatal(err)
		}
		b.update(func(tx store.Tx) error {
			err := tx.PutAccount(account)
			if err != nil {
				return err
			}
			return tx.PutAccess(keys)
		})
	}
	b.alias("eve-alias@b.example", "eve@b.example")
	b.group("team@b.example", "bob@b.example", "eve@b.example")
	b.addKey("eve@b.example", w.root.Leaf("eve@b.example"))
	eve := addr(t, "eve@b.example")
	b.update(func(tx store.Tx) error {
		keys, err := b.Keys(t.Context(), eve, "x")
		if err != nil {
			return err
		}
		err = tx.PutAccess(store.Access{ID: "abcdef", Account: eve, Kind: store.AppPassword, Sum: store.Fingerprint{1}, Scopes: []string{"imap"}, Keys: keys})
		if err != nil {
			return err
		}
		err = tx.PutHook(store.Hook{ID: "hookid", Account: eve, URL: "https://app.example/" + canary, Secret: []byte("secret"), Events: store.HookEventTypes()})
		if err != nil {
			return err
		}
		err = tx.PutEdge(store.Edge{Owner: "mallory@b.example", Host: "edge.b.example", Port: 25})
		if err != nil {
			return err
		}
		err = tx.PutBundle(store.Bundle{Name: "community", URL: "https://bundle.example/b", Attached: []store.Attachment{{Direction: store.Both}}})
		if err != nil {
			return err
		}
		return tx.PutSentAs(store.SentAs{Address: addr(t, "ward@b.example"), Account: eve, At: b.Now()})
	})
	return w, a, b, path
}

// One record that is damaged stops nothing but what it is of: bob has his mail and his
// logins, and is offered SCRAM, whatever of eve's it is. Nobody gets what comes to an
// address of which it cannot be told whose it is, and nobody speaks for it.
func TestOneDamagedRow(t *testing.T) {
	const ok, waits = "ok", "internal"
	for _, c := range []struct {
		name           string
		begins, behind string
		// What RCPT TO says of eve@, eve-alias@, which looks like a detail of eve@ as well,
		// team@ and ward@, and what eve's login says.
		eve, alias, team, ward, login string
		log                           []string
	}{
		{"account", `{"address":"eve@b.example","password"`, "", waits, waits, waits, ok, waits, []string{"record of account is damaged", "eve@b.example"}},
		{"alias", `{"address":"eve-alias@b.example","members"`, "", ok, waits, ok, ok, ok, []string{"record of alias is damaged", "eve-alias@b.example"}},
		{"group", `{"address":"team@b.example","members"`, "", ok, ok, waits, ok, ok, []string{"record of alias is damaged", "team@b.example"}},
		{"app password", `{"id":"abcdef","account":"eve@b.example"`, "", ok, ok, ok, ok, ok, []string{"way into an account is damaged", "eve@b.example", "abcdef"}},
		{"keys of an app password", `{"id":"abcdef","account":"eve@b.example"`, `"sealed":".{60}`, ok, ok, ok, ok, ok, []string{"way into an account is damaged", "eve@b.example", "abcdef"}},
		{"password for SCRAM", `{"id":"password","account":"eve@b.example"`, `"sealed":".{60}`, ok, ok, ok, ok, ok, []string{"way into an account is damaged", "eve@b.example", "access=password"}},
		{"private key", `"owner":"eve@b.example","certificate"`, `"sealed":".{60}`, ok, ok, ok, ok, ok, []string{"key is damaged", "eve@b.example"}},
		{"record of a key", `"owner":"eve@b.example","certificate"`, `"owner`, ok, ok, ok, ok, ok, []string{"key is damaged", "eve@b.example"}},
		{"hook", `{"id":"hookid","account":"eve@b.example"`, "", ok, ok, ok, ok, ok, nil},
		{"secret of a hook", `{"id":"hookid","account":"eve@b.example"`, `"sealed":".{60}`, ok, ok, ok, ok, ok, nil},
		{"edge", `{"owner":"mallory@b.example","host"`, "", ok, ok, ok, ok, ok, nil},
		{"domain", `{"name":"b.example","created"`, "", ok, ok, ok, ok, ok, []string{"record of domain is damaged", "b.example"}},
		{"bundle", `{"name":"community","url"`, "", ok, ok, ok, ok, ok, []string{"record of a bundle is damaged", "community"}},
		{"who sent as an address", `{"address":"ward@b.example","account"`, "", ok, ok, ok, waits, ok, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a, b, path := eves(t)
			equal(t, "SCRAM before", b.Offers(t.Context()).Scram, true)
			storetest.Damage(t, path, c.begins, c.behind)
			b.directories.latest = nil // as after a start
			equal(t, "at the door", b.atDoor("bob@b.example", "eve@b.example", "eve-alias@b.example", "team@b.example", "ward@b.example", "nobody@b.example"),
				[]string{ok, c.eve, c.alias, c.team, c.ward, "unknown-recipient"})
			a.submit(message("alice@a.example", "bob@b.example"), "alice@a.example", "bob@b.example")
			w.runAll()
			equal(t, "bob's mail", b.seen("bob@b.example"), 1)
			equal(t, "bob's login", b.login("bob@b.example", rightSecret, "192.0.2.1"), ok)
			equal(t, "eve's login", b.login("eve@b.example", rightSecret, "192.0.2.1"), c.login)
			equal(t, "SCRAM", b.Offers(t.Context()).Scram, true)
			for _, want := range c.log {
				equal(t, "the log has "+want, strings.Contains(b.log.String(), want), true)
			}
			equal(t, "the log has what nobody may see", strings.Contains(b.log.String(), canary), false)
			bob := addr(t, "bob@b.example")
			from := func(name string) string {
				b.senders("bob@b.example", "@b.example")
				return reasonOf(Submission{b.Core}.CheckSender(t.Context(), smtp.Login{Account: bob, Proof: b.proof(bob)}, addr(t, name)))
			}
			equal(t, "bob as himself", from("bob@b.example"), ok)
			if c.eve == waits {
				equal(t, "bob as eve", from("eve@b.example"), "sender-not-allowed")
			}
			if c.alias == waits {
				equal(t, "bob as the alias", from("eve-alias@b.example"), "sender-not-allowed")
			}
		})
	}
}

// An app password that is damaged lets nobody in, and another one does.
func TestADamagedAppPassword(t *testing.T) {
	_, _, b, path := eves(t)
	storetest.Damage(t, path, `{"id":"abcdef","account":"eve@b.example"`, "")
	b.directories.latest = nil
	id, secret := login.NewAppPassword()
	_, sum, _ := login.AppPassword(secret)
	eve := addr(t, "eve@b.example")
	keys, err := b.Keys(t.Context(), eve, secret)
	if err != nil {
		t.Fatal(err)
	}
	b.update(func(tx store.Tx) error {
		return tx.PutAccess(store.Access{ID: id, Account: eve, Kind: store.AppPassword, Sum: sum, Scopes: []string{"imap"}, Keys: keys})
	})
	by := login.Attempt{Client: clientAt(login.IMAP, "192.0.2.1"), User: "eve@b.example", Secret: secret}
	equal(t, "another one", b.attempts(by), "ok")
	b.update(func(tx store.Tx) error { return tx.RemoveAccess(eve, "abcdef") })
	equal(t, "after its removal", b.attempts(by), "ok")
}

// What was taken for several waits for that one alone of whom it cannot be told who he is,
// and he has it once that is mended.
func TestMailWaitsForADamagedRow(t *testing.T) {
	for _, c := range []struct{ name, to, begins string }{
		{"alias", "eve-alias@b.example", `{"address":"eve-alias@b.example","members"`},
		{"group", "team@b.example", `{"address":"team@b.example","members"`},
		{"edge", "eve@b.example", `{"owner":"eve@b.example","host"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, a, b, path := eves(t)
			if c.name == "edge" {
				b.update(func(tx store.Tx) error {
					return tx.PutEdge(store.Edge{Owner: "eve@b.example", Host: "edge.b.example", Port: 25})
				})
			}
			a.submit(message("alice@a.example", "bob@b.example", "Cc: "+c.to), "alice@a.example", "bob@b.example", c.to)
			a.run()
			sent, raw := a.taken()
			for i, d := range sent {
				b.receive(raw[i], d.From, d.To...)
			}
			storetest.Replace(t, path, c.begins, "A"+c.begins[1:])
			w.runAll()
			equal(t, "bob has it", b.seen("bob@b.example"), 1)
			equal(t, "eve has it not", b.seen("eve@b.example"), 0)
			waiting := b.jobs(store.OpenJob)
			if len(waiting) != 1 {
				t.Fatalf("%d messages wait", len(waiting))
			}
			equal(t, "it waits for", addressesOf(waiting[0].Recipients), c.to)
			storetest.Replace(t, path, "A"+c.begins[1:], c.begins)
			w.clock.advance(firstRetry)
			w.runAll()
			equal(t, "eve has it then", b.seen("eve@b.example")+len(b.jobs(store.PushJob)), 1)
			equal(t, "bob has it once", b.seen("bob@b.example"), 1)
		})
	}
}

func addressesOf(all []mime.Address) string {
	var words []string
	for _, a := range all {
		words = append(words, a.String())
	}
	return strings.Join(words, " ")
}
