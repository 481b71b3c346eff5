package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/store"
)

// withAccess gives alice an access, and returns it.
func (s *site) withAccess(a store.Access) store.Access {
	s.t.Helper()
	a.Account, a.Created = addr(s.t, "alice@a.example"), s.Now()
	s.update(func(tx store.Tx) error { return tx.PutAccess(a) })
	return a
}

func (s *site) withAppPassword(scopes ...string) (store.Access, string) {
	id, secret := login.NewAppPassword()
	_, sum, _ := login.AppPassword(secret)
	keys, err := s.Keys(s.t.Context(), addr(s.t, "alice@a.example"), secret)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.withAccess(store.Access{ID: id, Kind: store.AppPassword, Sum: sum, Scopes: scopes, Keys: keys}), secret
}

func (s *site) withToken(scopes ...string) (store.Access, string) {
	id, secret := login.NewToken()
	_, sum, _ := login.TokenSum(secret)
	return s.withAccess(store.Access{ID: id, Kind: store.Token, Sum: sum, Scopes: scopes}), secret
}

// clientAt is a client of a service, with certificates of which only the octets count.
func clientAt(service login.Service, address string, certificates ...string) login.Client {
	c := login.Client{Service: service, Remote: netip.MustParseAddr(address), TLS: &tls.ConnectionState{}}
	for _, text := range certificates {
		c.TLS.PeerCertificates = append(c.TLS.PeerCertificates, &x509.Certificate{Raw: []byte(text)})
	}
	return c
}

func (s *site) withCertificate(text string) store.Access {
	return s.withAccess(store.Access{ID: login.NewID(), Kind: store.Certificate, Sum: store.FingerprintOf([]byte(text))})
}

func (s *site) attempts(a login.Attempt) string {
	s.t.Helper()
	_, err := s.Login(s.t.Context(), a)
	return reasonOf(err)
}

// EP-6: an app password is good for its account and its services, until it ends.
func TestEP6_AppPasswords(t *testing.T) {
	w, s := guessing(t)
	access, secret := s.withAppPassword("imap", "smtp")
	_, other := login.NewAppPassword()
	by := func(service login.Service, user, secret string) login.Attempt {
		return login.Attempt{Client: clientAt(service, "192.0.2.1"), User: user, Secret: secret}
	}
	granted, err := s.Login(t.Context(), by(login.IMAP, "Alice@a.example", secret))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "grant", granted, login.Grant{Account: addr(t, "alice@a.example"), Access: access.ID, Proof: proof.OfAccess(access)})
	equal(t, "of another service", s.attempts(by(login.POP3, "alice@a.example", secret)), "auth-failed")
	equal(t, "of another account", s.attempts(by(login.IMAP, "carol@a.example", secret)), "auth-failed")
	equal(t, "another secret", s.attempts(by(login.IMAP, "alice@a.example", other)), "auth-failed")
	equal(t, "no account", s.attempts(by(login.IMAP, "alice", secret)), "auth-failed")
	equal(t, "as a token", s.attempts(login.Attempt{Client: clientAt(login.HTTPS, "192.0.2.1"), Method: login.Token, Secret: secret}), "auth-failed")

	access.Expires = s.Now().Add(time.Hour)
	s.update(func(tx store.Tx) error { return tx.PutAccess(access) })
	equal(t, "before its end", s.attempts(by(login.IMAP, "alice@a.example", secret)), "ok")
	w.clock.advance(time.Hour)
	equal(t, "at its end", s.attempts(by(login.IMAP, "alice@a.example", secret)), "auth-failed")
	equal(t, "the session at its end", reasonOf(s.Check(t.Context(), granted)), "auth-required")
}

