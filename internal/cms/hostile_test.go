package cms

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"postern/internal/testnet/effort"
)

// allReaders gives a message to every door of the package and returns the
// errors that came out.
func allReaders(t testing.TB, message []byte) []error {
	_, envErr := decrypt(message, recipientKey(t, "alice"))
	_, signErr := ParseSigned(message, SignedOptions{})
	_, certErr := ReadCollection(message, 0)
	r, streamErr := OpenSigned(bytes.NewReader(message), SignedOptions{})
	if streamErr == nil {
		_, streamErr = io.Copy(io.Discard, r)
	}
	return []error{envErr, signErr, certErr, streamErr}
}

// soon fails if f takes hours on what is read in a fraction of a second: as anything does
// here that takes the square of the length. Both are far from the bound, whatever else
// the machine has to do.
func soon(t *testing.T, f func()) {
	t.Helper()
	spent := effort.Since()
	f()
	if took := spent(); took > 2*time.Minute {
		t.Errorf("took %v", took)
	}
}

func TestHostileNesting(t *testing.T) {
	nest := bytes.Repeat([]byte{0x30, 0x80}, 2_000_000)
	soon(t, func() {
		for _, err := range allReaders(t, nest) {
			if err == nil {
				t.Error("a nest passed")
			}
		}
	})
	soon(t, func() {
		b := newBERReader(bytes.NewReader(nest), indefinite, Limits{})
		h, _, err := b.next()
		if err == nil {
			err = b.skip(h)
		}
		if !errors.Is(err, ErrLimit) {
			t.Errorf("skipping a nest: %v", err)
		}
	})
	soon(t, func() {
		b := newBERReader(bytes.NewReader(nest), indefinite, Limits{})
		h, _, err := b.next()
		if err == nil {
			_, err = b.element(nil, h)
		}
		if !errors.Is(err, ErrLimit) {
			t.Errorf("reading a nest: %v", err)
		}
	})
}

func TestHostileFloodOfElements(t *testing.T) {
	flood := append([]byte{0x30, 0x80}, bytes.Repeat([]byte{4, 1, 'A'}, 1_600_000)...)
	for _, limits := range []Limits{{}, {Nodes: 1 << 30, Held: 1 << 30}} {
		soon(t, func() {
			b := newBERReader(bytes.NewReader(flood), indefinite, limits)
			h, _, err := b.next()
			if err == nil {
				_, err = b.element(nil, h)
			}
			if err == nil {
				t.Error("a flood without an end passed")
			}
		})
	}
	soon(t, func() {
		for _, err := range allReaders(t, flood) {
			if err == nil {
				t.Error("a flood passed")
			}
		}
	})
}

// One octet in each piece is foolish, not false: it is served, in linear time.
func TestHostileFloodOfChunks(t *testing.T) {
	const n = 1_000_000
	ciphertext := cbc(t, testKey, padded(make([]byte, n)))
	var pieces []byte
	for _, c := range ciphertext {
		pieces = append(pieces, 4, 1, c)
	}
	message := toAlice(t, nil)
	message.ciphertext = openTLV(0xa0, pieces)
	soon(t, func() {
		plain, err := decrypt(message.bytes(), recipientKey(t, "alice"))
		if err != nil || len(plain) != n {
			t.Errorf("%d octets, %v", len(plain), err)
		}
	})
	message.ciphertext = openTLV(0xa0, bytes.Repeat([]byte{4, 0}, maxChunks+1))
	_, err := decrypt(message.bytes(), recipientKey(t, "alice"))
	if !errors.Is(err, ErrLimit) {
		t.Errorf("pieces without number: %v", err)
	}
}

func TestHostileNestedChunks(t *testing.T) {
	ciphertext := cbc(t, testKey, padded([]byte("nested")))
	nested := tlv(tagOctetString, ciphertext[:5])
	for range 10 {
		nested = openTLV(0x24, nested)
	}
	message := toAlice(t, nil)
	message.ciphertext = openTLV(0xa0, nested, tlv(0x24), tlv(0x24, tlv(tagOctetString, ciphertext[5:])))
	plain, err := decrypt(message.bytes(), recipientKey(t, "alice"))
	if err != nil || string(plain) != "nested" {
		t.Errorf("%q, %v", plain, err)
	}
	message.ciphertext = openTLV(0xa0, bytes.Repeat([]byte{0x24, 0x80}, 1_000_000))
	_, err = decrypt(message.bytes(), recipientKey(t, "alice"))
	if !errors.Is(err, ErrLimit) {
		t.Errorf("a nest of pieces: %v", err)
	}
	message.ciphertext = tlv(0xa0, tlv(tagInteger, ciphertext))
	_, err = decrypt(message.bytes(), recipientKey(t, "alice"))
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("a piece that is an integer: %v", err)
	}
}

