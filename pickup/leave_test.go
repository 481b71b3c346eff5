package pickup_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
	"postern/store"
)

const appended = "a APPEND INBOX {14+}\r\nSubject: x\r\n\r\n\r\n"

// What is carried out when the server ends is answered before its client hears BYE, nothing
// behind it is begun, and a client that stops in the midst is not waited for.
func TestShutdownAnswersWhatIsUnderWay(t *testing.T) {
	h := &house{t: t, log: &testnet.Log{}}
	h.store, h.account = openStore(t)
	held := &heldAppends{Backend: mailbox.New(h.store, everybody, mailbox.Options{}), begun: make(chan struct{}, 10), free: make(chan struct{})}
	server := pickup.NewIMAP(held, pickup.Options{Implicit: true, TLS: testnet.ServerTLS()})
	h.addr = h.serve(server)
	quiet, held1, held2, moves, stops := h.talk(), h.talk(), h.talk(), h.talk(), h.talk()
	moves.write("a APPEND INBOX {14}\r\n")
	stops.write("a APPEND INBOX {14}\r\n")
	moves.line()
	stops.line()
	moves.write("Subject")
	stops.write("Subject")
	held1.write(appended)
	held2.write(appended + "b CREATE x\r\n")
	for range 4 {
		<-held.begun
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	go func() { ended <- server.Shutdown(ctx) }()
	if l := quiet.line(); !strings.HasPrefix(l, "* BYE") {
		t.Errorf("who asks nothing: %q", l)
	}
	moves.write(": x\r\n\r\n\r\n")
	close(held.free)
	for name, k := range map[string]*talk{"held": held1, "pipelined": held2, "moves": moves, "stops": stops} {
		got, _ := io.ReadAll(k.r)
		answer, bye, _ := strings.Cut(string(got), "* BYE")
		if strings.Contains(answer, "a OK [APPENDUID") != (k != stops) || strings.Contains(answer, "b OK") || !strings.HasPrefix(bye, " Server is") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if n := h.stored(); n != 3 {
		t.Errorf("%d messages are stored", n)
	}
}

// Whenever the server ends, as many messages are stored as were answered.
func TestShutdownLeavesNothingUnanswered(t *testing.T) {
	h := implicit(t)
	var answered atomic.Int64
	var clients sync.WaitGroup
	for range 8 {
		k := h.talk()
		clients.Go(func() {
			for {
				_, err := io.WriteString(k.conn, appended)
				for err == nil {
					var line string
					line, err = k.r.ReadString('\n')
					if strings.HasPrefix(line, "a OK") {
						answered.Add(1)
						break
					}
				}
				if err != nil {
					return
				}
			}
		})
	}
	testnet.Until(t, func() bool { return answered.Load() > 20 })
	err := h.server.Shutdown(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clients.Wait()
	if stored, n := h.stored(), int(answered.Load()); stored != n {
		t.Errorf("%d messages are stored, and %d were answered", stored, n)
	}
}

// stored is how many messages INBOX has.
func (h *house) stored() (n int) {
	h.t.Helper()
	err := h.store.View(context.Background(), func(tx store.Tx) error {
		box, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(store.Message) bool { n++; return true })
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// heldAppends reads messages, and stores them when it is told to.
type heldAppends struct {
	pickup.Backend
	begun, free chan struct{}
}

func (h *heldAppends) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := h.Backend.Login(ctx, a)
	return appendsLater{u, h}, err
}

type appendsLater struct {
	pickup.User
	held *heldAppends
}

func (u appendsLater) Append(ctx context.Context, name string, m pickup.NewMessage, r io.Reader) (pickup.AppendResult, error) {
	u.held.begun <- struct{}{}
	body, err := io.ReadAll(r)
	if err != nil {
		return pickup.AppendResult{}, err
	}
	<-u.held.free
	return u.User.Append(ctx, name, m, bytes.NewReader(body))
}
