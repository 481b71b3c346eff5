package control

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"postern/internal/gateway"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// An address goes with its certificate, and not while messages wait of which nobody could
// be told without it (DN-8).
func TestDN8_NothingGoesThatIsNeededToTell(t *testing.T) {
	const bob, dr = "bob@a.example", "dr@a.example"
	push := func(to mime.Address, answers bool) store.Push { return store.Push{Account: to, Answers: answers} }
	for name, tt := range map[string]struct {
		owner   string // whose certificate there is
		also    string // and another
		job     func(bob, dr mime.Address) store.Job
		refused bool
	}{
		"to be opened": {bob, "", func(bob, _ mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{bob}}
		}, true},
		"to be opened, of the domain too": {bob, "a.example", func(bob, _ mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{bob}}
		}, true},
		"to be opened, by the alias, of the domain too": {dr, "a.example", func(_, dr mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{dr}}
		}, true},
		"a notification, of the domain too": {bob, "a.example", func(bob, _ mime.Address) store.Job {
			return store.Job{Kind: store.SealJob, Automatic: true, Sender: bob, Recipients: addresses(t, "zoe@z.example")}
		}, false},
		"for the edge, of the domain too": {dr, "a.example", func(bob, dr mime.Address) store.Job {
			return store.Job{Kind: store.PushJob, Recipients: []mime.Address{dr}, Push: push(bob, true)}
		}, false},
		"to be opened, without a certificate": {"a.example", "", func(bob, _ mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{bob}}
		}, false},
		"by the alias": {dr, "", func(_, dr mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{dr}}
		}, true},
		"for the edge": {dr, "", func(bob, dr mime.Address) store.Job {
			return store.Job{Kind: store.PushJob, Recipients: []mime.Address{dr}, Push: push(bob, true)}
		}, true},
		"for the edge, a notice": {bob, "", func(bob, _ mime.Address) store.Job {
			return store.Job{Kind: store.PushJob, Recipients: []mime.Address{bob}, Push: push(bob, false)}
		}, false},
		"a notification": {bob, "", func(bob, _ mime.Address) store.Job {
			return store.Job{Kind: store.SealJob, Automatic: true, Sender: bob, Recipients: addresses(t, "zoe@z.example")}
		}, true},
		"to another": {bob, "", func(_, _ mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: addresses(t, "alice@a.example")}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example")
			ctx := t.Context()
			for _, a := range []string{"alice@a.example", bob} {
				must(t, s.AddAccount(ctx, a, []byte("correct horse battery")))
			}
			must(t, s.AddAlias(ctx, dr, bob))
			for _, owner := range []string{tt.owner, tt.also} {
				if owner != "" {
					_, err := s.IssueCertificate(ctx, KeyOrder{Owner: owner})
					must(t, err)
				}
			}
			s.enqueue(t, tt.job(addressOf(t, bob), addressOf(t, dr)))
			if tt.owner == dr && tt.refused {
				isRefused(t, "alias", s.RemoveAlias(ctx, dr, false), Negative)
			}
			_, err := s.RemoveAccount(ctx, bob, false)
			if !tt.refused {
				must(t, err)
				return
			}
			isRefused(t, "account", err, Negative)
			if !strings.Contains(err.Error(), "1 in all") {
				t.Errorf("it says %v", err)
			}
			_, err = s.RemoveAccount(ctx, bob, true)
			must(t, err)
		})
	}
}

// Of what joined a push it is asked who had the address when that came, as it is answered.
func TestDN8_WhatJoinedAPushNeedsTheCertificateThatIsSince(t *testing.T) {
	const bob, dr = "bob@a.example", "dr@a.example"
	s := ours(t, "a.example")
	ctx := t.Context()
	must(t, s.AddAccount(ctx, bob, []byte("correct horse battery")))
	first := s.enqueue(t, store.Job{Kind: store.PushJob, Recipients: addresses(t, bob), Push: store.Push{Account: addressOf(t, bob)}})
	must(t, s.AddAlias(ctx, dr, bob))
	_, err := s.IssueCertificate(ctx, KeyOrder{Owner: dr})
	must(t, err)
	must(t, s.core.Store.Update(ctx, func(tx store.Tx) error {
		job, err := tx.Job(first)
		if err != nil {
			return err
		}
		later := store.Track{Era: store.Now, Recipients: []store.TrackRecipient{{Address: addressOf(t, dr), State: store.TrackQueued}}}
		later.ID, err = store.NewTrackID(s.core.Now(), nil)
		if err != nil {
			return err
		}
		err = tx.PutTrack(later)
		if err != nil {
			return err
		}
		return tx.Reschedule(job.Naming(append(job.Names(), store.PushName{Track: later.ID, Address: addressOf(t, dr), Answers: true})...))
	}))
	isRefused(t, "alias", s.RemoveAlias(ctx, dr, false), Negative)
	must(t, s.RemoveAlias(ctx, dr, true))
}