func TestHostileSizes(t *testing.T) {
	huge := []byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 0x06, 0x84, 0x7f, 0xff, 0xff, 0x00}
	for i, err := range allReaders(t, huge) {
		if !errors.Is(err, ErrLimit) && !errors.Is(err, ErrMalformed) {
			t.Errorf("reader %d: %v", i, err)
		}
	}
	big := newForgery(t, nil)
	big.attrs = append(big.attrs, attr(oidSMIMECapabilities, tlv(tagOctetString, make([]byte, 2<<20))))
	_, err := ParseSigned(big.bytes(t), SignedOptions{})
	if !errors.Is(err, ErrLimit) {
		t.Errorf("2 MiB of attributes: %v", err)
	}
}

func TestHostileBER(t *testing.T) {
	tests := map[string][]byte{
		"nothing":                       {},
		"one octet":                     {0x30},
		"a high tag":                    {0x30, 0x03, 0x1f, 0x81, 0x00},
		"a primitive without length":    {0x30, 0x80, 0x06, 0x80, 0, 0},
		"a length of 127 octets":        append([]byte{0x30, 0xff}, make([]byte, 127)...),
		"a length beyond all":           {0x30, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
		"end of contents at the start":  {0, 0},
		"end of contents in a definite": {0x30, 0x02, 0, 0},
		"half an end of contents":       {0x30, 0x80, 0, 1},
		"a child beyond its parent":     {0x30, 0x03, 0x06, 0x09, 0x2a},
	}
	for name, message := range tests {
		for i, err := range allReaders(t, message) {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s, reader %d: %v", name, i, err)
			}
		}
	}
}

// Lengths with leading zeros are BER, if no DER.
func TestLengthsWithLeadingZeros(t *testing.T) {
	f := newForgery(t, []byte("x"))
	der := f.bytes(t)
	h := 4 // 30 82 xx xx
	ber := append([]byte{0x30, 0x85, 0, 0, 0, der[2], der[3]}, der[h:]...)
	s, err := ParseSigned(ber, SignedOptions{})
	if err != nil || s.Verify(digester([]byte("x")))[0].Err != nil {
		t.Errorf("%v", err)
	}
}

func TestHostileTrailingOctets(t *testing.T) {
	for _, name := range []string{"env-openssl-aes256.p7m", "env-bc-stream.p7m", "env-openssl-refuse-gcm.p7m"} {
		_, err := decrypt(append(fixture(t, name), 0), recipientKey(t, "alice"))
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"sig-openssl-detached.p7s", "sig-bc-opaque-stream.p7s"} {
		errs := allReaders(t, append(fixture(t, name), 0))
		if !errors.Is(errs[1], ErrMalformed) || !errors.Is(errs[3], ErrMalformed) {
			t.Errorf("%s: %v", name, errs)
		}
	}
	_, err := ReadCollection(append(fixture(t, "certs-bc.p7b"), 0), 0)
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("certificates: %v", err)
	}
}

// Every cut of every fixture is refused, whatever is read.
func TestHostileCuts(t *testing.T) {
	for _, name := range []string{"env-openssl-oaep-sha256.p7m", "env-bc-two.p7m", "env-openssl-refuse-gcm.p7m", "sig-openssl-opaque.p7s", "sig-openssl-p256.p7s", "certs-bc.p7b"} {
		whole := fixture(t, name)
		for n := 0; n < len(whole); n += 1 + n/40 {
			for i, err := range allReaders(t, whole[:n]) {
				if err == nil {
					t.Fatalf("%s cut to %d octets passed reader %d", name, n, i)
				}
			}
		}
	}
}

func TestHostileSignedRubbish(t *testing.T) {
	tests := map[string][]byte{
		"text":     tlv(tagSequence, oidTLV(oidSignedData), tlv(0xa0, []byte("rubbish"))),
		"nothing":  tlv(tagSequence, oidTLV(oidSignedData), tlv(0xa0)),
		"no body":  tlv(tagSequence, oidTLV(oidSignedData)),
		"integers": tlv(tagSequence, oidTLV(oidSignedData), tlv(0xa0, tlv(tagSequence, integerTLV(1), integerTLV(1)))),
	}
	for name, message := range tests {
		errs := allReaders(t, message)
		for _, err := range errs[1:] {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// A failing reader is not a damaged message: the caller may try again.
func TestReaderFailureIsNotTheMessages(t *testing.T) {
	broken := errors.New("disk on fire")
	whole := fixture(t, "env-openssl-stream.p7m")
	for _, n := range []int{0, 10, 300, 5000, len(whole)} {
		r := io.MultiReader(bytes.NewReader(whole[:n]), failing{broken})
		e, err := OpenEnveloped(r, []RecipientKey{recipientKey(t, "alice")}, Limits{})
		if err == nil {
			_, err = io.Copy(io.Discard, e)
		}
		if !errors.Is(err, broken) || errors.Is(err, ErrMalformed) {
			t.Errorf("after %d octets: %v", n, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestErrorsTellNoContent(t *testing.T) {
	secret := []byte("Content-Type: text/plain\r\n\r\nJane Doe, born 1970")
	whole := encrypt(t, secret, EncryptOptions{}, certificate(t, "alice"))
	for n := range whole {
		whole[n] ^= 0x55
		for _, err := range allReaders(t, whole) {
			if err != nil && strings.Contains(err.Error(), "Jane") {
				t.Fatalf("octet %d: %v", n, err)
			}
		}
		whole[n] ^= 0x55
	}
}