// EP-6: what was made beside a password is revoked alone, with its sessions, and
// closing the account ends all.
func TestEP6_RevokingOneByOne(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(s *site, app store.Access) error
		want   []string // of the password's session, the app password's and the token's
	}{
		"nothing":          {func(*site, store.Access) error { return nil }, []string{"ok", "ok", "ok"}},
		"the app password": {func(s *site, app store.Access) error { return s.revoke(app) }, []string{"ok", "auth-required", "ok"}},
		"another password": {func(s *site, _ store.Access) error { return s.edit(func(a *store.Account) { a.Password = "x" }) }, []string{"auth-required", "ok", "ok"}},
		"disabled":         {func(s *site, _ store.Access) error { return s.edit(func(a *store.Account) { a.Disabled = true }) }, []string{"auth-required", "auth-required", "auth-required"}},
		"certificate required": {func(s *site, _ store.Access) error {
			return s.edit(func(a *store.Account) { a.CertificateRequired = true })
		}, []string{"auth-required", "auth-required", "ok"}},
		"removed": {func(s *site, app store.Access) error {
			s.update(func(tx store.Tx) error { return tx.RemoveAccount(app.Account) })
			return nil
		}, []string{"auth-required", "auth-required", "auth-required"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, s := guessing(t)
			app, secret := s.withAppPassword("smtp")
			_, token := s.withToken("read")
			var all []login.Grant
			for _, a := range []login.Attempt{{User: "alice@a.example", Secret: rightSecret}, {User: "alice@a.example", Secret: secret}, {Method: login.Token, Secret: token}} {
				a.Client = clientAt(login.SMTP, "192.0.2.1")
				g, err := s.Login(t.Context(), a)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, g)
			}
			if err := tt.change(s, app); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, g := range all {
				got = append(got, reasonOf(s.Check(t.Context(), g)))
				inTx := ""
				s.update(func(tx store.Tx) error {
					inTx = reasonOf(checkLogin(tx, g.Account, g.Proof, s.Now()))
					return nil
				})
				equal(t, "in a transaction", inTx, got[len(got)-1])
			}
			equal(t, "sessions", got, tt.want)
		})
	}
}

func (s *site) revoke(a store.Access) error {
	s.update(func(tx store.Tx) error { return tx.RemoveAccess(a.Account, a.ID) })
	return nil
}

func (s *site) edit(change func(*store.Account)) error {
	s.update(func(tx store.Tx) error {
		a, err := tx.Account(addr(s.t, "alice@a.example"))
		if err != nil {
			return err
		}
		change(&a)
		return tx.PutAccount(a)
	})
	return nil
}

// EP-6: a client's certificate lets into the account that it is pinned to, alone or,
// where the account says so, beside a password.
func TestEP6_ClientCertificates(t *testing.T) {
	_, s := guessing(t)
	s.withCertificate("alice's")
	by := func(method login.Method, user, secret string, certificates ...string) login.Attempt {
		return login.Attempt{Client: clientAt(login.SMTP, "192.0.2.1", certificates...), Method: method, User: user, Secret: secret}
	}
	equal(t, "the certificate", s.attempts(by(login.Certificate, "", "", "alice's")), "ok")
	equal(t, "as oneself", s.attempts(by(login.Certificate, "ALICE@a.example", "", "alice's")), "ok")
	equal(t, "as another", s.attempts(by(login.Certificate, "carol@a.example", "", "alice's")), "auth-failed")
	equal(t, "another certificate", s.attempts(by(login.Certificate, "", "", "carol's")), "auth-failed")
	equal(t, "only its issuer's", s.attempts(by(login.Certificate, "", "", "carol's", "alice's")), "auth-failed")
	equal(t, "none", s.attempts(by(login.Certificate, "alice@a.example", "")), "auth-failed")
	equal(t, "a password without", s.attempts(by(login.Password, "alice@a.example", rightSecret)), "ok")

	_ = s.edit(func(a *store.Account) { a.CertificateRequired = true })
	_, app := s.withAppPassword("smtp")
	equal(t, "required, without", s.attempts(by(login.Password, "alice@a.example", rightSecret)), "auth-failed")
	equal(t, "required, with another", s.attempts(by(login.Password, "alice@a.example", rightSecret, "carol's")), "auth-failed")
	equal(t, "required, app password", s.attempts(by(login.Password, "alice@a.example", app)), "auth-failed")
	equal(t, "required, wrong password", s.attempts(by(login.Password, "alice@a.example", "x", "alice's")), "auth-failed")
	granted, err := s.Login(t.Context(), by(login.Password, "alice@a.example", rightSecret, "alice's"))
	equal(t, "required, with it", reasonOf(err), "ok")
	equal(t, "its session", reasonOf(s.Check(t.Context(), granted)), "ok")
	var all []store.Access
	s.update(func(tx store.Tx) (err error) { all, err = tx.AccessesOf(granted.Account); return err })
	for _, a := range all {
		if a.Kind == store.Certificate {
			_ = s.revoke(a)
		}
	}
	equal(t, "its session, certificate revoked", reasonOf(s.Check(t.Context(), granted)), "auth-required")
	equal(t, "still required", s.attempts(by(login.Password, "alice@a.example", rightSecret, "alice's")), "auth-failed")
}