// What waits to be opened may be sealed to any certificate that its address has, also to one
// that is retired: it needs them all, whatever its domain has (DN-8).
func TestDN8_NothingGoesThatIsNeededToOpen(t *testing.T) {
	const bob, dr, ward = "bob@a.example", "dr@a.example", "ward@a.example"
	for name, retired := range map[string]bool{"encrypt": false, "both": true} {
		for _, owner := range []string{bob, dr, ward} {
			for _, domains := range []bool{false, true} {
				t.Run(fmt.Sprint(owner, " ", name, ", of the domain ", domains), func(t *testing.T) {
					s := ours(t, "a.example")
					ctx := t.Context()
					must(t, s.AddAccount(ctx, bob, []byte("correct horse battery")))
					must(t, s.AddAlias(ctx, dr, bob))
					must(t, s.AddGroup(ctx, ward, []string{bob}))
					if domains {
						_, err := s.IssueCertificate(ctx, KeyOrder{Owner: "a.example"})
						must(t, err)
					}
					issued, err := s.IssueCertificate(ctx, KeyOrder{Owner: owner, Use: name})
					must(t, err)
					if retired {
						_, err := s.RetireCertificate(ctx, Retire{SHA256: issued.Certificate.SHA256})
						must(t, err)
					}
					s.enqueue(t, store.Job{Kind: store.OpenJob, Recipients: addresses(t, owner)})
					_, err = s.RemoveAccount(ctx, bob, false)
					isRefused(t, "account", err, Negative)
					switch owner {
					case dr:
						err = s.RemoveAlias(ctx, dr, false)
					case ward:
						err = s.RemoveGroup(ctx, ward, false)
					}
					isRefused(t, "address", err, Negative)
					disable := owner == bob
					if e := (*Error)(nil); !errors.As(err, &e) || strings.Contains(e.Hint, "account disable") != disable {
						t.Errorf("the hint is %v", e)
					}
					_, err = s.RemoveAccount(ctx, bob, true)
					must(t, err)
				})
			}
		}
	}
}

// A message comes while its address goes: either the address stays for it, or it is not
// taken. It is never taken to be opened by nobody (DN-8).
func TestDN8_AMessageComesWhileItsAddressGoes(t *testing.T) {
	const rounds = 40
	s := ours(t, "a.example")
	ctx := t.Context()
	bob := addressOf(t, "bob@a.example")
	e := smtp.Envelope{Remote: netip.MustParseAddrPort("192.0.2.1:25"), From: addressOf(t, "zoe@z.example"), To: []mime.Address{bob}}
	seen := make(map[string]int)
	for range rounds {
		must(t, s.AddAccount(ctx, bob.String(), []byte("correct horse battery")))
		_, err := s.IssueCertificate(ctx, KeyOrder{Owner: bob.String(), Key: "p256"})
		must(t, err)
		var both sync.WaitGroup
		var taken, removed error
		both.Go(func() {
			_, taken = gateway.Backbone{Core: s.core}.Accept(ctx, e, strings.NewReader("From: z\r\n\r\nx\r\n"))
		})
		both.Go(func() { _, removed = s.RemoveAccount(ctx, bob.String(), false) })
		both.Wait()
		switch {
		case taken == nil && removed == nil:
			t.Fatal("it was taken for an address that went")
		case taken == nil:
			seen["taken"]++
			isRefused(t, "account", removed, Negative)
			_, err = s.RemoveAccount(ctx, bob.String(), true)
			must(t, err)
			must(t, s.core.Store.Update(ctx, func(tx store.Tx) error {
				var waiting []store.JobID
				err := tx.EachJob(1, func(j store.Job) bool {
					waiting = append(waiting, j.ID)
					return true
				})
				for _, id := range waiting {
					err = errors.Join(err, tx.Finish(id))
				}
				return err
			}))
		case removed == nil:
			seen["removed"]++
			equal(t, "reason", reason.Of(taken), reason.Busy)
		default:
			t.Fatalf("neither: %v, %v", taken, removed)
		}
	}
	t.Logf("%v", seen)
}
