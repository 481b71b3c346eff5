package smtp

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/reason"
)

// A server that answers before the end of the message has taken nothing: a refusal counts,
// anything else does not, and the message is never ended.
func TestWhatIsSaidBeforeTheEndIsNoAnswerToIt(t *testing.T) {
	const behind = "550 5.7.1 not taken"
	for said, want := range map[string]struct {
		code reason.Code
		text string
	}{
		"250 2.0.0 taken before the dot":       {reason.PeerUnreachable, "out of turn"},
		"250-2.0.0 taken\r\n250 2.0.0 already": {reason.PeerUnreachable, "out of turn"},
		"354 go on":                            {reason.PeerUnreachable, "out of turn"},
		"no reply":                             {reason.PeerUnreachable, "out of turn"},
		"552 5.3.4 too much":                   {reason.PeerRefused, "too much"},
		"421 4.3.2 going down":                 {reason.PeerDeferred, "going down"},
	} {
		for name, send := range map[string]func(*early) Result{
			"relay": (*early).relay, "relay over TLS": (*early).relay, "push": (*early).push,
		} {
			t.Run(name+" "+said, func(t *testing.T) {
				replies := map[string]string{".": behind}
				if name != "relay" {
					replies = overTLS(replies)
				}
				e := &early{t: t, said: said}
				e.peer, e.addr = startPeer(t, replies)
				got := send(e)
				if got.Code != want.code || !strings.Contains(got.Text, want.text) || got.Unanswered || got.TLS != (name != "relay") {
					t.Errorf("%+v", got)
				}
				e.peer.mu.Lock()
				defer e.peer.mu.Unlock()
				if slices.Contains(e.peer.heard, ".") {
					t.Error("the message was ended")
				}
			})
		}
	}
}

// Also where the answer came with the one to DATA.
func TestWhatComesWithTheReplyToDataIsNoAnswer(t *testing.T) {
	for said, want := range map[string]reason.Code{
		"250 2.0.0 taken already": reason.PeerUnreachable,
		"552 5.3.4 too much":      reason.PeerRefused,
		"452 4.3.1 no room":       reason.PeerDeferred,
	} {
		for _, secure := range []bool{false, true} {
			replies := map[string]string{"DATA": "354 go\r\n" + said, ".": "550 5.7.1 not taken"}
			if secure {
				replies = overTLS(replies)
			}
			_, addr := startPeer(t, replies)
			got := one(addr).relay().Send(t.Context(), delivery("a@far.test"))[0]
			if got.Code != want || want == reason.PeerUnreachable && !strings.Contains(got.Text, "out of turn") || got.Unanswered {
				t.Errorf("%q, TLS %v: %+v", said, secure, got)
			}
		}
	}
}

// A refusal counts also where the server hangs up behind it, with octets of the message
// unread, so that writing the rest fails.
func TestARefusalMidwayCountsWhereTheServerHangsUp(t *testing.T) {
	for _, secure := range []bool{false, true} {
		replies := map[string]string{"a line": "552 5.3.4 too much", "the next": "hang up"}
		if secure {
			replies = overTLS(replies)
		}
		_, addr := startPeer(t, replies)
		d := delivery("a@far.test")
		d.Message = func() (io.Reader, error) {
			head := "Subject: x\r\n\r\na line\r\nthe next\r\n"
			return io.MultiReader(strings.NewReader(head), readerFunc(func(b []byte) (int, error) {
				return copy(b, strings.Repeat("more of it\r\n", len(b)/12)), nil
			})), nil
		}
		got := one(addr).relay().Send(t.Context(), d)[0]
		if got.Code != reason.PeerRefused || got.Reply != 552 || got.Text != "too much" || got.Unanswered {
			t.Errorf("TLS %v: %+v", secure, got)
		}
	}
}

// Two answers to the whole message, of which the second is a refusal, are no delivery; that
// the server ends, or says the same again, takes nothing back.
func TestAnAnswerThatIsTakenBack(t *testing.T) {
	for replies, ok := range map[string]bool{
		"250 2.0.0 taken\r\n550 5.7.1 not taken": false,
		"250 2.0.0 taken\r\n451 4.3.0 later":     false,
		"250 2.0.0 taken\r\nwhat":                true,
		"250 2.0.0 taken\r\n250 2.0.0 taken":     true,
		"250 2.0.0 taken\r\n421 4.3.2 bye":       true,
	} {
		for _, secure := range []bool{false, true} {
			all := map[string]string{".": replies}
			if secure {
				all = overTLS(all)
			}
			_, addr := startPeer(t, all)
			r := one(addr).relay()
			r.Idle = time.Minute
			defer r.Close()
			got := r.Send(t.Context(), delivery("a@far.test"))[0]
			if got.Code.IsOK() != ok || got.Unanswered == ok || strings.Contains(got.Text, "may come twice") == ok {
				t.Errorf("%q: %+v", replies, got)
			}
			if r.idle.n > 0 {
				t.Errorf("%q: the connection waits for another message", replies)
			}
		}
	}
}

// An early peer says something while it is sent a message.
type early struct {
	t    *testing.T
	peer *peer
	addr string
	said string
	mu   sync.Mutex
	conn net.Conn // ours
}

func (e *early) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, e.addr)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn = conn
	return conn, err
}

// message goes on when what the peer says has come.
func (e *early) message() (io.Reader, error) {
	text := strings.NewReader("Subject: x\r\n\r\none\r\ntwo\r\n")
	return io.MultiReader(text, readerFunc(func([]byte) (int, error) {
		e.peer.say(nil, e.said)
		e.mu.Lock()
		defer e.mu.Unlock()
		testnet.Until(e.t, func() bool { return speaks(e.conn) })
		return 0, io.EOF
	})), nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (e *early) relay() Result {
	r := one(e.addr).relay()
	r.Dial = e.dial
	d := delivery("a@far.test")
	d.Message = e.message
	return r.Send(e.t.Context(), d)[0]
}

func (e *early) push() Result {
	r := &Relay{Hostname: "hisp.example", Dial: e.dial}
	return r.Push(e.t.Context(), edgeAt(e.t, e.addr), Delivery{
		From: mustAddress("a@a.example"), To: []mime.Address{mustAddress("b@b.example")}, Message: e.message,
	})[0]
}
