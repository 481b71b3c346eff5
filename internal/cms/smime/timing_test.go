package smime

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/mime"
)

// A lock is one way to lock a message: to whom, and how.
type lock struct {
	name string
	keys []cms.RecipientKey
	o    cms.EncryptOptions
}

func locks(t testing.TB) []lock {
	bob, ec := recipient(t, "bob"), agreeing(t)
	return []lock{
		{"RSA-v1.5/CBC", bob, cms.EncryptOptions{}},
		{"RSA-OAEP/CBC", bob, cms.EncryptOptions{Transport: cms.RSAOAEPSHA256}},
		{"RSA-v1.5/GCM", bob, cms.EncryptOptions{Cipher: cms.AES256GCM}},
		{"ECDH/CBC", ec, cms.EncryptOptions{}},
		{"ECDH/GCM", ec, cms.EncryptOptions{Cipher: cms.AES256GCM}},
	}
}

// agreeing is a recipient by key agreement on P-256.
func agreeing(t testing.TB) []cms.RecipientKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "TEST ONLY"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	static, err := key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	return []cms.RecipientKey{{Certificate: c, Agreement: static}}
}

// A broken message fails to open in one of the ways that an attacker can bring
// about. All of one lock are of the same size.
type broken struct {
	name, text string
	// told is true if its signature is found to be bad: nothing but the
	// signature tells with CBC that a block in the middle was changed.
	told bool
}

