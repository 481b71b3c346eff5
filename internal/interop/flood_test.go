package interop

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	netsmtp "net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"postern/internal/testnet"
)

const (
	flooders  = 50 // connections at once, each from an address of its own
	useRounds = 20 // of submission and pickup, with and without the flood
	fewRounds = 5  // with -short
)

// TestInteropFlood pumps mail into the backbone as fast as it goes, sealed by a
// partner, sealed by a stranger, and garbage, while a user sends and reads. Every
// message of his is answered 250, every one is fetched, and all of it arrives.
func TestInteropFlood(t *testing.T) {
	rounds := useRounds
	if testing.Short() {
		rounds = fewRounds
	}
	f := newFlood(t)
	f.serve()
	quiet := f.use("quiet", rounds)
	flooded := f.during(func() uses { return f.use("flood", rounds) })
	t.Logf("quiet: %v", quiet)
	t.Logf("flood: %v", flooded)
	t.Logf("the flood: %v", f.answers)
	if f.answers[250] < flooders {
		t.Errorf("only %d messages of the flood were taken: this was none", f.answers[250])
	}
	f.alive()
	f.stop()
	f.checkStore()
}

// A flood is a site under one.
type flood struct {
	*site
	corpus []string

	mu      sync.Mutex
	answers map[int]int // to messages of the flood, by code
}

func newFlood(t *testing.T) *flood {
	pki := testnet.NewPKI(t, time.Now())
	root, unknown := pki.Root("interop root"), pki.Root("nobody's root")
	own := root.Leaf("b.example")
	f := &flood{answers: make(map[int]int)}
	f.site = newSite(t, "b.example", setup{
		users: []string{"bob@b.example", "carol@b.example"}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
	})
	partner, stranger := sealer{root.Leaf("a.example"), testnet.Certs(own)}, sealer{unknown.Leaf("a.example"), testnet.Certs(own)}
	for i := range 60 {
		message := record("alice@a.example", "carol@b.example", fmt.Sprintf("<%d@a.example>", i), 20<<10)
		f.corpus = append(f.corpus, partner.seal(t, message, "carol@b.example"), stranger.seal(t, message, "carol@b.example"), garbage(20<<10))
	}
	return f
}

// garbage looks like a sealed message until it is decrypted.
func garbage(size int) string {
	random := make([]byte, size)
	for i := range random {
		random[i] = byte(rand.Uint32())
	}
	text := base64.StdEncoding.EncodeToString(random)
	var b strings.Builder
	b.WriteString("From: <x@a.example>\r\nTo: <carol@b.example>\r\nMIME-Version: 1.0\r\n" +
		"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\nContent-Transfer-Encoding: base64\r\n\r\n")
	for line := range slices.Chunk([]byte(text), 76) {
		b.Write(line)
		b.WriteString("\r\n")
	}
	return b.String()
}

// during lets the flood run while fn does.
func (f *flood) during(fn func() uses) uses {
	ctx, cancel := context.WithCancel(f.t.Context())
	var all sync.WaitGroup
	for i := range flooders {
		all.Go(func() { f.pump(ctx, i) })
	}
	defer all.Wait()
	defer cancel()
	return fn()
}

// pump sends the corpus again and again from an address of its own, on a new
// connection whenever one ends.
func (f *flood) pump(ctx context.Context, n int) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(n+1))}}
	for i := n; ctx.Err() == nil; {
		conn, err := dialer.DialContext(ctx, "tcp", f.backbone)
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		c, err := netsmtp.NewClient(conn, "localhost")
		for ; err == nil; i++ {
			err = client{c}.send("alice@a.example", "carol@b.example", strings.NewReader(f.corpus[i%len(f.corpus)]))
			f.count(err)
			var answer *textproto.Error
			if errors.As(err, &answer) && answer.Code != 421 {
				err = c.Reset()
			}
		}
		stop()
		conn.Close()
	}
}

func (f *flood) count(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var answer *textproto.Error
	switch {
	case err == nil:
		f.answers[250]++
	case errors.As(err, &answer):
		f.answers[answer.Code]++
	default:
		f.answers[0]++
	}
}

// uses is how long a user waited: for the answer to a message, for the message in
// the other's mailbox, and for a login and a fetch.
type uses struct{ send, arrive, fetch []time.Duration }

func (u uses) String() string {
	of := func(d []time.Duration) string {
		slices.Sort(d)
		return fmt.Sprintf("median %v, longest %v", d[len(d)/2].Round(time.Millisecond), d[len(d)-1].Round(time.Millisecond))
	}
	return fmt.Sprintf("%d messages submitted, each with a login of its own: %s; to the mailbox: %s; login and fetch: %s",
		len(u.send), of(u.send), of(u.arrive), of(u.fetch))
}

// use sends and fetches, one after the other.
func (f *flood) use(name string, rounds int) uses {
	f.t.Helper()
	var u uses
	for i := range rounds {
		message := record("carol@b.example", "bob@b.example", fmt.Sprintf("<%s%d@b.example>", name, i), 10<<10)
		began := time.Now()
		err := f.submit("carol@b.example", "bob@b.example", message)
		if err != nil {
			f.t.Fatalf("message %d: %v", i, err)
		}
		u.send = append(u.send, time.Since(began))
		u.arrive = append(u.arrive, f.arrival(began))
		u.fetch = append(u.fetch, f.fetch())
	}
	return u
}

// arrival waits until bob has a message that he has not seen.
func (f *flood) arrival(began time.Time) time.Duration {
	f.t.Helper()
	s, err := dialIMAP(f.t.Context(), f.address("imaps"), "bob@b.example", f.clientTLS())
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.conn.Close()
	ctx, cancel := context.WithTimeout(f.t.Context(), 2*time.Minute)
	defer cancel()
	if !testnet.Await(ctx, func() bool {
		answer, err := s.do("SEARCH UNSEEN")
		if err != nil {
			f.t.Fatal(err)
		}
		return len(strings.Fields(strings.TrimPrefix(answer[strings.Index(answer, "* SEARCH"):], "* SEARCH"))) > 0
	}) {
		f.t.Fatal("a message does not arrive")
	}
	return time.Since(began)
}

// fetch reads the last message in a new session, which marks it as seen.
func (f *flood) fetch() time.Duration {
	f.t.Helper()
	began := time.Now()
	s, err := dialIMAP(f.t.Context(), f.address("imaps"), "bob@b.example", f.clientTLS())
	if err != nil {
		f.t.Fatal(err)
	}
	defer s.conn.Close()
	_, err = s.do("FETCH * BODY[]")
	if err != nil {
		f.t.Fatal(err)
	}
	return time.Since(began)
}
