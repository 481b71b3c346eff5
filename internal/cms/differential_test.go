package cms

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	smallstep "github.com/smallstep/pkcs7"
	mozilla "go.mozilla.org/pkcs7"
)

// The other implementations in Go recurse without a bound and search in
// quadratic time: they get what is small and flat alone.
const (
	mostForPeers = 64 << 10
	deepForPeers = 30
)

// fitForPeers reports whether an input can be given to them.
func fitForPeers(in []byte) bool {
	if len(in) > mostForPeers {
		return false
	}
	b := newBERReader(bytes.NewReader(in), int64(len(in)), Limits{Depth: deepForPeers})
	defer b.release()
	h, more, err := b.next()
	if err != nil || !more {
		return false
	}
	_, err = b.element(nil, h)
	return err == nil
}

// agree fails if another implementation accepts an input with other octets than
// we do. One that refuses it, or dies of it, says nothing.
func agree(t *testing.T, ours []byte, name string, read func() ([]byte, error)) {
	t.Helper()
	theirs, err := guarded(read)
	if err == nil && !bytes.Equal(theirs, ours) {
		t.Errorf("%s reads %q, we %q", name, theirs, ours)
	}
}

// guarded makes an error of a panic.
func guarded(f func() ([]byte, error)) (out []byte, err error) {
	defer func() {
		r := recover()
		if r != nil {
			out, err = nil, fmt.Errorf("it panicked: %v", r)
		}
	}()
	return f()
}

// FuzzDifferentialEnveloped wants the same plaintext of everybody who decrypts.
func FuzzDifferentialEnveloped(f *testing.F) {
	f.Add(toAlice(f, cbc(f, testKey, padded([]byte("here")))).bytes())
	pieces := toAlice(f, nil)
	text := cbc(f, testKey, padded(noise(100)))
	pieces.ciphertext = openTLV(0xa0, tlv(tagOctetString, text[:40]), tlv(tagOctetString, text[40:]))
	f.Add(pieces.bytes())
	gcmText, tag := newAuthEnveloped("a record").seal(f)
	gcm := toAlice(f, append(gcmText, tag...))
	gcm.cipher = gcmTLV(oidAES256GCM, testNonce, 16)
	f.Add(gcm.bytes())
	alice, key := certificate(f, "alice"), rawKey(f, "alice")
	ours := []RecipientKey{{Certificate: alice, Decrypter: module{recipientKey(f, "alice").Decrypter, testKey, nil}}}
	f.Fuzz(func(t *testing.T, in []byte) {
		e, err := OpenEnveloped(bytes.NewReader(in), ours, Limits{})
		if err != nil || e.Info().Recipients != 1 { // of several, others may take another
			return
		}
		plain, err := io.ReadAll(e)
		if err != nil || !fitForPeers(in) {
			return
		}
		agree(t, plain, "mozilla", func() ([]byte, error) {
			m, err := mozilla.Parse(in)
			if err != nil {
				return nil, err
			}
			return m.Decrypt(alice, key)
		})
		agree(t, plain, "smallstep", func() ([]byte, error) {
			m, err := smallstep.Parse(in)
			if err != nil {
				return nil, err
			}
			return m.Decrypt(alice, key)
		})
	})
}

// FuzzDifferentialSigned wants the same content of everybody who verifies.
func FuzzDifferentialSigned(f *testing.F) {
	f.Add(fixture(f, "sig-openssl-opaque.p7s"))
	forged := newForgery(f, []byte("a record"))
	der := forged.bytes(f)
	// The content in pieces, which some read the first of alone.
	empty, whole := tlv(tagSequence, oidTLV(oidData)), openTLV(tagSequence, oidTLV(oidData), openTLV(0xa0,
		openTLV(0x24, tlv(tagOctetString, []byte("a rec")), tlv(tagOctetString, []byte("ord")))))
	at := bytes.Index(der, empty)
	f.Add(tlv(tagSequence, oidTLV(oidSignedData), openTLV(0xa0, openTLV(tagSequence,
		integerTLV(1), tlv(tagSet, forged.digest), whole, der[at+len(empty):]))))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := OpenSigned(bytes.NewReader(in), SignedOptions{})
		if err != nil {
			return
		}
		content, err := io.ReadAll(r)
		if err != nil || !fitForPeers(in) {
			return
		}
		for _, result := range r.Signed().Verify(r.Digest) {
			if result.Err != nil {
				return
			}
		}
		agree(t, content, "mozilla", func() ([]byte, error) {
			m, err := mozilla.Parse(in)
			if err != nil {
				return nil, err
			}
			return m.Content, m.Verify()
		})
		agree(t, content, "smallstep", func() ([]byte, error) {
			m, err := smallstep.Parse(in)
			if err != nil {
				return nil, err
			}
			return m.Content, m.Verify()
		})
	})
}

// FuzzSignerInfo takes one SignerInfo, beside a good signer.
func FuzzSignerInfo(f *testing.F) {
	content := []byte("a record")
	good := newForgery(f, content).info(f)
	f.Add(good)
	f.Add(good[4:])
	pss := newForgery(f, content)
	pss.signature = pssTLV(pssHash(algorithmTLV(oidSHA256)), pssMGF(algorithmTLV(oidSHA256)), pssInteger(0xa2, 32))
	f.Add(pss.info(f))
	sha1 := newForgery(f, content)
	sha1.digest = algorithmTLV(oidSHA1)
	f.Add(sha1.info(f))
	f.Fuzz(func(t *testing.T, info []byte) {
		message := newForgery(t, content).around(good, info)
		s, err := ParseSigned(message, SignedOptions{SHA1: len(info)%2 == 0})
		known(t, err)
		if err != nil {
			return
		}
		results := s.Verify(digester(content))
		if results[0].Err != nil {
			t.Fatalf("the good signer is spoilt: %v", results[0].Err)
		}
		for _, r := range results {
			known(t, r.Err)
			if r.Err == nil && (r.Certificate == nil || r.Algorithm == "" || r.Hash == 0) {
				t.Fatalf("a good signature that says too little: %+v", r)
			}
		}
	})
}
