package control

import (
	"strings"
	"testing"

	"postern/internal/password"
	"postern/internal/testnet"
	"postern/mime"
	"postern/store"
)

func removed(_ RemovedDomain, err error) error { return err }

func gone(_ RemovedAccount, err error) error { return err }

func TestAS2_Domains(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	must(t, s.AddDomain(ctx, "A.Example."))
	isRefused(t, "again", s.AddDomain(ctx, "a.example"), Negative)
	for _, name := range []string{"", "example", "a b.example", "*.example", "ä.example", strings.Repeat("a.", 200) + "example"} {
		isRefused(t, name, s.AddDomain(ctx, name), Invalid)
	}
	all, err := s.Domains(ctx)
	must(t, err)
	if len(all) != 1 || all[0].Name != "a.example" || !all[0].Created.Equal(noon()) {
		t.Errorf("domains %+v", all)
	}
	must(t, s.AddAccount(ctx, "alice@a.example", []byte("correct horse battery")))
	isRefused(t, "removing one with accounts", removed(s.RemoveDomain(ctx, "a.example", false)), Negative)
	must(t, gone(s.RemoveAccount(ctx, "alice@a.example", false)))
	must(t, removed(s.RemoveDomain(ctx, "a.example", false)))
	isRefused(t, "removing again", removed(s.RemoveDomain(ctx, "a.example", false)), Negative)
	isRefused(t, "removing nonsense", removed(s.RemoveDomain(ctx, "nonsense", false)), Invalid)
	all, err = s.Domains(ctx)
	must(t, err)
	equal(t, "domains left", len(all), 0)
}

// TB-18: bundles stay when a domain goes, and those that it alone believed are told.
func TestRemovingADomainTellsOfBundles(t *testing.T) {
	s := ours(t, "a.example", "b.example")
	for name, attached := range map[string][]store.Attachment{
		"west": {to("a.example", store.In)}, "east": {to("a.example", store.In), to("b.example", store.Out)},
		"north": {to("", store.Both)}, "south": nil,
	} {
		bundleWith(t, s, store.Bundle{Name: name, Attached: attached})
	}
	for _, tt := range []RemovedDomain{
		{DomainName{"a.example"}, []string{"west"}, []string{}, &Waiting{}}, {DomainName{"b.example"}, []string{"east"}, []string{}, &Waiting{}},
	} {
		got, err := s.RemoveDomain(t.Context(), tt.Name, false)
		must(t, err)
		equal(t, tt.Name, got, tt)
	}
}

