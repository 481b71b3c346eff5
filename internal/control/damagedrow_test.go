package control

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"postern/internal/gateway/care"
	"postern/internal/testnet"
	"postern/store"
	"postern/store/storetest"
)

// What is damaged is listed as such, beside what is whole, and a command ends it or puts it
// anew. Nothing is damaged then.
func TestOneDamagedRowIsMended(t *testing.T) {
	const eve = "eve@a.example"
	leaf := testnet.NewPKI(t, noon()).Root("root").Leaf("a.example")
	fingerprint := store.FingerprintOf(leaf.Cert.Raw)
	removed := func(s *server) error { _, err := s.RemoveAccount(t.Context(), eve, false); return err }
	retired := func(s *server) error {
		r, err := s.RetireCertificate(t.Context(), Retire{SHA256: fingerprint.String()})
		if err == nil && len(r.Warnings) == 0 {
			err = fmt.Errorf("nothing is said of the key")
		}
		return err
	}
	text := func(all any, err error) (string, error) { return fmt.Sprintf("%+v", all), err }
	certificates := func(s *server) (string, error) { return text(s.Certificates(t.Context(), CertificateFilter{})) }
	for _, c := range []struct {
		name, begins, behind string
		lists                func(*server) (string, error)
		says                 string
		mends                []func(*server) error // each by itself
	}{
		{"account", `{"address":"` + eve + `","password"`, "",
			func(s *server) (string, error) { return text(s.Accounts(t.Context())) }, "Damaged:true",
			[]func(*server) error{removed, func(s *server) error { return s.AddAccount(t.Context(), eve, []byte("correct horse battery")) }}},
		{"alias", `{"address":"evie@a.example","members"`, "",
			func(s *server) (string, error) { return text(s.Aliases(t.Context())) }, "Damaged:true",
			[]func(*server) error{func(s *server) error { return s.RemoveAlias(t.Context(), "evie@a.example", false) }}},
		{"group", `{"address":"team@a.example","members"`, "",
			func(s *server) (string, error) { return text(s.Groups(t.Context())) }, "Damaged:true",
			[]func(*server) error{func(s *server) error { return s.RemoveGroup(t.Context(), "team@a.example", false) }}},
		{"access", `{"id":"abcdef","account"`, "",
			func(s *server) (string, error) { return text(s.Accesses(t.Context(), eve)) }, "Damaged:true",
			[]func(*server) error{removed, func(s *server) error {
				_, err := s.RevokeAccess(t.Context(), AccessName{eve, "abcdef"})
				return err
			}}},
		{"keys of an access", `{"id":"abcdef","account"`, `"sealed":".{60}`,
			func(s *server) (string, error) { return text(s.Accesses(t.Context(), "")) }, "Damaged:true",
			[]func(*server) error{removed, func(s *server) error {
				_, err := s.RevokeAccess(t.Context(), AccessName{eve, "abcdef"})
				return err
			}}},
		{"password for SCRAM", `{"id":"password","account":"` + eve, `"sealed":".{60}`,
			func(s *server) (string, error) { return text(s.Accounts(t.Context())) }, eve,
			[]func(*server) error{removed, func(s *server) error { return s.ChangePassword(t.Context(), eve, []byte("correct horse battery")) }}},
		{"hook", `{"id":"hookid","account"`, "",
			func(s *server) (string, error) { return text(s.Hooks(t.Context(), "")) }, "Disabled:damaged",
			[]func(*server) error{removed, func(s *server) error { return s.RemoveHook(t.Context(), HookName{eve, "hookid"}) }}},
		{"secret of a hook", `{"id":"hookid","account"`, `"sealed":".{60}`,
			func(s *server) (string, error) { return text(s.Hooks(t.Context(), eve)) }, "Disabled:damaged",
			[]func(*server) error{removed, func(s *server) error { return s.RemoveHook(t.Context(), HookName{eve, "hookid"}) }}},
		{"edge", `{"owner":"` + eve + `","host"`, "",
			func(s *server) (string, error) { return text(s.Edges(t.Context())) }, "Damaged:true",
			[]func(*server) error{removed, func(s *server) error { return s.RemoveEdge(t.Context(), eve) }}},
		{"private key", `"owner":"a.example","certificate"`, `"sealed":".{60}`, certificates, StateUnreadable, []func(*server) error{retired}},
		{"record of a key", `"owner":"a.example","certificate"`, `"owner`, certificates, StateUnreadable, []func(*server) error{retired}},
		{"key request", `"owner":"` + eve + `","created"`, `"sealed":".{60}`,
			func(s *server) (string, error) { return text(s.KeyRequests(t.Context())) }, "cannot be read", []func(*server) error{removed}},
		{"anchor", `{"source":"manual","domain":"a.example"`, "",
			func(s *server) (string, error) { return text(s.Anchors(t.Context())) }, "cannot be read",
			[]func(*server) error{func(s *server) error {
				_, err := s.RemoveAnchor(t.Context(), AnchorName{SHA256: fingerprint.String(), Domain: "a.example"})
				return err
			}}},
		{"domain", `{"name":"a.example","created"`, "",
			func(s *server) (string, error) { return text(s.Domains(t.Context())) }, "Damaged:true",
			[]func(*server) error{func(s *server) error {
				_, err := s.SetRetention(t.Context(), RetentionOrder{"a.example", Forever})
				return err
			}}},
		{"bundle", `{"name":"community","url"`, "",
			func(s *server) (string, error) { return text(s.Bundles(t.Context())) }, BundleDamaged,
			[]func(*server) error{func(s *server) error {
				_, err := s.RemoveBundle(t.Context(), BundleRemoval{Name: "community"})
				return err
			}}},
	} {
		for i, mend := range c.mends {
			t.Run(fmt.Sprintf("%s/%d", c.name, i+1), func(t *testing.T) {
				s := ours(t, "a.example")
				ctx := t.Context()
				for _, name := range []string{"bob@a.example", eve} {
					must(t, s.AddAccount(ctx, name, []byte("correct horse battery")))
				}
				must(t, s.AddAlias(ctx, "evie@a.example", eve))
				must(t, s.AddGroup(ctx, "team@a.example", []string{"bob@a.example", eve}))
				evil := addressOf(t, eve)
				must(t, s.core.Store.Update(ctx, func(tx store.Tx) error {
					keys, err := s.core.Keys(ctx, evil, "x")
					if err != nil {
						return err
					}
					for _, put := range []func() error{
						func() error {
							return tx.PutAccess(store.Access{ID: "abcdef", Account: evil, Kind: store.AppPassword, Sum: store.Fingerprint{1}, Keys: keys})
						},
						func() error {
							return tx.PutHook(store.Hook{ID: "hookid", Account: evil, URL: "https://app.example/", Secret: []byte("secret"), Events: store.HookEventTypes()})
						},
						func() error { return tx.PutEdge(store.Edge{Owner: eve, Host: "edge.a.example", Port: 25}) },
						func() error {
							return tx.PutKey(store.Key{Fingerprint: fingerprint, Owner: "a.example", Certificate: leaf.Cert.Raw, PKCS8: make([]byte, 200)})
						},
						func() error {
							return tx.PutAnchor(store.Anchor{Source: store.ManualSource, Domain: "a.example", Fingerprint: fingerprint, Direction: store.In, Certificate: leaf.Cert.Raw})
						},
						func() error { return tx.PutBundle(store.Bundle{Name: "community", URL: "https://bundle.example/"}) },
					} {
						err := put()
						if err != nil {
							return err
						}
					}
					return nil
				}))
				_, err := s.MakeKeyRequest(ctx, KeyOrder{Owner: eve})
				must(t, err)
				storetest.Damage(t, filepath.Join(s.dir, care.StoreFile), c.begins, c.behind)
				equal(t, "damaged", len(s.damaged(t)) > 0, true)
				list, err := c.lists(s)
				must(t, err)
				if !strings.Contains(list, c.says) {
					t.Errorf("the list does not say %s: %s", c.says, list)
				}
				must(t, mend(s))
				equal(t, "damaged still", strings.Join(s.damaged(t), "\n"), "")
				_, err = s.core.Directory(ctx)
				must(t, err)
			})
		}
	}
}

