package gateway

import (
	"net/netip"
	"testing"

	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
)

// A message is not taken for an address that goes while it comes: nothing opens it any more,
// and nobody would be told (AS-66, DN-8). The other recipients get it with the next try.
func TestDN8_AnAddressThatGoesWhileAMessageComes(t *testing.T) {
	for name, tt := range map[string]struct {
		to   string
		do   func(s *site, tx store.Tx) error
		want string
	}{
		"nothing":       {"bob@b.example", func(*site, store.Tx) error { return nil }, "ok"},
		"the account":   {"bob@b.example", func(s *site, tx store.Tx) error { return tx.RemoveAccount(addr(s.t, "bob@b.example")) }, "busy"},
		"another":       {"bob@b.example", func(s *site, tx store.Tx) error { return tx.RemoveAccount(addr(s.t, "carol@b.example")) }, "ok"},
		"the alias":     {"dr@b.example", func(s *site, tx store.Tx) error { return tx.RemoveAlias(addr(s.t, "dr@b.example")) }, "busy"},
		"one that sent": {"was@b.example", func(s *site, tx store.Tx) error { return tx.RemoveAccount(addr(s.t, "carol@b.example")) }, "ok"},
		"the domain": {"dr@b.example", func(s *site, tx store.Tx) error {
			for _, a := range []string{"bob@b.example", "carol@b.example"} {
				err := tx.RemoveAccount(addr(s.t, a))
				if err != nil {
					return err
				}
			}
			return tx.RemoveDomain("b.example")
		}, "busy"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			b := w.site("b.example")
			b.accounts("bob@b.example", "carol@b.example", "dan@b.example")
			b.alias("dr@b.example", "bob@b.example")
			b.update(func(tx store.Tx) error {
				return tx.PutSentAs(store.SentAs{Address: addr(t, "was@b.example"), Account: addr(t, "dan@b.example"), At: b.Now()})
			})
			if name == "the domain" {
				b.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(t, "dan@b.example")) })
			}
			e := smtp.Envelope{Remote: netip.MustParseAddrPort("192.0.2.1:25"), From: addr(t, "alice@a.example"), To: []mime.Address{addr(t, tt.to)}}
			equal(t, "RCPT TO", reasonOf(Backbone{b.Core}.CheckRecipient(t.Context(), e.To[0])), "ok")
			_, err := Backbone{b.Core}.Accept(t.Context(), e, &interrupted{head: []byte("From: x\r\n\r\nx\r\n"), then: func() {
				b.update(func(tx store.Tx) error { return tt.do(b, tx) })
			}})
			equal(t, "DATA", reasonOf(err), tt.want)
			want := 0
			if tt.want == "ok" {
				want = 1
			}
			equal(t, "to be opened", len(b.jobs(store.OpenJob)), want)
		})
	}
}

// A copy for an address of ours is not queued when that went while it was sealed: the next
// try tells the sender.
func TestDN8_AnAddressThatGoesWhileItsCopyIsSealed(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	b.accounts("nurse@b.example", "bob@b.example")
	id := b.submit(message("nurse@b.example", "bob@b.example>, <zoe@z.example"), "nurse@b.example", "bob@b.example", "zoe@z.example")
	w.find = func(r discovery.Request) (discovery.Result, bool) {
		w.find = nil
		b.update(func(tx store.Tx) error { return tx.RemoveAccount(addr(t, "bob@b.example")) })
		return discovery.Result{}, false
	}
	b.doStep(t.Context(), b.jobs(store.SealJob)[0], b.seal)
	equal(t, "to be opened", len(b.jobs(store.OpenJob)), 0)
	w.settle()
	wantStates(t, b.states(id), "bob@b.example failed unknown-recipient", "zoe@z.example failed no-certificate")
}
