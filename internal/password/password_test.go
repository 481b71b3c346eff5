package password

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// light is a hash of "correct horse" that costs little.
func light(t testing.TB) string {
	t.Helper()
	h := phc{memory: 8, passes: 1, lanes: 1, salt: []byte("saltsalt")}
	h.hash = h.derive([]byte("correct horse"), hashLength)
	return h.String()
}

func TestHashAndVerify(t *testing.T) {
	hash, err := Hash([]byte("correct horse"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash is %q", hash)
	}
	for password, want := range map[string]bool{"correct horse": true, "correct horsf": false, "": false} {
		got, err := Verify(hash, []byte(password))
		if err != nil || got != want {
			t.Errorf("Verify(%q) = %v, %v", password, got, err)
		}
	}
}

func TestSaltsDiffer(t *testing.T) {
	a, errA := Hash([]byte("correct horse"), rand.Reader)
	b, errB := Hash([]byte("correct horse"), rand.Reader)
	if errA != nil || errB != nil || a == b {
		t.Errorf("%v %v, same: %v", errA, errB, a == b)
	}
}

func TestHashWithoutRandomnessFails(t *testing.T) {
	_, err := Hash([]byte("correct horse"), bytes.NewReader(make([]byte, hashSalt-1)))
	if err == nil {
		t.Error("no error")
	}
}

// A vector of the reference implementation's own tests: "password" with the
// salt "somesalt", two passes over 64 MiB, one lane.
func TestVerifyReadsTheReferenceImplementation(t *testing.T) {
	ok, err := Verify("$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", []byte("password"))
	if err != nil || !ok {
		t.Errorf("Verify = %v, %v", ok, err)
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		password string
		want     error
	}{
		{"", ErrShort},
		{"1234567", ErrShort},
		{"12345678", nil},
		{"pässwörter sind lang", nil},
		{strings.Repeat("x", MaxLength), nil},
		{strings.Repeat("x", MaxLength+1), ErrLong},
		{"12345678\x00", ErrCharacters},
		{"12345678\n", ErrCharacters},
		{"12345678\xff", ErrCharacters},
	} {
		if got := Check([]byte(tt.password)); !errors.Is(got, tt.want) {
			t.Errorf("Check(%.20q) = %v, want %v", tt.password, got, tt.want)
		}
		if tt.want == nil {
			continue
		}
		if _, err := Hash([]byte(tt.password), rand.Reader); !errors.Is(err, tt.want) {
			t.Errorf("Hash(%.20q): %v, want %v", tt.password, err, tt.want)
		}
	}
}

func TestEmptyHashAdmitsNobody(t *testing.T) {
	for _, password := range []string{"", "correct horse"} {
		ok, err := Verify("", []byte(password))
		if ok || err != nil {
			t.Errorf("Verify = %v, %v", ok, err)
		}
	}
}

func TestVerifyRefusesDamagedAndHostileHashes(t *testing.T) {
	const tail = "$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for name, stored := range map[string]string{
		"empty parts":      "$$$$$",
		"plain text":       "correct horse",
		"another function": "$argon2i$v=19$m=8,t=1,p=1" + tail,
		"another version":  "$argon2id$v=16$m=8,t=1,p=1" + tail,
		"4 GiB":            "$argon2id$v=19$m=4194304,t=1,p=1" + tail,
		"overflow":         "$argon2id$v=19$m=18446744073709551616,t=1,p=1" + tail,
		"many passes":      "$argon2id$v=19$m=8,t=4294967295,p=1" + tail,
		"much work":        "$argon2id$v=19$m=262144,t=16,p=1" + tail,
		"many lanes":       "$argon2id$v=19$m=65536,t=1,p=255" + tail,
		"no lanes":         "$argon2id$v=19$m=8,t=1,p=0" + tail,
		"no passes":        "$argon2id$v=19$m=8,t=0,p=1" + tail,
		"little memory":    "$argon2id$v=19$m=15,t=1,p=2" + tail,
		"leading zero":     "$argon2id$v=19$m=08,t=1,p=1" + tail,
		"sign":             "$argon2id$v=19$m=+8,t=1,p=1" + tail,
		"order":            "$argon2id$v=19$t=1,m=8,p=1" + tail,
		"more parameters":  "$argon2id$v=19$m=8,t=1,p=1,data=AA" + tail,
		"no hash":          "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
		"short hash":       "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA",
		"no salt":          "$argon2id$v=19$m=8,t=1,p=1$$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"padding":          "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ=$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"line end":         "$argon2id$v=19$m=8,t=1,p=1" + tail + "\n",
		"long":             "$argon2id$v=19$m=8,t=1,p=1" + tail + strings.Repeat("A", maxPHC),
	} {
		t.Run(name, func(t *testing.T) {
			ok, err := Verify(stored, []byte("correct horse"))
			if ok || !errors.Is(err, ErrHash) {
				t.Errorf("Verify = %v, %v", ok, err)
			}
			if strings.Contains(err.Error(), "AAAA") {
				t.Errorf("the error shows the hash: %v", err)
			}
		})
	}
}

