package cms

import (
	"bytes"
	"crypto/x509"
	"io"
	"runtime"
	"sync"
	"testing"
)

// What is allocated for a message does not grow with it.
func TestCP24_MemoryIsConstant(t *testing.T) {
	for _, o := range []EncryptOptions{{}, {Cipher: AES256GCM}} {
		t.Run(o.Cipher.String(), func(t *testing.T) { memoryIsConstant(t, o) })
	}
}

func memoryIsConstant(t *testing.T, o EncryptOptions) {
	alice := recipientKey(t, "alice")
	plain := noise(8 << 20)
	message := encrypt(t, plain, o, alice.Certificate)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	e, err := OpenEnveloped(bytes.NewReader(message), []RecipientKey{alice}, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, e)
	if err != nil {
		t.Fatal(err)
	}
	w, err := NewEnvelopedWriter(io.Discard, int64(len(plain)), []*x509.Certificate{alice.Certificate}, o)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(plain)
	if err != nil {
		t.Fatal(err)
	}
	err = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	allocated := after.TotalAlloc - before.TotalAlloc
	if allocated > 512<<10 {
		t.Errorf("%d octets allocated for a message of %d", allocated, len(plain))
	}
}

// Messages at the same time do not share a buffer.
func TestManyAtOnce(t *testing.T) {
	alice := recipientKey(t, "alice")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			plain := bytes.Repeat([]byte{byte(i)}, 200_000+i)
			message, err := tryEncrypt(plain, EncryptOptions{}, alice.Certificate)
			if err != nil {
				t.Error(err)
				return
			}
			got, err := decrypt(message, alice)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("message %d: %d octets, %v", i, len(got), err)
			}
		})
	}
	wg.Wait()
}
