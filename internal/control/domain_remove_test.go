package control

import (
	"strings"
	"testing"

	"postern/mime"
	"postern/store"
)

// A domain goes with all certificates of its addresses, and not while messages wait of
// which nobody could be told without them (DN-8). It is said which addresses end with it,
// and what waits for them.
func TestDN8_NoDomainGoesThatIsNeededToTell(t *testing.T) {
	const bob, dr, ward = "bob@a.example", "dr@b.example", "ward@b.example"
	for name, tt := range map[string]struct {
		owner   string // whose certificate there is
		job     func(bob, dr mime.Address) store.Job
		refused bool
		waiting Waiting
	}{
		"to be opened": {"b.example", func(_, dr mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{dr}}
		}, true, Waiting{Opening: 1}},
		"to be opened, by the alias": {dr, func(_, dr mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{dr}}
		}, true, Waiting{Opening: 1}},
		"to be opened, without a certificate": {"a.example", func(_, dr mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{dr}}
		}, false, Waiting{Opening: 1}},
		"for an edge": {"b.example", func(bob, dr mime.Address) store.Job {
			return store.Job{Kind: store.PushJob, Recipients: []mime.Address{dr}, Push: store.Push{Account: bob, Answers: true}}
		}, true, Waiting{Edge: 1}},
		"a notification": {"b.example", func(_, dr mime.Address) store.Job {
			return store.Job{Kind: store.SealJob, Automatic: true, Sender: dr, Recipients: addresses(t, "zoe@z.example")}
		}, true, Waiting{}},
		"sent from it": {"b.example", func(_, dr mime.Address) store.Job {
			return store.Job{Kind: store.SealJob, Sender: dr, Flow: bob, Recipients: addresses(t, "zoe@z.example")}
		}, false, Waiting{Sent: 1}},
		"to another": {"b.example", func(bob, _ mime.Address) store.Job {
			return store.Job{Kind: store.OpenJob, Recipients: []mime.Address{bob}}
		}, false, Waiting{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example", "b.example")
			ctx := t.Context()
			must(t, s.AddAccount(ctx, bob, []byte("correct horse battery")))
			must(t, s.AddAlias(ctx, dr, bob))
			must(t, s.AddGroup(ctx, ward, []string{bob}))
			_, err := s.IssueCertificate(ctx, KeyOrder{Owner: tt.owner})
			must(t, err)
			s.enqueue(t, tt.job(addressOf(t, bob), addressOf(t, dr)))
			if tt.refused {
				_, err = s.RemoveDomain(ctx, "b.example", false)
				isRefused(t, "domain", err, Negative)
				if !strings.Contains(err.Error(), "such as one to "+dr+", 1 in all") {
					t.Errorf("it says %v", err)
				}
			}
			got, err := s.RemoveDomain(ctx, "b.example", tt.refused)
			must(t, err)
			equal(t, "removed", got, RemovedDomain{DomainName{"b.example"}, []string{}, []string{dr, ward}, &tt.waiting})
		})
	}
}

// A domain is closed by removing its accounts and then itself, and not before their senders
// are told of what waited for them, nor while that can still be opened (DN-8).
func TestDN8_ADomainIsThereUntilItsAccountsAreToldOf(t *testing.T) {
	bob := addressOf(t, "bob@a.example")
	for name, job := range map[string]store.Job{
		"to be opened": {Kind: store.OpenJob, Recipients: []mime.Address{bob}},
		"for an edge":  {Kind: store.PushJob, Recipients: []mime.Address{bob}, Push: store.Push{Account: bob, Answers: true}},
		"told":         {Kind: store.PushJob, Recipients: []mime.Address{bob}, Push: store.Push{Account: bob, Answers: true, Ended: store.TrackFailed}},
		"to be sealed": {Kind: store.SealJob, Automatic: true, Sender: bob, Recipients: addresses(t, "zoe@z.example")},
	} {
		for _, use := range []string{"both", "encrypt"} {
			t.Run(name+" "+use, func(t *testing.T) {
				s := ours(t, "a.example")
				ctx := t.Context()
				must(t, s.AddAccount(ctx, bob.String(), []byte("correct horse battery")))
				_, err := s.IssueCertificate(ctx, KeyOrder{Owner: "a.example", Use: use})
				must(t, err)
				id := s.enqueue(t, job)
				must(t, gone(s.RemoveAccount(ctx, bob.String(), false)))
				if use == "both" || job.Kind == store.OpenJob {
					isRefused(t, "domain", removed(s.RemoveDomain(ctx, "a.example", false)), Negative)
					must(t, s.core.Store.Update(ctx, func(tx store.Tx) error { return tx.Finish(id) }))
				}
				must(t, removed(s.RemoveDomain(ctx, "a.example", false)))
			})
		}
	}
}

// A domain that has accounts says that first.
func TestADomainWithAccountsSaysSo(t *testing.T) {
	s := ours(t, "a.example")
	must(t, s.AddAccount(t.Context(), "bob@a.example", []byte("correct horse battery")))
	_, err := s.IssueCertificate(t.Context(), KeyOrder{Owner: "a.example"})
	must(t, err)
	s.enqueue(t, store.Job{Kind: store.OpenJob, Recipients: addresses(t, "bob@a.example")})
	_, err = s.RemoveDomain(t.Context(), "a.example", false)
	if err == nil || !strings.Contains(err.Error(), "has accounts, such as bob@a.example") {
		t.Errorf("it says %v", err)
	}
}