// A certificate that several accounts have lets into the one that is named.
func TestCertificateOfSeveral(t *testing.T) {
	_, s := guessing(t)
	s.withCertificate("shared")
	s.update(func(tx store.Tx) error {
		return tx.PutAccess(store.Access{ID: login.NewID(), Account: addr(t, "carol@a.example"), Kind: store.Certificate, Sum: store.FingerprintOf([]byte("shared"))})
	})
	by := func(user string) login.Attempt {
		return login.Attempt{Client: clientAt(login.IMAP, "192.0.2.1", "shared"), Method: login.Certificate, User: user}
	}
	equal(t, "nobody is named", s.attempts(by("")), "auth-failed")
	equal(t, "carol", s.attempts(by("carol@a.example")), "ok")
}

// EP-5: SCRAM knows a user by what follows from the name, and nobody can tell whether
// there is an account.
func TestEP5_ScramVerifiers(t *testing.T) {
	_, s := guessing(t)
	equal(t, "offered before a password was seen", s.Offers(t.Context()), login.Offer{})
	for _, name := range []string{"alice@a.example", "carol@a.example"} {
		equal(t, "login", s.login(name, rightSecret, "192.0.2.1"), "ok")
	}
	equal(t, "offered", s.Offers(t.Context()), login.Offer{Scram: true})
	s.ChannelBinding = true
	equal(t, "offered by option", s.Offers(t.Context()), login.Offer{Scram: true, Plus: true})
	app, _ := s.withAppPassword("imap")
	ask := func(user string, service login.Service) login.Verifiers {
		v, err := s.Verifiers(t.Context(), login.Attempt{Client: clientAt(service, "192.0.2.1"), Method: login.Scram, User: user})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	marks := func(v login.Verifiers) (all []string) {
		for _, c := range v.Credentials {
			all = append(all, proof.Accesses(c.Mark)...)
		}
		slices.Sort(all)
		return all
	}
	equal(t, "for IMAP", marks(ask("alice@a.example", login.IMAP)), slices.Sorted(slices.Values([]string{app.ID, store.PasswordAccess})))
	equal(t, "for SMTP", marks(ask("ALICE@A.example", login.SMTP)), []string{store.PasswordAccess})
	salts := make(map[string]string)
	for _, user := range []string{"alice@a.example", "ALICE@a.EXAMPLE", "carol@a.example", "nobody@a.example", "NOBODY@a.example", "no address", ""} {
		v := ask(user, login.SMTP)
		equal(t, "iterations of "+user, v.Iterations, s.ScramIterations)
		equal(t, "salt of "+user, len(v.Salt), login.SaltLength)
		equal(t, "again", ask(user, login.SMTP).Salt, v.Salt)
		salts[user] = string(v.Salt)
	}
	equal(t, "in another case", salts["alice@a.example"], salts["ALICE@a.EXAMPLE"])
	equal(t, "unknown, in another case", salts["nobody@a.example"], salts["NOBODY@a.example"])
	if salts["alice@a.example"] == salts["carol@a.example"] || salts["alice@a.example"] == salts["nobody@a.example"] {
		t.Error("two users have one salt")
	}

	// Another password, set by who knows nothing of SCRAM, leaves nothing good behind.
	_ = s.edit(func(a *store.Account) { a.Password = "x" })
	equal(t, "another password", marks(ask("alice@a.example", login.IMAP)), []string{app.ID})
	equal(t, "offered then", s.Offers(t.Context()), login.Offer{})
}

// EP-6: wrong proofs count as wrong passwords do, and a right one that is no longer
// good is none.
func TestEP6_ScramIsCounted(t *testing.T) {
	w, s := guessing(t)
	by := func(proved string) login.Attempt {
		return login.Attempt{Client: clientAt(login.IMAP, "192.0.2.1"), Method: login.Scram, User: "alice@a.example", Proved: proved}
	}
	var account store.Account
	s.update(func(tx store.Tx) (err error) { account, err = tx.Account(addr(t, "alice@a.example")); return err })
	equal(t, "the right one", s.attempts(by(proof.OfPassword(account))), "ok")
	equal(t, "of another password", s.attempts(by(proof.OfPassword(store.Account{Password: "x"}))), "auth-failed")
	for range guessesPerAccount - 1 {
		equal(t, "a guess", s.attempts(by("")), "auth-failed")
	}
	equal(t, "one more", s.attempts(by("")), "busy")
	equal(t, "the right one behind them", s.attempts(by(proof.OfPassword(account))), "busy")
	equal(t, "by password", s.login("alice@a.example", rightSecret, "192.0.2.1"), "busy")
	w.clock.advance(guessAgainAccount)
	equal(t, "later", s.attempts(by(proof.OfPassword(account))), "ok")
}

// EP-6: behind too many failures nothing tells by SCRAM whether a password is right,
// and an app password still lets in.
func TestEP6_ScramBehindTooManyFailures(t *testing.T) {
	_, s := guessing(t)
	equal(t, "the password", s.login("alice@a.example", rightSecret, "192.0.2.1"), "ok")
	app, _ := s.withAppPassword("imap")
	for range guessesPerAccount {
		s.login("alice@a.example", "x", "192.0.2.1")
	}
	a := login.Attempt{Client: clientAt(login.IMAP, "192.0.2.1"), Method: login.Scram, User: "alice@a.example"}
	v, err := s.Verifiers(t.Context(), a)
	if err != nil || len(v.Credentials) != 2 {
		t.Fatalf("%d credentials, %v", len(v.Credentials), err)
	}
	for _, c := range v.Credentials {
		a.Proved = c.Mark
		want := map[string]string{app.ID: "ok", store.PasswordAccess: "busy"}[proof.Accesses(c.Mark)[0]]
		equal(t, c.Mark, s.attempts(a), want)
	}
	equal(t, "the password then", s.login("alice@a.example", rightSecret, "192.0.2.1"), "busy")
}

// EP-6: proofs that come all at once are counted one by one: five are looked at, as of
// passwords that come one after another.
func TestEP6_ProofsAllAtOnce(t *testing.T) {
	_, s := guessing(t)
	a := login.Attempt{Client: clientAt(login.SMTP, "192.0.2.1"), Method: login.Scram, User: "alice@a.example"}
	var looked atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, err := s.Login(t.Context(), a)
			if reasonOf(err) != "busy" {
				looked.Add(1)
			}
		})
	}
	all.Wait()
	equal(t, "looked at", int(looked.Load()), guessesPerAccount)
	failed := 0
	for _, r := range s.trail() {
		if strings.Contains(r, string(audit.LoginWrong)) {
			failed++
		}
	}
	equal(t, "recorded", failed, guessesPerAccount)
}

