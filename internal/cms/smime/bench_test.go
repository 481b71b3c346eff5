package smime

import (
	"crypto/x509"
	"io"
	"runtime"
	"testing"

	"postern/internal/cms"
)

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
			o, err := Open(t.Context(), source(sealed), bob, Options{})
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
				o, err := Open(b.Context(), sealed, bob, Options{})
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
