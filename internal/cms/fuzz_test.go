package cms

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
)

// known fails unless the error is of a kind that the package promises.
func known(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, kind := range []error{
		ErrMalformed, ErrLimit, ErrUnsupported, ErrWeakAlgorithm, ErrNoRecipient,
		ErrUndecryptable, ErrNoSignature, ErrBadSignature, ErrNoCertificate,
	} {
		if errors.Is(err, kind) {
			return
		}
	}
	t.Fatalf("an error of no kind: %v", err)
}

// What element makes of BER is read again as the very same, and skip goes as far.
func FuzzBER(f *testing.F) {
	for _, name := range []string{"env-bc-two.p7m", "sig-openssl-p256.p7s", "certs-openssl.p7b"} {
		f.Add(fixture(f, name))
	}
	f.Add(openTLV(0x30, openTLV(0x24, tlv(0x04, []byte("a")), openTLV(0x24, tlv(0x04, []byte("b")))), tlv(0x31)))
	f.Add([]byte{0x30, 0x85, 0, 0, 0, 0, 3, 2, 1, 5})
	f.Add(bytes.Repeat([]byte{0x30, 0x80}, 40))
	f.Fuzz(func(t *testing.T, in []byte) {
		first, read, err := readElement(in)
		known(t, err)
		if err != nil {
			return
		}
		again, _, err := readElement(first)
		if err != nil || !bytes.Equal(first, again) {
			t.Fatalf("%x becomes %x (%v)", first, again, err)
		}
		b := newBERReader(bytes.NewReader(in), indefinite, Limits{})
		defer b.release()
		h, _, err := b.next()
		if err == nil {
			err = b.skip(h)
		}
		if err != nil || b.off != read {
			t.Fatalf("skipped %d octets of %d: %v", b.off, read, err)
		}
	})
}

// readElement returns the first element of in, and how long it was there.
func readElement(in []byte) ([]byte, int64, error) {
	b := newBERReader(bytes.NewReader(in), indefinite, Limits{})
	defer b.release()
	h, _, err := b.next()
	if err != nil {
		return nil, 0, err
	}
	der, err := b.element(nil, h)
	return der, b.off, err
}

func FuzzEnveloped(f *testing.F) {
	for _, name := range []string{
		"env-bc-two.p7m", "env-openssl-keyid.p7m", "env-openssl-with-password.p7m",
		"env-openssl-oaep-sha256.p7m",
	} {
		f.Add(fixture(f, name))
	}
	f.Add(toAlice(f, cbc(f, testKey, padded([]byte("here")))).bytes())
	// A module that always says the same key is fast, and lets the fuzzer through.
	keys := []RecipientKey{{Certificate: certificate(f, "alice"), Decrypter: module{recipientKey(f, "alice").Decrypter, testKey, nil}}}
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := OpenEnveloped(bytes.NewReader(in), keys, Limits{})
		known(t, err)
		if err != nil {
			return
		}
		plain, err := io.ReadAll(e)
		known(t, err)
		again, openErr := e.Reopen(bytes.NewReader(in))
		if openErr != nil {
			t.Fatalf("opened once, not twice: %v", openErr)
		}
		second, secondErr := io.ReadAll(again)
		if !bytes.Equal(plain, second) || fmt.Sprint(secondErr) != fmt.Sprint(err) {
			t.Fatalf("read twice, unlike: %v, %v", err, secondErr)
		}
	})
}

func FuzzSigned(f *testing.F) {
	for _, name := range []string{
		"sig-openssl-two.p7s", "sig-openssl-keyid.p7s", "sig-openssl-opaque.p7s",
		"sig-gpgsm-detached.p7s", "sig-openssl-refuse-noattr.p7s",
	} {
		f.Add(fixture(f, name))
	}
	f.Add(newForgery(f, []byte("a record")).bytes(f))
	content := fixture(f, "small.txt")
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := ParseSigned(in, SignedOptions{})
		known(t, err)
		if err == nil {
			for _, r := range s.Verify(digester(content)) {
				known(t, r.Err)
				if r.Err == nil && r.Certificate == nil {
					t.Fatal("a good signature by nobody")
				}
			}
		}
		r, err := OpenSigned(bytes.NewReader(in), SignedOptions{})
		known(t, err)
		if err != nil {
			return
		}
		_, err = io.Copy(io.Discard, r)
		known(t, err)
		if err == nil {
			for _, result := range r.Signed().Verify(r.Digest) {
				known(t, result.Err)
			}
		}
	})
}

func FuzzCertificates(f *testing.F) {
	f.Add(fixture(f, "certs-bc.p7b"))
	f.Add(fixture(f, "certs-openssl.p7b"))
	f.Add(fixture(f, "sig-openssl-p256.p7s"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ReadCollection(in, 1000)
		known(t, err)
		if err != nil {
			return
		}
		for _, result := range c.Verify() {
			known(t, result.Err)
		}
		if len(c.Certificates) == 0 {
			return
		}
		p7, err := EncodeCollection(c.Certificates, c.Content)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadCollection(p7, len(c.Certificates))
		if err != nil || len(again.Bad) != 0 || len(again.Certificates) != len(c.Certificates) || !bytes.Equal(again.Content, c.Content) {
			t.Fatalf("%+v becomes %+v, %v", c, again, err)
		}
	})
}
