package smime

import (
	"bytes"
	"crypto"
	"io"
	"testing"
)

func FuzzOpen(f *testing.F) {
	f.Add([]byte(seal(f, source(text(100)))))
	f.Add([]byte(envelop(f, certsOnly(f))))
	keys := recipient(f, "bob")
	f.Fuzz(func(t *testing.T, message []byte) {
		o, err := Open(t.Context(), SectionSource(bytes.NewReader(message), int64(len(message))), keys, Options{})
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
