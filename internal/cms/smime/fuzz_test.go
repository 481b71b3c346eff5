package smime

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"io"
	"testing"

	"postern/internal/cms"
)

func FuzzOpen(f *testing.F) {
	f.Add([]byte(seal(f, source(text(100)))))
	f.Add([]byte(envelop(f, certsOnly(f))))
	for _, c := range []cms.ContentCipher{cms.AES256CBC, cms.AES128GCM} {
		entity, err := Sign(f.Context(), source(text(100)), []cms.Signer{signer(f, "carol", 0)}, signedAt)
		if err != nil {
			f.Fatal(err)
		}
		var sealed bytes.Buffer
		err = Encrypt(&sealed, entity, []*x509.Certificate{certificate(f, "carol")}, cms.EncryptOptions{Cipher: c})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed.Bytes())
	}
	carol, err := key(f, "carol").(*ecdsa.PrivateKey).ECDH()
	if err != nil {
		f.Fatal(err)
	}
	keys := append(recipient(f, "bob"), cms.RecipientKey{Certificate: certificate(f, "carol"), Agreement: carol})
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
	f.Add([]byte(entity("application/pkcs7-mime", opaque(f, text(100), nil))))
	f.Add([]byte(signedText(f, entity("application/pkcs7-mime; smime-type=compressed-data", []byte{0x30, 0x80}))))
	f.Add([]byte("Content-Type: application/pkcs7-mime\n\n0\x80"))
	f.Fuzz(func(t *testing.T, entity []byte) {
		m := &opener{ctx: t.Context(), message: source(string(entity)), options: Options{SHA1: len(entity)%2 == 0}}
		v, err := m.judge(bytes.NewReader(entity))
		if err != nil {
			return
		}
		_ = m.refuseLayers(v, func() (io.Reader, error) { return bytes.NewReader(entity), nil }) // must not panic
		hashSet(v.digest.raw).sums(crypto.SHA256)
		if v.opaque != nil {
			v.signed.Verify(v.opaque.Digest)
			return
		}
		v.signed.Verify(hashSet(v.digest.raw).sums)
	})
}