func TestAccounts(t *testing.T) {
	s := ours(t, "a.example")
	ctx := t.Context()
	first, second := []byte("correct horse battery"), []byte("staple of another kind")
	must(t, s.AddAccount(ctx, "Alice@a.example", first))
	isRefused(t, "again, in other case", s.AddAccount(ctx, "ALICE@A.EXAMPLE", second), Negative)
	isRefused(t, "of another domain", s.AddAccount(ctx, "x@b.example", first), Negative)
	isRefused(t, "no address", s.AddAccount(ctx, "alice", first), Invalid)
	isRefused(t, "no password", s.AddAccount(ctx, "bob@a.example", nil), Invalid)
	long := strings.Repeat("secret", password.MaxLength)
	err := s.AddAccount(ctx, "bob@a.example", []byte(long))
	isRefused(t, "an endless password", err, Invalid)
	if strings.Contains(err.Error(), "secret") {
		t.Error("the password is in the error")
	}
	lets := func(secret []byte) bool {
		_, err := s.core.Authenticate(ctx, password.Client{}, "alice@a.example", string(secret))
		return err == nil
	}
	equal(t, "the first password", lets(first), true)
	must(t, s.ChangePassword(ctx, "alice@A.example", second))
	equal(t, "the first password, changed", lets(first), false)
	equal(t, "the second", lets(second), true)
	must(t, s.SetDisabled(ctx, "alice@a.example", true))
	equal(t, "disabled", lets(second), false)
	all, err := s.Accounts(ctx)
	must(t, err)
	equal(t, "accounts", all, []AccountInfo{{Address: "Alice@a.example", Disabled: true, Quota: 10 << 30, Standard: true, Senders: []string{}, Created: noon(), Logins: Logins{Scram: true}}})
	must(t, s.SetQuota(ctx, QuotaOrder{"alice@a.example", 5 << 30}))
	all, err = s.Accounts(ctx)
	must(t, err)
	equal(t, "a quota of its own", all[0].Quota, 5<<30)
	must(t, s.SetQuota(ctx, QuotaOrder{"alice@a.example", -7}))
	all, err = s.Accounts(ctx)
	must(t, err)
	equal(t, "no quota", all[0].Quota, 0)
	isRefused(t, "a quota beyond all", s.SetQuota(ctx, QuotaOrder{"alice@a.example", 1 << 60}), Invalid)
	isRefused(t, "of nobody", s.SetQuota(ctx, QuotaOrder{"nobody@a.example", 1}), Negative)
	must(t, s.SetDisabled(ctx, "alice@a.example", false))
	equal(t, "enabled", lets(second), true)
	for what, err := range map[string]error{
		"passwd":  s.ChangePassword(ctx, "nobody@a.example", second),
		"disable": s.SetDisabled(ctx, "nobody@a.example", true),
		"remove":  gone(s.RemoveAccount(ctx, "nobody@a.example", false)),
	} {
		isRefused(t, what+" of nobody", err, Negative)
	}
	isRefused(t, "passwd of nonsense", s.ChangePassword(ctx, "nonsense", second), Invalid)
	isRefused(t, "disable of nonsense", s.SetDisabled(ctx, "@", true), Invalid)
	isRefused(t, "remove of nonsense", gone(s.RemoveAccount(ctx, "", false)), Invalid)
	must(t, gone(s.RemoveAccount(ctx, "alice@a.example", false)))
	equal(t, "removed", lets(second), false)
	for _, secret := range [][]byte{first, second} {
		if strings.Contains(s.log.String(), string(secret)) {
			t.Error("a password is in the log")
		}
	}
}

// The keys and anchors of what is removed do not come back with its name.
func TestRemovedNamesLeaveNothing(t *testing.T) {
	s := ours(t, "a.example")
	ctx := t.Context()
	root := testnet.NewPKI(t, noon()).Root("root")
	must(t, s.AddAccount(ctx, "alice@a.example", []byte("correct horse battery")))
	for _, owner := range []string{"alice@a.example", "bob@a.example", "a.example"} {
		_, err := s.ImportCertificates(ctx, importOf(t, owner, root.Leaf(owner)))
		must(t, err)
	}
	_, err := s.AddAnchors(ctx, AnchorsToAdd{Domain: "a.example", Direction: "both", Certificates: [][]byte{root.Cert.Raw}})
	must(t, err)
	left := func() (certificates, anchors int) {
		c, err := s.Certificates(ctx, CertificateFilter{})
		must(t, err)
		a, err := s.Anchors(ctx)
		must(t, err)
		return len(c), len(a)
	}
	must(t, gone(s.RemoveAccount(ctx, "alice@a.example", false)))
	c, a := left()
	equal(t, "certificates without the account", c, 2)
	equal(t, "anchors without the account", a, 1)
	must(t, removed(s.RemoveDomain(ctx, "a.example", false)))
	must(t, s.AddDomain(ctx, "a.example"))
	c, a = left()
	equal(t, "certificates of the domain that came again", c, 0)
	equal(t, "anchors of it", a, 0)
}

// What the directory says is what the gateway does, at once.
func TestChangesReachTheGateway(t *testing.T) {
	s := ours(t, "a.example")
	d, err := s.core.Directory(t.Context())
	must(t, err)
	equal(t, "before", d.IsOurs("b.example"), false)
	must(t, s.AddDomain(t.Context(), "b.example"))
	d, err = s.core.Directory(t.Context())
	must(t, err)
	equal(t, "after", d.IsOurs(mime.Domain("b.example")), true)
}
