package smime

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"postern/internal/cms"
	"postern/mime"
)

var signedAt = time.Date(2026, 11, 22, 4, 5, 6, 0, time.UTC)

func block(t testing.TB, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	p, _ := pem.Decode(text)
	return p.Bytes
}

func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(block(t, name+".crt"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func key(t testing.TB, name string) any {
	t.Helper()
	k, err := x509.ParsePKCS8PrivateKey(block(t, name+".key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signer(t testing.TB, name string, h crypto.Hash) cms.Signer {
	t.Helper()
	return cms.Signer{Certificate: certificate(t, name), Key: key(t, name).(crypto.Signer), Hash: h}
}

func recipient(t testing.TB, name string) []cms.RecipientKey {
	t.Helper()
	return []cms.RecipientKey{{Certificate: certificate(t, name), Decrypter: key(t, name).(crypto.Decrypter)}}
}

func source(s string) Source { return SectionSource(strings.NewReader(s), int64(len(s))) }

// text makes a message of about n octets.
func text(n int) string {
	line := strings.Repeat("0123456789abcdef", 4) + "\r\n"
	return "From: a@alice.example\r\nTo: b@bob.example\r\nSubject: x\r\n\r\n" + strings.Repeat(line, n/len(line)+1)
}

const outerHead = "From: a@alice.example\r\nTo: b@bob.example\r\nMIME-Version: 1.0\r\n"

func seal(t testing.TB, content Source, signers ...cms.Signer) string {
	t.Helper()
	if signers == nil {
		signers = []cms.Signer{signer(t, "alice", 0)}
	}
	entity, err := Sign(t.Context(), content, signers, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	return encrypt(t, entity)
}

func encrypt(t testing.TB, entity *SignedEntity) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(outerHead)
	to := []*x509.Certificate{certificate(t, "alice"), certificate(t, "bob")}
	err := Encrypt(&b, entity, to, cms.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	size, err := EncryptedSize(entity, to, cms.EncryptOptions{})
	if err != nil || int(size) != b.Len()-len(outerHead) {
		t.Errorf("EncryptedSize is %d, error %v, but %d were written", size, err, b.Len()-len(outerHead))
	}
	return b.String()
}

// envelop encrypts any entity, signed or not.
func envelop(t testing.TB, entity string) string {
	t.Helper()
	return encrypt(t, &SignedEntity{head: entity, content: source("")})
}

func open(t testing.TB, message string) (*Opened, error) {
	t.Helper()
	return Open(t.Context(), source(message), recipient(t, "bob"), Limits{})
}

func readContent(t testing.TB, o *Opened) string {
	t.Helper()
	r, err := o.Content()
	if err != nil {
		t.Fatal(err)
	}
	p, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func TestAS42_AS44_AS45_RoundTrip(t *testing.T) {
	for _, n := range []int{0, 100, keepPlain - 200, keepPlain, 3 * keepPlain, 2 << 20} {
		message := text(n)
		sealed := seal(t, Wrap(source(message)))
		o, err := open(t, sealed)
		if err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
		if o.Header.Get("From") != "a@alice.example" || !o.Enveloped.Certificate.Equal(certificate(t, "bob")) ||
			len(o.Certificates) != 1 || len(o.Signatures) != 1 {
			t.Errorf("%d octets: %+v", n, o)
		}
		s := o.Signatures[0]
		if s.Err != nil || !s.Certificate.Equal(certificate(t, "alice")) || s.Hash != crypto.SHA256 || !s.SigningTime.Equal(signedAt) {
			t.Errorf("%d octets: %+v", n, s)
		}
		for range 2 {
			if got := readContent(t, o); got != mime.WrapPrefix+message {
				t.Errorf("%d octets: the content has %d octets, want %d", n, len(got), len(message))
			}
		}
	}
}

func TestAS44_AS48_WrittenForm(t *testing.T) {
	sealed := seal(t, source(text(5000)))
	want := outerHead + "Content-Type: application/pkcs7-mime; smime-type=enveloped-data;\r\n name=\"smime.p7m\"\r\n" +
		"Content-Disposition: attachment; filename=\"smime.p7m\"\r\nContent-Transfer-Encoding: base64\r\n\r\nMII"
	if !strings.HasPrefix(sealed, want) {
		t.Errorf("it begins with %q", sealed[:len(want)])
	}
	var b bytes.Buffer
	entity, err := Sign(t.Context(), source(text(100)), []cms.Signer{signer(t, "alice", crypto.SHA384), signer(t, "carol", 0)}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	n, err := entity.WriteTo(&b)
	if err != nil || n != entity.Size() || int(n) != b.Len() {
		t.Errorf("wrote %d of %d octets, error %v", n, entity.Size(), err)
	}
	for _, s := range []string{sealed, b.String()} {
		for line := range strings.Lines(s) {
			if !strings.HasSuffix(line, "\r\n") || len(line) > 78 {
				t.Errorf("the line %q", line)
			}
		}
	}
	if !strings.HasPrefix(b.String(), "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg=\"sha-384,sha-256\";\r\n boundary=\"") {
		t.Errorf("the signed entity is\n%s", b.String())
	}
}

func TestEverySignatureIsJudged(t *testing.T) {
	sealed := seal(t, source(text(1e5)), signer(t, "alice", crypto.SHA512), signer(t, "carol", crypto.SHA256))
	o, err := open(t, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Signatures) != 2 || o.Signatures[0].Err != nil || o.Signatures[1].Err != nil {
		t.Errorf("%+v", o.Signatures)
	}
	if readContent(t, o) != text(1e5) {
		t.Error("wrong content")
	}
}

func signedText(t testing.TB, content string) string {
	t.Helper()
	entity, err := Sign(t.Context(), source(content), []cms.Signer{signer(t, "alice", 0)}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	_, err = entity.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestCP1_CP6_EntitiesThatAreLikeOurs(t *testing.T) {
	for _, n := range []int{100, 3 * keepPlain} {
		content := text(n)
		good := signedText(t, content)
		for name, entity := range map[string]string{
			"as written":          good,
			"wrong micalg":        strings.Replace(good, "sha-256", "sha512", 1),
			"no micalg":           strings.Replace(good, "micalg=sha-256;\r\n ", "", 1),
			"old spelling":        strings.Replace(good, "sha-256", "\"SHA256\"", 1),
			"x-pkcs7":             strings.ReplaceAll(good, "pkcs7-signature", "X-PKCS7-Signature"),
			"no protocol":         strings.Replace(good, "protocol=\"application/pkcs7-signature\";\r\n", "", 1),
			"preamble, epilogue":  strings.Replace(good, "\r\n\r\n", "\r\n\r\nThis is S/MIME\r\n", 1) + "epilogue\r\n",
			"more header fields":  "Date: x\r\nMIME-Version: 1.0\r\n" + good,
			"no closing boundary": good[:strings.LastIndex(good, "--postern")],
			"LF for CRLF, CP-2":   strings.ReplaceAll(good, "\r\n", "\n"),
		} {
			o, err := open(t, envelop(t, entity))
			if err != nil {
				t.Errorf("%d octets, %s: %v", n, name, err)
				continue
			}
			if o.Signatures[0].Err != nil {
				t.Errorf("%d octets, %s: %v", n, name, o.Signatures[0].Err)
			} else if got := readContent(t, o); got != content {
				t.Errorf("%d octets, %s: content of %d octets, want %d", n, name, len(got), len(content))
			}
		}
	}
}

func TestCP4_OuterHeaders(t *testing.T) {
	sealed := seal(t, source(text(100)))
	_, body, _ := strings.Cut(sealed, "\r\n\r\n")
	for header, want := range map[string]error{
		"Content-Type: application/x-pkcs7-mime; name=smime.p7m":                           nil,
		"content-type: Application/PKCS7-MIME;SMIME-TYPE=\"Enveloped-Data\";":              nil,
		"Content-Type: application/octet-stream; name=\"SMIME.P7M\"":                       nil,
		"Content-Type: application/octet-stream\r\nContent-Disposition: x; filename=a.p7m": nil,
		"Content-Type: application/octet-stream; name=a.pdf":                               ErrNotEncrypted,
		"Content-Type: application/pkcs7-mime; smime-type=signed-data":                     ErrNotEncrypted,
		"Content-Type: text/plain":                                                         ErrNotEncrypted,
		"Subject: no type":                                                                 ErrNotEncrypted,
		"Content-Type: a/b\r\nContent-Type: application/pkcs7-mime":                        ErrNotEncrypted,
		"no header": mime.ErrHeader,
	} {
		_, err := open(t, header+"\r\nContent-Transfer-Encoding: base64\r\n\r\n"+body)
		if !errors.Is(err, want) {
			t.Errorf("%q: error %v, want %v", header, err, want)
		}
	}
}

func TestOneAnswerToAllThatIsWrongInside(t *testing.T) {
	good := signedText(t, text(100))
	sealed := envelop(t, good)
	flip := func(i int) string {
		p := []byte(sealed)
		for p[i] == '\r' || p[i] == '\n' {
			i++
		}
		p[i] = "AB"[p[i]&1]
		return string(p)
	}
	middle := strings.Index(sealed, "\r\n\r\n") + (len(sealed)-strings.Index(sealed, "\r\n\r\n"))/2
	for name, message := range map[string]string{
		"garbage":               envelop(t, "\x01\x02\x03"),
		"nothing":               envelop(t, ""),
		"garbage after breaks":  envelop(t, "\r\n\r\ngarbage"),
		"broken type":           envelop(t, "Content-Type: nonsense\r\n\r\n"),
		"unknown encoding":      envelop(t, "Content-Type: multipart/signed; boundary=b\r\nContent-Transfer-Encoding: x\r\n\r\n"),
		"no boundary":           envelop(t, strings.Replace(good, "boundary=", "boundary2=", 1)),
		"no parts":              envelop(t, strings.Replace(good, "boundary=\"", "boundary=\"x", 1)),
		"broken base64":         envelop(t, strings.Replace(good, "MII", "M*I", 1)),
		"changed in the middle": flip(middle),
	} {
		_, err := open(t, message)
		if err == nil || err.Error() != cms.ErrUndecryptable.Error() {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestNotSigned(t *testing.T) {
	good := signedText(t, text(100))
	for name, entity := range map[string]string{
		"a message":          mime.WrapPrefix + text(100),
		"text":               "Content-Type: text/plain\r\n\r\nhello\r\n",
		"another protocol":   strings.ReplaceAll(good, "application/pkcs7-signature", "application/pgp-signature"),
		"another part two":   strings.Replace(good, "Content-Type: application/pkcs7-signature", "Content-Type: text/plain", 1),
		"encrypted again":    "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n",
		"certificates alone": certsOnly(t),
	} {
		_, err := open(t, envelop(t, entity))
		if !errors.Is(err, ErrNotSigned) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func certsOnly(t testing.TB) string {
	t.Helper()
	p7, err := cms.EncodeCertificates([]*x509.Certificate{certificate(t, "alice")})
	if err != nil {
		t.Fatal(err)
	}
	return "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n" +
		string(p7) + "\r\n--b--\r\n"
}

func TestNoPlaintextWithoutAGoodSignature(t *testing.T) {
	for _, n := range []int{100, 3 * keepPlain} {
		entity := strings.Replace(signedText(t, text(n)), "Subject: x", "Subject: y", 1)
		o, err := open(t, envelop(t, entity))
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(o.Signatures[0].Err, cms.ErrBadSignature) {
			t.Errorf("the verdict is %v", o.Signatures[0].Err)
		}
		if _, err := o.Content(); !errors.Is(err, ErrNotVerified) {
			t.Errorf("Content: %v", err)
		}
	}
	if _, err := new(Opened).Content(); !errors.Is(err, ErrNotVerified) {
		t.Errorf("the zero Opened: %v", err)
	}
}

// A changing source gives one message first and another from then on.
type changing struct {
	Source
	later Source
	from  int
	n     *int
}

func (c changing) Open() (io.Reader, error) {
	*c.n++
	if *c.n > c.from {
		return c.later.Open()
	}
	return c.Source.Open()
}

func TestContentIsWhatWasVerified(t *testing.T) {
	content := text(3 * keepPlain)
	sealed := seal(t, source(content))
	// CBC lets one who knows the message change it without the key.
	p := []byte(sealed)
	i := len(p) / 2
	for p[i] == '\r' || p[i] == '\n' {
		i++
	}
	p[i] ^= 'A' ^ 'B'
	if p[i] < '0' || p[i] > 'z' {
		p[i] = 'Q'
	}
	for name, later := range map[string]string{"changed": string(p), "another": seal(t, source(text(3*keepPlain+64)))} {
		n := 0
		src := changing{source(sealed), source(later), 1, &n}
		o, err := Open(t.Context(), src, recipient(t, "bob"), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := o.Content()
		if err != nil {
			continue // noticed even before the end
		}
		_, err = io.ReadAll(r)
		if err == nil {
			t.Errorf("%s: a changed message was read to its end", name)
		}
	}
}

func TestContextAndSourceErrors(t *testing.T) {
	sealed := seal(t, source(text(3*keepPlain)))
	ctx, cancel := context.WithCancel(t.Context())
	o, err := Open(ctx, source(sealed), recipient(t, "bob"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Content()
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on: %v", err)
	}
	if _, err := Open(ctx, source(sealed), recipient(t, "bob"), Limits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("opening: %v", err)
	}
	if _, err := Sign(ctx, source("x"), []cms.Signer{signer(t, "alice", 0)}, signedAt); !errors.Is(err, context.Canceled) {
		t.Errorf("signing: %v", err)
	}
	broken := errors.New("disk")
	for _, at := range []int{0, 100, 1000, 50_000, len(sealed) - 3} {
		src := faulty{sealed[:at], int64(len(sealed)), broken}
		if _, err := Open(t.Context(), src, recipient(t, "bob"), Limits{}); !errors.Is(err, broken) {
			t.Errorf("at %d: %v", at, err)
		}
	}
}

// A faulty source breaks after some octets.
type faulty struct {
	text string
	size int64
	err  error
}

func (f faulty) Open() (io.Reader, error) {
	return io.MultiReader(strings.NewReader(f.text), iotest.ErrReader(f.err)), nil
}
func (f faulty) Size() int64 { return f.size }

func TestLimits(t *testing.T) {
	sealed := seal(t, source(text(100)))
	_, err := Open(t.Context(), source(sealed), recipient(t, "bob"), Limits{Size: int64(len(sealed)) - 1})
	if !errors.Is(err, cms.ErrLimit) {
		t.Errorf("size: %v", err)
	}
	_, err = Open(t.Context(), source(sealed), recipient(t, "bob"), Limits{MIME: mime.Limits{Fields: 1}})
	if !errors.Is(err, mime.ErrLimit) {
		t.Errorf("fields: %v", err)
	}
	_, err = Open(t.Context(), source(sealed), nil, Limits{})
	if !errors.Is(err, cms.ErrNoRecipient) {
		t.Errorf("no keys: %v", err)
	}
	wrong := recipient(t, "alice")
	wrong[0].Certificate = certificate(t, "bob")
	_, err = Open(t.Context(), source(sealed), wrong, Limits{})
	if err == nil || err.Error() != cms.ErrUndecryptable.Error() {
		t.Errorf("wrong key: %v", err)
	}
}

func TestSignRefuses(t *testing.T) {
	alice := []cms.Signer{signer(t, "alice", 0)}
	for _, s := range []string{"a\nb", "a\rb", "a\r"} {
		if _, err := Sign(t.Context(), source(s), alice, signedAt); !errors.Is(err, ErrNotCanonical) {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := Sign(t.Context(), source("a"), nil, signedAt); err == nil {
		t.Error("no signers, no error")
	}
	if _, err := Sign(t.Context(), faulty{"a", 2, io.EOF}, alice, signedAt); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a short source: %v", err)
	}
	n := 0
	entity, err := Sign(t.Context(), changing{source("abc"), faulty{"a", 3, io.EOF}, 1, &n}, alice, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	if err := Encrypt(io.Discard, entity, []*x509.Certificate{certificate(t, "bob")}, cms.EncryptOptions{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that shrinks: %v", err)
	}
	if err := Encrypt(io.Discard, entity, []*x509.Certificate{certificate(t, "carol")}, cms.EncryptOptions{}); !errors.Is(err, cms.ErrUnsupported) {
		t.Errorf("an EC recipient: %v", err)
	}
}

func TestDigesterForksAtTheFirstBareLineEnd(t *testing.T) {
	for _, s := range []string{"", "a\r\nb", "a\nb\n", "a\rb\r", "\r", "\n", "a\r\n\r\r\n\n", "a\r\nb\nc\r\n"} {
		var canon bytes.Buffer
		w := mime.NewCRLFWriter(&canon)
		io.WriteString(w, s)
		w.Close()
		for step := 1; step <= len(s)+1; step++ {
			d := newDigester([]crypto.Hash{crypto.SHA256}, false)
			for rest := s; rest != ""; {
				n := min(step, len(rest))
				d.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			d.end()
			if !bytes.Equal(hashSet(d.raw).sums(crypto.SHA256), digestOf(s)) {
				t.Errorf("%q in steps of %d: wrong digest", s, step)
			}
			if d.canon == nil {
				if canon.String() != s {
					t.Errorf("%q in steps of %d: no digest of the canonical form", s, step)
				}
			} else if !bytes.Equal(hashSet(d.canon).sums(crypto.SHA256), digestOf(canon.String())) {
				t.Errorf("%q in steps of %d: wrong digest of the canonical form", s, step)
			}
		}
	}
}

func digestOf(s string) []byte {
	h := crypto.SHA256.New()
	io.WriteString(h, s)
	return h.Sum(nil)
}

func TestMemoryDoesNotGrowWithTheMessage(t *testing.T) {
	content := source(text(4 << 20))
	sealed := seal(t, content)
	alice, bob := []cms.Signer{signer(t, "alice", 0)}, recipient(t, "bob")
	to := []*x509.Certificate{certificate(t, "bob")}
	work := map[string]func() error{
		"out": func() error {
			entity, err := Sign(t.Context(), content, alice, signedAt)
			if err != nil {
				return err
			}
			return Encrypt(io.Discard, entity, to, cms.EncryptOptions{})
		},
		"in": func() error {
			o, err := Open(t.Context(), source(sealed), bob, Limits{})
			if err != nil {
				return err
			}
			r, err := o.Content()
			if err != nil {
				return err
			}
			_, err = copyAll(io.Discard, r)
			return err
		},
	}
	for name, f := range work {
		var before, after runtime.MemStats
		least := uint64(1 << 62) // another test's garbage collection may empty the pools
		for range 5 {
			runtime.ReadMemStats(&before)
			err := f()
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			least = min(least, after.TotalAlloc-before.TotalAlloc)
		}
		if least > 4<<20/10 {
			t.Errorf("%s: %d octets allocated for 4 MiB", name, least)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(seal(f, source(text(100)))))
	f.Add([]byte(envelop(f, certsOnly(f))))
	keys := recipient(f, "bob")
	f.Fuzz(func(t *testing.T, message []byte) {
		o, err := Open(t.Context(), SectionSource(bytes.NewReader(message), int64(len(message))), keys, Limits{})
		if err != nil {
			return
		}
		r, err := o.Content()
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, r)
		if err != nil {
			t.Fatalf("verified, then: %v", err)
		}
	})
}

// FuzzInside takes what an envelope holds: here the fuzzer need not know the key.
func FuzzInside(f *testing.F) {
	f.Add([]byte(signedText(f, text(100))))
	f.Add([]byte(certsOnly(f)))
	f.Add([]byte("Content-Type: application/pkcs7-mime\n\n0\x80"))
	f.Fuzz(func(t *testing.T, entity []byte) {
		m := &opener{ctx: t.Context(), message: source(string(entity))}
		v, err := m.judge(bytes.NewReader(entity))
		if err != nil {
			return
		}
		hashSet(v.digest.raw).sums(crypto.SHA256)
		if v.opaque != nil {
			v.signed.Verify(v.opaque.Digest)
			return
		}
		v.signed.Verify(hashSet(v.digest.raw).sums)
	})
}

var benchSizes = []struct {
	name string
	n    int
}{{"10KiB", 10 << 10}, {"1MiB", 1 << 20}, {"25MiB", 25 << 20}}

func BenchmarkEncrypt(b *testing.B) {
	alice, to := []cms.Signer{signer(b, "alice", 0)}, []*x509.Certificate{certificate(b, "bob")}
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			content := Wrap(source(text(size.n)))
			b.SetBytes(content.Size())
			b.ReportAllocs()
			for b.Loop() {
				entity, err := Sign(b.Context(), content, alice, signedAt)
				if err != nil {
					b.Fatal(err)
				}
				err = Encrypt(io.Discard, entity, to, cms.EncryptOptions{})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	bob := recipient(b, "bob")
	for _, size := range benchSizes {
		b.Run(size.name, func(b *testing.B) {
			content := Wrap(source(text(size.n)))
			sealed := source(seal(b, content))
			b.SetBytes(content.Size())
			b.ReportAllocs()
			for b.Loop() {
				o, err := Open(b.Context(), sealed, bob, Limits{})
				if err != nil {
					b.Fatal(err)
				}
				r, err := o.Content()
				if err != nil {
					b.Fatal(err)
				}
				_, err = copyAll(io.Discard, r)
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
