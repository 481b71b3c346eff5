package gateway

import (
	"bytes"
	"crypto/rand"
	"io"
	"testing"

	"postern/internal/login"
	"postern/internal/password"
	"postern/smtp"
	"postern/store"
)

// EP-11: a login is good for as long as the account is what it was.
func TestEP11_LoginOfAClosedAccount(t *testing.T) {
	alice := addr(t, "alice@a.example")
	for name, tt := range map[string]struct {
		change func(tx store.Tx) error
		want   string
	}{
		"as it was":        {func(store.Tx) error { return nil }, "ok"},
		"disabled":         {func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: alice, Disabled: true}) }, "auth-required"},
		"another password": {func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: alice, Password: "x"}) }, "auth-required"},
		"removed":          {func(tx store.Tx) error { return tx.RemoveAccount(alice) }, "auth-required"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.site("a.example")
			hash, err := password.Hash([]byte("correct horse battery"), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			s.update(func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: alice, Password: hash}) })
			sub := Submission{s.Core}
			granted, err := sub.Login(t.Context(), login.Attempt{User: "Alice@A.example", Secret: "correct horse battery"})
			if err != nil {
				t.Fatal(err)
			}
			s.update(tt.change)
			equal(t, "MAIL", reasonOf(sub.CheckSender(t.Context(), granted, alice)), tt.want)
			e := smtp.Envelope{Account: granted.Account, Proof: granted.Proof, From: alice, To: addrs(t, "bob@b.example")}
			_, err = sub.Accept(t.Context(), e, bytes.NewReader(crlf(message("alice@a.example", "bob@b.example"))))
			equal(t, "message", reasonOf(err), tt.want)
			equal(t, "jobs", len(s.jobs()) == 1, tt.want == "ok")
		})
	}
}

// The account may be closed while its message is on the way.
func TestEP11_AccountClosesDuringTheTransfer(t *testing.T) {
	w := newWorld(t)
	s := w.site("a.example")
	s.accounts("alice@a.example")
	alice := addr(t, "alice@a.example")
	e := smtp.Envelope{Account: alice, Proof: s.proof(alice), From: alice, To: addrs(t, "bob@b.example")}
	closing := readerFunc(func([]byte) (int, error) {
		s.disable("alice@a.example")
		return 0, io.EOF
	})
	_, err := Submission{s.Core}.Accept(t.Context(), e, io.MultiReader(bytes.NewReader(crlf(message("alice@a.example", "bob@b.example"))), closing))
	equal(t, "message", reasonOf(err), "auth-required")
	equal(t, "jobs", len(s.jobs()), 0)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