// EP-6: who has an app password has no more guesses at the password by it.
func TestEP6_AppPasswordGivesNoGuesses(t *testing.T) {
	_, s := guessing(t)
	_, app := s.withAppPassword("imap")
	a := login.Attempt{Client: clientAt(login.IMAP, "192.0.2.1"), User: "alice@a.example", Secret: app}
	for range guessesPerAccount {
		equal(t, "the app password", s.attempts(a), "ok")
		equal(t, "a guess", s.login("alice@a.example", "x", "192.0.2.1"), "auth-failed")
	}
	equal(t, "the app password", s.attempts(a), "ok")
	equal(t, "one guess more", s.login("alice@a.example", "x", "192.0.2.1"), "busy")
	equal(t, "the right one", s.login("alice@a.example", rightSecret, "192.0.2.1"), "busy")
}

// EP-6: whoever floods us from an address shuts out nobody there who has a secret that
// cannot be guessed, or gave the right password lately.
func TestEP6_FloodBesideOthersAtTheAddress(t *testing.T) {
	_, s := guessing(t)
	_, app := s.withAppPassword("imap")
	_, token := s.withToken("read")
	s.withCertificate("alice's")
	equal(t, "carol before", s.login("carol@a.example", rightSecret, "192.0.2.1"), "ok")
	for i := range 2 * guessesPerAddress {
		s.login(fmt.Sprintf("n%d@a.example", i), "pap-0000-0000-0000-0000-0000-0000-0000-0000", "192.0.2.1")
	}
	by := func(a login.Attempt, certificates ...string) string {
		a.Client = clientAt(login.IMAP, "192.0.2.1", certificates...)
		return s.attempts(a)
	}
	equal(t, "a password that was not given before", s.login("alice@a.example", rightSecret, "192.0.2.1"), "busy")
	equal(t, "an app password", by(login.Attempt{User: "alice@a.example", Secret: app}), "ok")
	equal(t, "a token", by(login.Attempt{Method: login.Token, Secret: token}), "ok")
	equal(t, "a certificate", by(login.Attempt{Method: login.Certificate}, "alice's"), "ok")
	equal(t, "who was here before", s.login("carol@a.example", rightSecret, "192.0.2.1"), "ok")
	records := len(s.trail())
	equal(t, "a wrong token", by(login.Attempt{Method: login.Token, Secret: "pst_000000_00000000000000000000000000000000"}), "busy")
	equal(t, "its record", len(s.trail()), records)
	equal(t, "elsewhere", s.login("alice@a.example", rightSecret, "192.0.2.2"), "ok")
}

