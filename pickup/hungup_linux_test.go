package pickup_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
)

// A search ends when its client has hung up, however it did, and gives its place in the
// turns back; one whose client waits goes on.
func TestASearchEndsWithItsClient(t *testing.T) {
	h := &house{t: t, log: &testnet.Log{}}
	h.store, h.account = openStore(t)
	h.deliver([]byte("Subject: x\r\n\r\nthe needle\r\n"))
	turns := &heldTurns{Backend: mailbox.New(h.store, everybody, mailbox.Options{}), asked: make(chan struct{}, 10), given: make(chan struct{})}
	server := pickup.NewIMAP(turns, pickup.Options{Implicit: true, TLS: testnet.ServerTLS(), Search: time.Hour})
	h.addr = h.serve(server)
	search := func() *talk {
		k := h.talk()
		k.write("a SEARCH BODY needle\r\n")
		<-turns.asked
		return k
	}

	stays := search()
	for _, hangUp := range []func(k *talk){
		func(k *talk) { k.conn.Close() }, // with the farewell of TLS in front
		func(k *talk) { k.write("b NOOP\r\n"); k.conn.Close() },
		func(k *talk) { k.conn.(*tls.Conn).NetConn().Close() },
		func(k *talk) {
			socket := k.conn.(*tls.Conn).NetConn().(*net.TCPConn)
			socket.SetLinger(0)
			socket.Close()
		},
	} {
		hangUp(search())
	}
	testnet.Until(t, func() bool { return server.Stats().Connections == 1 })
	close(turns.given)
	if got := stays.until("a"); len(got) != 2 || got[0] != "* SEARCH 1" {
		t.Errorf("who waits is answered %q", got)
	}
}

// heldTurns gives no turn before it is told to.
type heldTurns struct {
	pickup.Backend
	asked, given chan struct{}
}

func (h *heldTurns) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := h.Backend.Login(ctx, a)
	return heldUser{u, h}, err
}

type heldUser struct {
	pickup.User
	turns *heldTurns
}

func (u heldUser) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := u.User.Open(ctx, name)
	return heldMailbox{m, u.turns}, err
}

type heldMailbox struct {
	pickup.Mailbox
	turns *heldTurns
}

func (m heldMailbox) Turn(ctx context.Context) (func(), error) {
	m.turns.asked <- struct{}{}
	select {
	case <-m.turns.given:
		return m.Mailbox.Turn(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
