package pickup_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/internal/gateway/proof"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/mime"
	"postern/pickup"
	"postern/store"
)

// Sessions of one account that search all the time, over whichever listener, look into
// messages one at a time, another account's search is answered while they are at it, and
// a stop of the server does not wait for them.
func TestSearchesOfOneAccountLeaveTimeToOthers(t *testing.T) {
	h := &house{t: t, log: &testnet.Log{}}
	h.store, h.account = openStore(t)
	bob := testnet.Address(t, "bob@a.example")
	err := h.store.Update(t.Context(), func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: bob}) })
	if err != nil {
		t.Fatal(err)
	}
	raw := []byte("Content-Type: text/plain\r\n\r\n" + strings.Repeat("nothing of that kind\r\n", 20_000))
	for range 50 {
		h.deliver(raw)
	}
	var under sync.WaitGroup
	t.Cleanup(under.Wait)
	watch := &watched{Backend: mailbox.New(h.store, everybody, mailbox.Options{})}
	o := pickup.Options{Implicit: true, TLS: testnet.ServerTLS()}
	listeners := []string{h.serve(pickup.NewIMAP(watch, o)), h.serve(pickup.NewIMAP(watch, o))}

	var search strings.Builder
	for i := range 120 {
		fmt.Fprintf(&search, " NOT TEXT zq%d", i)
	}
	var answered atomic.Int32
	for i := range 10 {
		h.addr = listeners[i%2]
		k := h.talk()
		k.write("a SEARCH" + search.String() + "\r\n")
		under.Go(func() {
			for {
				line, err := k.r.ReadString('\n')
				if err != nil {
					return
				}
				if !strings.Contains(line, "The server is going down") && !strings.HasPrefix(line, "* BYE ") {
					answered.Add(1)
				}
			}
		})
	}
	testnet.Until(t, func() bool { return watch.reads.Load() > 0 })

	h.account = bob
	h.deliver([]byte("Subject: x\r\n\r\nthe needle\r\n"))
	h.addr = listeners[0]
	k := h.dial(true)
	k.line()
	k.ok("LOGIN bob@a.example x")
	k.ok("SELECT INBOX")
	began := time.Now()
	k.want("SEARCH BODY needle", "* SEARCH 1")
	if d := time.Since(began); d > 15*time.Second { // half of what a search may take
		t.Errorf("the other account's search takes %v", d)
	}
	if n := answered.Load(); n > 0 {
		t.Errorf("%d searches of the other account ended before", n)
	}
	if most := watch.most.Load(); most != 1 {
		t.Errorf("%d sessions of an account look into messages at once", most)
	}
}

// everybody is let in.
var everybody = testnet.Auth(func(a login.Attempt) (login.Grant, error) {
	account, err := mime.ParseAddress(a.User)
	return login.Grant{Account: account, Proof: proof.OfPassword(store.Account{})}, err
})

// A watched backend counts how many read the bodies of alice at the same time.
type watched struct {
	pickup.Backend
	now, most, reads atomic.Int32
}

func (w *watched) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := w.Backend.Login(ctx, a)
	if a.User != testUser {
		return u, err
	}
	return watchedUser{u, w}, err
}

type watchedUser struct {
	pickup.User
	watch *watched
}

func (u watchedUser) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := u.User.Open(ctx, name)
	return watchedMailbox{m, u.watch}, err
}

type watchedMailbox struct {
	pickup.Mailbox
	watch *watched
}

func (m watchedMailbox) Body(ctx context.Context, msg pickup.Message) (pickup.Body, error) {
	b, err := m.Mailbox.Body(ctx, msg)
	return watchedBody{b, m.watch}, err
}

type watchedBody struct {
	pickup.Body
	watch *watched
}

func (b watchedBody) ReadAt(p []byte, off int64) (int, error) {
	now := b.watch.now.Add(1)
	defer b.watch.now.Add(-1)
	for most := b.watch.most.Load(); now > most && !b.watch.most.CompareAndSwap(most, now); {
		most = b.watch.most.Load()
	}
	b.watch.reads.Add(1)
	return b.Body.ReadAt(p, off)
}