func TestVerifyOrBurn(t *testing.T) {
	var h Hasher
	for _, tt := range []struct {
		name, stored, password string
		want                   bool
		wantErr                error
	}{
		{"right", light(t), "correct horse", true, nil},
		{"wrong", light(t), "battery staple", false, nil},
		{"unknown", "", "correct horse", false, nil},
		{"unknown and empty", "", "", false, nil},
		{"long", light(t), strings.Repeat("x", MaxLength+1), false, nil},
		{"damaged", "$argon2id$", "correct horse", false, ErrHash},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := h.VerifyOrBurn(t.Context(), Client{}, tt.stored, []byte(tt.password))
			if got != tt.want || !errors.Is(err, tt.wantErr) {
				t.Errorf("VerifyOrBurn = %v, %v", got, err)
			}
		})
	}
}

// Burning must cost what verifying a hash of today costs.
func TestBurnerHasTodaysParameters(t *testing.T) {
	b, err := parsePHC(burner)
	if err != nil {
		t.Fatal(err)
	}
	if b.memory != hashMemory || b.passes != hashPasses || b.lanes != hashLanes ||
		len(b.salt) != hashSalt || len(b.hash) != hashLength {
		t.Errorf("burner is %+v", b)
	}
}

func TestHasherIsBounded(t *testing.T) {
	h := Hasher{Memory: hashMemory << 10} // room for one
	release, err := h.acquire(t.Context(), Client{}, maxMemory)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = h.VerifyOrBurn(ended, Client{}, "", []byte("correct horse"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("VerifyOrBurn in a full Hasher: %v", err)
	}
	_, err = h.Hash(ended, []byte("correct horse"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Hash in a full Hasher: %v", err)
	}
	release()
	hash, err := h.Hash(t.Context(), []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			ok, err := h.VerifyOrBurn(t.Context(), Client{}, hash, []byte("correct horse"))
			if !ok || err != nil {
				t.Errorf("VerifyOrBurn = %v, %v", ok, err)
			}
		})
	}
	all.Wait()
}

func FuzzPHC(f *testing.F) {
	f.Add(light(f))
	f.Add(burner)
	f.Add("$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			if !errors.Is(err, ErrHash) {
				t.Errorf("error of another kind: %v", err)
			}
			return
		}
		if h.String() != s {
			t.Errorf("%q is written %q", s, h)
		}
		if uint64(h.memory)*uint64(h.passes) > maxWork || h.lanes > maxLanes {
			t.Errorf("out of bounds: %q", s)
		}
	})
}

func BenchmarkVerify(b *testing.B) {
	var h Hasher
	for b.Loop() {
		_, err := h.VerifyOrBurn(b.Context(), Client{}, "", []byte("correct horse"))
		if err != nil {
			b.Fatal(err)
		}
	}
}