// Whatever lets somebody in is noted in the transaction of the login's record.
func TestLastUse(t *testing.T) {
	_, s := guessing(t)
	access, secret := s.withAppPassword("imap")
	granted, err := s.Login(t.Context(), login.Attempt{Client: clientAt(login.IMAP, "192.0.2.77"), User: "alice@a.example", Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	var app, password store.LastUse
	s.update(func(tx store.Tx) (err error) {
		app, err = tx.LastUse(granted.Account, access.ID)
		if err == nil {
			password, err = tx.LastUse(granted.Account, store.PasswordAccess)
		}
		return err
	})
	want := store.LastUse{At: s.Now().UTC(), Service: "imap", Network: netip.MustParsePrefix("192.0.2.0/24")}
	equal(t, "last use", app == want, true)
	equal(t, "of the password", password == store.LastUse{}, true)
}

// A token that is shown with each request is recorded once in a while, and never goes
// unrecorded for want of room.
func TestTokensAreRecorded(t *testing.T) {
	w, s := guessing(t)
	access, secret := s.withToken("read", "send")
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	use := func(secret string, from netip.Addr) (login.Grant, string) {
		g, err := s.Token(t.Context(), secret, from)
		return g, reasonOf(err)
	}
	full := s.Store
	s.Store = fullStore{s.Store}
	_, code := use(secret, here)
	equal(t, "on a full disk", code, "busy")
	s.Store = full
	for range 5 {
		g, code := use(secret, here)
		equal(t, "use", code, "ok")
		equal(t, "grant", g, login.Grant{Account: access.Account, Access: access.ID, Scopes: []string{"read", "send"}, Proof: proof.OfAccess(access)})
		equal(t, "may read", g.May("read") && !g.May("hooks"), true)
	}
	equal(t, "records", len(s.trail()), 1)
	_, _ = use(secret, there)
	equal(t, "records from elsewhere", len(s.trail()), 2)
	w.clock.advance(tokenRecorded)
	_, _ = use(secret, here)
	equal(t, "records later", len(s.trail()), 3)
	_, code = use(secret[:len(secret)-1], here)
	equal(t, "a wrong one", code, "auth-failed")
	_ = s.revoke(access)
	_, code = use(secret, here)
	equal(t, "revoked", code, "auth-failed")
	equal(t, "records of wrong ones", len(s.trail()), 5)
}

// Clients are asked for certificates while somebody has one.
func TestClientsAreAsked(t *testing.T) {
	_, s := guessing(t)
	certificate, key, err := SelfSigned("mx.a.example", nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	config := s.askingClients(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	asked := func() (asked bool) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		client := tls.Client(near, &tls.Config{InsecureSkipVerify: true, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return new(tls.Certificate), nil
		}})
		ended := make(chan error, 1)
		go func() { ended <- tls.Server(far, config).HandshakeContext(t.Context()) }()
		err := errors.Join(client.HandshakeContext(t.Context()), <-ended)
		if err != nil {
			t.Fatal(err)
		}
		return asked
	}
	equal(t, "before", asked(), false)
	s.withToken("read")
	equal(t, "with a token", asked(), false)
	access := s.withCertificate("alice's")
	equal(t, "with a certificate", asked(), true)
	_ = s.revoke(access)
	equal(t, "after", asked(), false)
	equal(t, "without TLS", s.askingClients(nil) == nil, true)
}
