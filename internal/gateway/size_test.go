package gateway

import (
	"strings"
	"testing"

	"postern/internal/cms/smime"
	"postern/sta"
)

// What limits.message_bytes lets users send is delivered, to the last octet.
func TestMessageOfTheLargestSizeIsDelivered(t *testing.T) {
	const most = 1 << 20
	w := newWorld(t)
	a, b := w.site("a.example"), w.site("b.example")
	b.MessageBytes = most
	a.accounts("alice@a.example")
	b.accounts("bob@b.example")
	text := string(crlf(message("alice@a.example", "bob@b.example")))
	text += strings.Repeat(strings.Repeat("x", 70)+"\r\n", (most-len(text))/72-1)
	text += strings.Repeat("x", most-len(text)-2) + "\r\n"
	equal(t, "size", len(text), most)
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(text, b, "bob@b.example")
	if int64(len(raw)) > SealedBytes(most) {
		t.Errorf("%d octets sealed are %d, more than %d", len(text), len(raw), SealedBytes(most))
	}
	id := b.receive(raw, addr(t, "alice@a.example"), addr(t, "bob@b.example"))
	b.run()
	equal(t, "states", b.states(id), []string{"bob@b.example delivered"})
	equal(t, "delivered", asSigned(t, b.inbox("bob@b.example")[0]), text)
}

// A message that is eight-bit grows before it is sealed. Among our own domains
// no server measures it again.
func TestEightBitMessageOfTheLargestSizeIsDeliveredHere(t *testing.T) {
	const most = 3 << 20 // more than what sealing adds in any case
	w := newWorld(t)
	a := w.site("a.example")
	a.MessageBytes = most
	a.accounts("alice@a.example", "ben@a.example")
	text := message("alice@a.example", "ben@a.example", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit")
	line := strings.Repeat("\u00e4", 35) + "\n"
	text += strings.Repeat(line, (most-len(text))/(len(line)+1)-10)
	id := a.submit(text, "alice@a.example", "ben@a.example")
	a.run()
	equal(t, "states", a.states(id), []string{"ben@a.example processed"})
}

// Whatever the configuration allows, opening does not know a smaller bound.
func TestOpeningHasNoBoundBelowTheBackbones(t *testing.T) {
	w := newWorld(t)
	b := w.site("b.example")
	alice := peer{t: t, at: w.clock, id: w.root.Leaf("a.example")}
	raw := alice.seal(message("alice@a.example", "bob@b.example"), b, "bob@b.example")
	dir, err := b.Directory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const largest = 1 << 30 // of the range of limits.message_bytes
	envelope := &sta.Envelope{MailFrom: addr(t, "alice@a.example"), RcptTo: addrs(t, "bob@b.example")}
	opened, err := openAll(t.Context(), b.questions(dir, claimed{source(raw), SealedBytes(largest)}, envelope, envelope.RcptTo, w.clock.Now()))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "verdict", opened[0].Verdicts[0].Code.String(), "ok")
}

// claimed is a source that says it is larger than it is.
type claimed struct {
	smime.Source
	size int64
}

func (c claimed) Size() int64 { return c.size }
