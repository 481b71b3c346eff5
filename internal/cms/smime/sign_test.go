package smime

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"strings"
	"testing"

	"postern/internal/cms"
	"postern/mime"
)

func TestAS44_AS48_AS51_WrittenForm(t *testing.T) {
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
			if strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
				t.Errorf("the line %q is not ASCII", line)
			}
		}
	}
	if !strings.HasPrefix(b.String(), "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n micalg=\"sha-384,sha-256\";\r\n boundary=\"") {
		t.Errorf("the signed entity is\n%s", b.String())
	}
}

func TestAS50_SignRefuses(t *testing.T) {
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
	stranger := &x509.Certificate{PublicKey: struct{}{}}
	if err := Encrypt(io.Discard, entity, []*x509.Certificate{stranger}, cms.EncryptOptions{}); !errors.Is(err, cms.ErrUnsupported) {
		t.Errorf("a key of another kind: %v", err)
	}
}

func TestDigesterForksAtTheFirstBareLineEnd(t *testing.T) {
	for _, s := range []string{"", "a\r\nb", "a\nb\n", "a\rb\r", "\r", "\n", "a\r\n\r\r\n\n", "a\r\nb\nc\r\n"} {
		var canon bytes.Buffer
		w := mime.NewCRLFWriter(&canon)
		io.WriteString(w, s)
		w.Close()
		for step := 1; step <= len(s)+1; step++ {
			d := newDigester([]crypto.Hash{crypto.SHA256}, 0)
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
