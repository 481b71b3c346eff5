package sta

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/trust"
)

// benchRounds is how often the agent and its floor take turns.
const benchRounds = 5

// benchTime is how long one turn takes.
const benchTime = 300 * time.Millisecond

// A benchRig is a sender with a chain of three, a recipient, and a message.
type benchRig struct {
	message  smime.Source
	header   *mime.Header
	from, to mime.Address
	signer   cms.Signer
	leaf     *x509.Certificate // of the recipient
	key      *rsa.PrivateKey   // of the recipient
	anchors  *trust.Anchors
	at       time.Time
	sealed   []byte
	raw      []byte
}

func newBenchRig(b *testing.B, size int) *benchRig {
	b.Helper()
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	pki := testnet.NewPKI(b, at)
	root := pki.Root("bench root", testnet.Key(testnet.RSAKey(b, 2048, 3)))
	issuer := root.Intermediate("bench issuer", testnet.Key(testnet.RSAKey(b, 2048, 4)))
	sender := issuer.Leaf("alice@a.example", testnet.Key(testnet.RSAKey(b, 2048, 1)))
	recipient := issuer.Leaf("b.example", testnet.Key(testnet.RSAKey(b, 2048, 2)))
	r := &benchRig{at: at, leaf: recipient.Cert, anchors: trust.NewAnchors([]*x509.Certificate{root.Cert})}
	r.key = recipient.Key.(*rsa.PrivateKey)
	r.signer = cms.Signer{Certificate: sender.Cert, Chain: []*x509.Certificate{issuer.Cert}, Key: sender.Key}
	r.from, _ = mime.ParseAddress("alice@a.example")
	r.to, _ = mime.ParseAddress("bob@b.example")
	head := "From: alice@a.example\r\nTo: bob@b.example\r\nDate: Mon, 01 Jun 2026 12:00:00 +0000\r\n" +
		"Message-ID: <bench@a.example>\r\nSubject: bench\r\nMIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n"
	line := strings.Repeat("QUJD", 19) + "\r\n"
	r.raw = []byte(head + strings.Repeat(line, (size-len(head))/len(line)))
	r.message = smime.SectionSource(bytes.NewReader(r.raw), int64(len(r.raw)))
	var err error
	r.header, err = readBenchHeader(r.raw)
	if err != nil {
		b.Fatal(err)
	}
	r.sealed = r.out(b)
	return r
}

// out is what the way out does to a message, in process.
func (r *benchRig) out(b *testing.B) []byte {
	signed, err := Sign(context.Background(), r.message, r.header, []cms.Signer{r.signer}, r.at)
	if err != nil {
		b.Fatal(err)
	}
	var sealed bytes.Buffer
	sealed.Grow(2 * len(r.raw))
	err = signed.Seal(&sealed, []mime.Address{r.to}, []*x509.Certificate{r.leaf}, cms.EncryptOptions{})
	if err != nil {
		b.Fatal(err)
	}
	return sealed.Bytes()
}

// outFloor is the least that any program must do for the same message: one
// signature, one key wrap, hashing, encryption and base64.
func (r *benchRig) outFloor(b *testing.B) {
	digest := sha256.Sum256(r.raw)
	_, err := r.signer.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		b.Fatal(err)
	}
	key := make([]byte, 32+aes.BlockSize)
	_, _ = rand.Read(key)
	//lint:ignore SA1019 the floor does what most Direct peers send (AS-33)
	_, err = rsa.EncryptPKCS1v15(rand.Reader, &r.key.PublicKey, key[:32])
	if err != nil {
		b.Fatal(err)
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		b.Fatal(err)
	}
	text := make([]byte, len(r.raw)&^15)
	cipher.NewCBCEncrypter(block, key[32:]).CryptBlocks(text, r.raw[:len(text)])
	base64.StdEncoding.Encode(make([]byte, base64.StdEncoding.EncodedLen(len(text))), text)
}

