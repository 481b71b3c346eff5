package gateway

import (
	"testing"

	"postern/mime"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// What is known at RCPT to fail is refused there, if it is wanted so; what may yet
// succeed is taken.
func TestRefuseUnreachable(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example", "bob@a.example")
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "no answer")}, r.Address.String() == "slow@c.example"
	}
	alice := addr(t, "alice@a.example")
	for _, row := range []struct{ to, off, on string }{
		{"bob@b.example", "ok", "ok"},
		{"bob@a.example", "ok", "ok"},
		{"nobody@a.example", "unknown-recipient", "unknown-recipient"},
		{"who@elsewhere.example", "ok", "no-certificate"},
		{"slow@c.example", "ok", "ok"},
	} {
		for on, want := range map[bool]string{false: row.off, true: row.on} {
			a.RefuseUnreachable = on
			equal(t, row.to, reasonOf(Submission{a.Core}.CheckRecipient(t.Context(), alice, addr(t, row.to))), want)
		}
	}
	a.RefuseUnreachable = true
	a.update(func(tx store.Tx) error { return noAnchors(tx) })
	equal(t, "nobody is trusted", reasonOf(Submission{a.Core}.CheckRecipient(t.Context(), alice, addr(t, "bob@b.example"))), "no-anchors")
}

func noAnchors(tx store.Tx) error {
	all, err := tx.Anchors()
	if err != nil {
		return err
	}
	for _, anchor := range all {
		err := tx.RemoveAnchor(anchor.Source, anchor.Domain, anchor.Fingerprint)
		if err != nil {
			return err
		}
	}
	return nil
}

// RFC 5321 §4.1.1.3: <postmaster> is somebody, if anybody is.
func TestPostmaster(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example", "m.example")
	_, err := a.Postmaster(t.Context())
	equal(t, "nobody", reasonOf(err), "unknown-recipient")
	for _, name := range []string{"postmaster@m.example", "postmaster@a.example"} {
		a.accounts(name)
		got, err := a.Postmaster(t.Context())
		equal(t, "postmaster", []string{got.String(), reasonOf(err)}, []string{name, "ok"})
	}
	a.Hostname = "m.example"
	got, err := a.Postmaster(t.Context())
	equal(t, "of the hostname", []string{got.String(), reasonOf(err)}, []string{"postmaster@m.example", "ok"})
	a.disable("postmaster@m.example")
	got, err = a.Postmaster(t.Context())
	equal(t, "disabled", []string{got.String(), reasonOf(err)}, []string{"postmaster@a.example", "ok"})
}

// AS-51: a header of UTF-8 is sealed in ASCII, and reads the same.
func TestAS51_HeaderOfUTF8(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	a.submit("From: J\u00fcrgen <alice@a.example>\nTo: \"B, \u00d6\" <bob@b.example>\nSubject: M\u00fcller\nX-Ward:  7\n\nbody\n", "alice@a.example", "bob@b.example")
	h := headerOf(t, a.body(a.jobs()[0].Body))
	equal(t, "Subject", mime.DecodeText(h.Get("Subject")), "M\u00fcller")
	equal(t, "From", mime.DecodeText(h.Get("From")), "J\u00fcrgen <alice@a.example>")
	equal(t, "To", mime.DecodeText(h.Get("To")), "B, \u00d6 <bob@b.example>")
	equal(t, "what is ASCII", string(h.Fields()[3].Raw), "X-Ward:  7\r\n")
	err := checkPrintable(h)
	if err != nil {
		t.Errorf("%v: %q", err, h.Fields())
	}
}