// breakAll makes the ways to fail for one lock.
func (l lock) breakAll(t testing.TB, size int) []broken {
	t.Helper()
	entity, err := Sign(t.Context(), Wrap(source(text(size))), []cms.Signer{signer(t, "alice", 0)}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	one, other := l.envelope(t, entity), l.envelope(t, entity)
	noise := make([]byte, entity.Size())
	_, _ = rand.Read(noise)
	garbage := l.envelope(t, &SignedEntity{content: SectionSource(bytes.NewReader(noise), int64(len(noise)))})
	changed := func(change func(der []byte)) string {
		der := bytes.Clone(one)
		change(der)
		return l.message(t, der)
	}
	all := []broken{
		{"wrong-key", changed(func(der []byte) { copy(der, other[:ourContent(t, der)]) }), false},
		{"garbage-inside", l.message(t, garbage), false},
		{"middle", changed(func(der []byte) { der[len(der)-size/2] ^= 1 }), !l.o.Cipher.Authenticates()},
	}
	if l.o.Cipher.Authenticates() {
		all = append(all, broken{"tag", changed(func(der []byte) { der[len(der)-1] ^= 1 }), false})
	} else {
		// What the last octet of the padding says is changed by way of the block
		// before it.
		all = append(all, broken{"padding", changed(func(der []byte) { der[len(der)-17] ^= 0x80 }), false})
	}
	if l.keys[0].Agreement != nil {
		return append(all,
			broken{"key-wrap", changed(func(der []byte) { der[inRecipients(t, der, 0x04, 40)] ^= 1 }), false},
			broken{"no-point", changed(func(der []byte) { der[inRecipients(t, der, 0x00, 65)+64] ^= 1 }), false})
	}
	return append(all, broken{"key-padding", changed(func(der []byte) {
		at := inRecipients(t, der, 0x04, 256)
		_, _ = rand.Read(der[at+1 : at+256])
		der[at] = 0
	}), false})
}

func (l lock) envelope(t testing.TB, entity *SignedEntity) []byte {
	t.Helper()
	var b bytes.Buffer
	err := encryptBody(&b, entity, []*x509.Certificate{l.keys[0].Certificate}, l.o)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func (l lock) message(t testing.TB, der []byte) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(outerHead + envelopeHead(l.o.Cipher))
	w := mime.NewBase64Writer(&b)
	_, err := w.Write(der)
	err = errors.Join(err, w.Close())
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// ourContent finds where the encrypted content begins, after the recipients.
func ourContent(t testing.TB, der []byte) int {
	t.Helper()
	at := bytes.Index(der, []byte("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")) // id-data
	if at < 0 {
		t.Fatal("there is no content")
	}
	return at
}

// inRecipients finds n octets in the recipients that stand behind their length and
// the octet before.
func inRecipients(t testing.TB, der []byte, before byte, n int) int {
	t.Helper()
	mark := []byte{before, byte(n)}
	switch {
	case n > 255:
		mark = []byte{before, 0x82, byte(n >> 8), byte(n)}
	case before == 0: // a BIT STRING counts its unused bits behind the length
		mark = []byte{0x03, byte(n + 1), 0}
	}
	at := bytes.Index(der[:ourContent(t, der)], mark)
	if at < 0 {
		t.Fatalf("there are no %d octets", n)
	}
	return at + len(mark)
}

// Every way to fail is one outcome, but for a change that only the signature
// tells.
func TestFailuresAreOneOutcome(t *testing.T) {
	for _, l := range locks(t) {
		for _, f := range l.breakAll(t, 10<<10) {
			t.Run(l.name+"/"+f.name, func(t *testing.T) { f.open(t, l) })
		}
	}
}

func (f broken) open(t testing.TB, l lock) {
	o, err := Open(t.Context(), source(f.text), l.keys, Options{})
	switch {
	case f.told && (err != nil || o.Signatures[0].Err == nil):
		t.Fatalf("error %v, want a bad signature", err)
	case !f.told && err != cms.ErrUndecryptable: // never wrapped
		t.Fatalf("error %v, want %v", err, cms.ErrUndecryptable)
	}
}

// BenchmarkT1_FailurePaths measures how long each way to fail takes, and how far
// those of one outcome are apart: the greatest by the least of the medians. The
// ways take turns, message by message.
func BenchmarkT1_FailurePaths(b *testing.B) {
	for _, size := range []int{10 << 10, 1 << 20} {
		for _, l := range locks(b) {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, l.name), func(b *testing.B) {
				ways := l.breakAll(b, size)
				for b.Loop() {
					report(b, ways, func(f broken) { f.open(b, l) })
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

const (
	timingBlocks = 5                      // parts that the measurement is judged by
	timingBlock  = 300 * time.Millisecond // how long each takes
)

func report(b *testing.B, ways []broken, open func(broken)) {
	all := make([][]float64, len(ways))
	var apart []float64
	for range timingBlocks {
		block := make([][]float64, len(ways))
		start := time.Now()
		for round := 0; round < 5 || time.Since(start) < timingBlock; round++ {
			for i := range ways {
				way := (i + round) % len(ways) // each follows each other
				began := time.Now()
				open(ways[way])
				block[way] = append(block[way], float64(time.Since(began))/1e3)
			}
		}
		medians := make([]float64, len(ways))
		for i := range ways {
			medians[i] = median(block[i])
			all[i] = append(all[i], block[i]...)
		}
		slowest, fastest := extremes(ways, medians)
		apart = append(apart, slowest/fastest)
	}
	medians := make([]float64, len(ways))
	for i, f := range ways {
		medians[i] = median(all[i])
		b.ReportMetric(medians[i], f.name+"-us")
	}
	slowest, fastest := extremes(ways, medians)
	b.ReportMetric(slowest, "slowest/us")
	b.ReportMetric(fastest, "fastest/us")
	b.ReportMetric(slowest/fastest, "apart")
	b.ReportMetric(slices.Max(apart)/slices.Min(apart), "spread")
}

// extremes are the slowest and the fastest of those ways that are one outcome.
func extremes(ways []broken, medians []float64) (slowest, fastest float64) {
	var one []float64
	for i, f := range ways {
		if !f.told {
			one = append(one, medians[i])
		}
	}
	return slices.Max(one), slices.Min(one)
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// TestBlocksAtTheEndTellNothing puts two blocks behind the signed entity, one of
// an attacker's choice and one that he wants to know, for each last octet of his
// own. If what follows the entity were passed over, the one of 256 whose padding
// happens to be right would be believed and answered, which tells the last octet
// of the plaintext of the other; and so on for all octets.
func TestBlocksAtTheEndTellNothing(t *testing.T) {
	bob := lock{"", recipient(t, "bob"), cms.EncryptOptions{}}
	content := "Content-Type: text/plain\r\n\r\n" + text(1000)
	for name, entity := range map[string]string{
		"detached": signedText(t, content),
		"opaque": openssl(t, content, "cms", "-sign", "-nodetach", "-binary", "-nosmimecap", "-crlfeol",
			"-signer", file("alice.crt"), "-inkey", file("alice.key")),
	} {
		entity += strings.Repeat("\r\n", 50) // where his blocks come to stand
		der := bob.envelope(t, &SignedEntity{content: source(entity)})
		for last := range 256 {
			guess := bytes.Clone(der)
			copy(guess[len(der)-16:], der[len(der)-400:]) // to be known
			guess[len(der)-17] = byte(last)
			_, err := Open(t.Context(), source(bob.message(t, guess)), bob.keys, Options{})
			if err != cms.ErrUndecryptable { // never wrapped
				t.Errorf("%s, last octet %d: error %v, want %v", name, last, err, cms.ErrUndecryptable)
			}
		}
	}
}