// in is what the way in does to a message, in process: open, judge, read.
func (r *benchRig) in(b *testing.B) {
	o, err := Open(context.Background(), Incoming{
		Message:    smime.SectionSource(bytes.NewReader(r.sealed), int64(len(r.sealed))),
		Envelope:   &Envelope{MailFrom: r.from, RcptTo: []mime.Address{r.to}},
		Recipients: []Recipient{{Address: r.to, Belief: Belief{Anchors: r.anchors}}},
		Keys:       []cms.RecipientKey{{Certificate: r.leaf, Decrypter: r.key}},
		At:         r.at,
	})
	if err != nil {
		b.Fatal(err)
	}
	if !o.Verdicts[0].Accepted() {
		b.Fatal(o.Verdicts[0])
	}
	message, err := o.Message(mime.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, message)
	if err != nil || n != int64(len(r.raw)) {
		b.Fatal(n, err)
	}
}

// inFloor is the least for the same message: base64, one key unwrap,
// decryption, hashing and three verifications.
func (r *benchRig) inFloor(b *testing.B, sealed, wrapped []byte, digest [32]byte, signature []byte) {
	text := make([]byte, base64.StdEncoding.DecodedLen(len(sealed)))
	n, err := base64.StdEncoding.Decode(text, sealed)
	if err != nil {
		b.Fatal(err)
	}
	//lint:ignore SA1019 the floor does what most Direct peers send (AS-33)
	key, err := rsa.DecryptPKCS1v15(nil, r.key, wrapped)
	if err != nil {
		b.Fatal(err)
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		b.Fatal(err)
	}
	n &^= 15
	cipher.NewCBCDecrypter(block, make([]byte, aes.BlockSize)).CryptBlocks(text[:n], text[:n])
	sha256.Sum256(text[:n])
	public := r.signer.Key.Public().(*rsa.PublicKey)
	for range 3 {
		err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkB1_OutSmall compares the way out with its floor at 10 KiB.
func BenchmarkB1_OutSmall(b *testing.B) {
	r := newBenchRig(b, 10<<10)
	compare(b, func() { r.out(b) }, func() { r.outFloor(b) })
}

// BenchmarkB2_InSmall compares the way in with its floor at 10 KiB.
func BenchmarkB2_InSmall(b *testing.B) {
	r := newBenchRig(b, 10<<10)
	sealed := []byte(base64.StdEncoding.EncodeToString(r.raw))
	//lint:ignore SA1019 the floor does what most Direct peers send (AS-33)
	wrapped, err := rsa.EncryptPKCS1v15(rand.Reader, &r.key.PublicKey, make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256(r.raw)
	signature, err := r.signer.Key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		b.Fatal(err)
	}
	compare(b, func() { r.in(b) }, func() { r.inFloor(b, sealed, wrapped, digest, signature) })
}

// compare lets the agent and its floor take turns and reports medians: msg/s of
// each and their ratio. One goroutine works, so a second of wall clock is at
// most one of the processor.
func compare(b *testing.B, ours, floor func()) {
	for b.Loop() {
		var mine, least, ratios []float64
		for range benchRounds {
			m, f := pace(ours), pace(floor)
			mine, least, ratios = append(mine, m), append(least, f), append(ratios, m/f)
		}
		b.ReportMetric(middle(mine), "msg/s")
		b.ReportMetric(middle(least), "peer-msg/s")
		b.ReportMetric(middle(ratios), "ratio")
		b.ReportMetric(slices.Max(ratios)/slices.Min(ratios), "spread")
	}
	b.ReportMetric(0, "ns/op")
}

// pace is how often a second do can be done.
func pace(do func()) float64 {
	n := 0
	start := time.Now()
	for time.Since(start) < benchTime {
		do()
		n++
	}
	return float64(n) / time.Since(start).Seconds()
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// BenchmarkSizes is the cost of both ways over the size of a message.
func BenchmarkSizes(b *testing.B) {
	for _, size := range []int{10 << 10, 100 << 10, 1 << 20, 10 << 20, 25 << 20} {
		r := newBenchRig(b, size)
		b.Run(fmt.Sprintf("out/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				r.out(b)
			}
		})
		b.Run(fmt.Sprintf("in/%dKiB", size>>10), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				r.in(b)
			}
		})
	}
}

func readBenchHeader(raw []byte) (*mime.Header, error) {
	return mime.ReadHeader(bufio.NewReader(bytes.NewReader(raw)), mime.Limits{})
}