// An account that is made anew over a damaged record may have been shut out: nothing leads
// into it but the new password, and what is not known of it is told.
func TestADamagedAccountIsMadeAnewWithoutWaysIn(t *testing.T) {
	const eve, password = "eve@a.example", "another horse battery"
	s := ours(t, "a.example")
	ctx := t.Context()
	must(t, s.AddAccount(ctx, eve, []byte("correct horse battery")))
	must(t, s.AddAccount(ctx, "bob@a.example", []byte("correct horse battery")))
	evil := addressOf(t, eve)
	for _, name := range []string{eve, "bob@a.example"} {
		must(t, s.core.Store.Update(ctx, func(tx store.Tx) error {
			a := addressOf(t, name)
			keys, err := s.core.Keys(ctx, a, "x")
			if err != nil {
				return err
			}
			return tx.PutAccess(store.Access{ID: "id-of-" + name[:3], Account: a, Kind: store.AppPassword, Sum: store.Fingerprint{1}, Scopes: []string{"imap"}, Keys: keys})
		}))
	}
	must(t, s.SetDisabled(ctx, eve, true))
	storetest.Damage(t, filepath.Join(s.dir, care.StoreFile), `{"address":"`+eve+`","password"`, "")
	added, err := s.MakeAccount(ctx, AccountOrder{Address: eve, Password: []byte(password)})
	must(t, err)
	said := strings.Join(added.Warnings, "\n")
	for _, want := range []string{"disabled", "certificate", "patient", "app passwords"} {
		equal(t, "it says "+want, strings.Contains(said, want), true)
	}
	must(t, s.core.Store.View(ctx, func(tx store.Tx) error {
		all, err := tx.AccessesOf(evil)
		equal(t, "ways in", len(all), 1)
		equal(t, "that of the password", all[0].Kind, store.PasswordKind)
		if err == nil {
			all, err = tx.AccessesOf(addressOf(t, "bob@a.example"))
			equal(t, "bob's", len(all), 2)
		}
		return err
	}))
	added, err = s.MakeAccount(ctx, AccountOrder{Address: "carol@a.example", Password: []byte(password)})
	must(t, err)
	equal(t, "of an account that is new", len(added.Warnings), 0)
}

// damaged is what store check finds that cannot be read.
func (s *server) damaged(t *testing.T) []string {
	t.Helper()
	report, err := s.core.Store.Check(t.Context())
	must(t, err)
	return slices.DeleteFunc(report.Problems, func(p string) bool {
		return !strings.Contains(p, store.ErrCorrupt.Error()) || strings.Contains(p, "audit trail")
	})
}
