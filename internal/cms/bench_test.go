package cms

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"io"
	"testing"
	"time"
)

var benchSizes = []int{10 << 10, 1 << 20, 25 << 20}

var benchOptions = []EncryptOptions{{}, {Cipher: AES256GCM}}

func BenchmarkEncrypt(b *testing.B) {
	to := []*x509.Certificate{certificate(b, "alice")}
	eachSize(b, func(b *testing.B, o EncryptOptions, size int) {
		plain := noise(size)
		for b.Loop() {
			w, err := NewEnvelopedWriter(io.Discard, int64(size), to, o)
			if err != nil {
				b.Fatal(err)
			}
			_, err = w.Write(plain)
			if err != nil {
				b.Fatal(err)
			}
			err = w.Close()
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDecrypt(b *testing.B) {
	alice := recipientKey(b, "alice")
	eachSize(b, func(b *testing.B, o EncryptOptions, size int) {
		message := encrypt(b, noise(size), o, alice.Certificate)
		for b.Loop() {
			e, err := OpenEnveloped(bytes.NewReader(message), []RecipientKey{alice}, Limits{})
			if err != nil {
				b.Fatal(err)
			}
			_, err = io.Copy(io.Discard, e)
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}

func eachSize(b *testing.B, run func(b *testing.B, o EncryptOptions, size int)) {
	for _, o := range benchOptions {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%v/%d", o.Cipher, size), func(b *testing.B) {
				b.SetBytes(int64(size))
				b.ReportAllocs()
				run(b, o, size)
			})
		}
	}
}

// BenchmarkKeyManagement is the cost of the way to the content key.
func BenchmarkKeyManagement(b *testing.B) {
	for _, who := range []string{"alice", "p256", "p384"} {
		key := recipientKey(b, who)
		message := encrypt(b, noise(1000), EncryptOptions{}, key.Certificate)
		b.Run("open/"+who, func(b *testing.B) {
			for b.Loop() {
				_, err := OpenEnveloped(bytes.NewReader(message), []RecipientKey{key}, Limits{})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
		to := []*x509.Certificate{key.Certificate}
		b.Run("make/"+who, func(b *testing.B) {
			for b.Loop() {
				_, err := NewEnvelopedWriter(io.Discard, 0, to, EncryptOptions{})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	by := []Signer{signer(b, "alice", 0)}
	digest := digester(noise(1000))
	b.ReportAllocs()
	for b.Loop() {
		_, err := SignDetached(digest, by, time.Unix(0, 0))
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	digest := digester(fixture(b, "small.txt"))
	message := fixture(b, "sig-openssl-detached.p7s")
	b.ReportAllocs()
	for b.Loop() {
		s, err := ParseSigned(message, SignedOptions{})
		if err != nil {
			b.Fatal(err)
		}
		if s.Verify(digest)[0].Err != nil {
			b.Fatal("the signature is bad")
		}
	}
}
