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

func BenchmarkEncrypt(b *testing.B) {
	to := []*x509.Certificate{certificate(b, "alice")}
	for _, size := range benchSizes {
		plain := noise(size)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				w, err := NewEnvelopedWriter(io.Discard, int64(size), to, EncryptOptions{})
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
}

func BenchmarkDecrypt(b *testing.B) {
	alice := recipientKey(b, "alice")
	for _, size := range benchSizes {
		message := encrypt(b, noise(size), EncryptOptions{}, alice.Certificate)
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
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
