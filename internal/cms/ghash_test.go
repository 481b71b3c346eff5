package cms

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/hex"
	"math/rand/v2"
	"testing"
)

// sealInPieces is AES-GCM by ghash, with the additional data hashed last.
func sealInPieces(t testing.TB, key, nonce, plain, additional []byte, piece int) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	g, stream, err := newGHASH(block, nonce)
	if err != nil {
		t.Fatal(err)
	}
	out := bytes.Clone(plain)
	for rest := out; len(rest) > 0; {
		n := min(piece, len(rest))
		stream.XORKeyStream(rest[:n], rest[:n])
		before := bytes.Clone(rest[:n])
		g.write(rest[:n])
		if !bytes.Equal(before, rest[:n]) {
			t.Fatal("write changed its input")
		}
		rest = rest[n:]
	}
	g.prepend(additional, int64(len(plain)))
	tag := g.sum(int64(len(additional)), int64(len(plain)))
	return append(out, tag[:]...)
}

func TestGHASHAgreesWithTheLibrary(t *testing.T) {
	random := rand.New(rand.NewChaCha8([32]byte{1}))
	lengths := []int{0, 1, 15, 16, 17, 31, 32, 33, 48, 1000}
	for range 60 {
		lengths = append(lengths, random.IntN(70_000))
	}
	for _, n := range lengths {
		key := noise([]int{16, 24, 32}[random.IntN(3)])
		nonce, plain := noise(n + 12)[n:], noise(n)
		additional := noise(random.IntN(300) * random.IntN(2))
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		want := aead.Seal(nil, nonce, plain, additional)
		for _, piece := range []int{16, 48, 1024, blockBuffer} {
			got := sealInPieces(t, key, nonce, plain, additional, piece)
			if !bytes.Equal(got, want) {
				t.Errorf("%d octets, %d additional, in pieces of %d: another result", n, len(additional), piece)
			}
		}
	}
}

// The test cases of the specification of GCM by McGrew and Viega, which NIST
// SP 800-38D took over: 1 to 4, 13 to 16.
func TestGCMVectors(t *testing.T) {
	const (
		key16  = "feffe9928665731c6d6a8f9467308308"
		key32  = key16 + key16
		nonce  = "cafebabefacedbaddecaf888"
		plain  = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
		short  = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
		more   = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
		text16 = "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
		text32 = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	)
	zeros := func(n int) string { return hex.EncodeToString(make([]byte, n)) }
	tests := []struct{ name, key, nonce, plain, more, want string }{
		{"1", zeros(16), zeros(12), "", "", "58e2fccefa7e3061367f1d57a4e7455a"},
		{"2", zeros(16), zeros(12), zeros(16), "", "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf"},
		{"3", key16, nonce, plain, "", text16 + "473f5985" + "4d5c2af327cd64a62cf35abd2ba6fab4"},
		{"4", key16, nonce, short, more, text16 + "5bc94fbc3221a5db94fae95ae7121a47"},
		{"13", zeros(32), zeros(12), "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
		{"14", zeros(32), zeros(12), zeros(16), "", "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
		{"15", key32, nonce, plain, "", text32 + "898015ad" + "b094dac5d93471bdec1a502270e3cc6c"},
		{"16", key32, nonce, short, more, text32 + "76fc6ece0f4e1768cddf8853bb2d551b"},
	}
	for _, tt := range tests {
		got := sealInPieces(t, unhex(t, tt.key), unhex(t, tt.nonce), unhex(t, tt.plain), unhex(t, tt.more), 32)
		if !bytes.Equal(got, unhex(t, tt.want)) {
			t.Errorf("test case %s: %x, want %s", tt.name, got, tt.want)
		}
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestGFPowers(t *testing.T) {
	x := gfLoad(noise(16))
	product := gfElement{hi: 1 << 63}
	for n := range uint64(70) {
		if x.pow(n) != product {
			t.Errorf("power %d is another", n)
		}
		product = product.mul(x)
	}
}

// BenchmarkGCM is the content alone, by the library at once and by us in pieces.
func BenchmarkGCM(b *testing.B) {
	key, nonce, text := noise(32), noise(12), noise(1<<20)
	block, err := aes.NewCipher(key)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("library", func(b *testing.B) {
		aead, err := cipher.NewGCM(block)
		if err != nil {
			b.Fatal(err)
		}
		out := make([]byte, 0, len(text)+16)
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			aead.Seal(out, nonce, text, nil)
		}
	})
	b.Run("pieces", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			g, stream, err := newGHASH(block, nonce)
			if err != nil {
				b.Fatal(err)
			}
			for at := 0; at < len(text); at += blockBuffer {
				piece := text[at : at+blockBuffer]
				stream.XORKeyStream(piece, piece)
				g.write(piece)
			}
			g.sum(0, int64(len(text)))
		}
	})
}
