package keyfile_test

import (
	"bytes"
	"crypto/sha1"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"testing"
	"time"
	"unicode/utf16"

	"postern/internal/keyfile"
)

// No file of many has a salt that gpgsm 2.2 derives another key from: without
// care, one in 64 would.
func TestLegacySaltsSuitGpgsm(t *testing.T) {
	const exports = 400
	key, err := keyfile.P256.Generate()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start, NotAfter: start.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for range exports {
		const secret = "exportpassword"
		file, err := keyfile.WritePKCS12(&keyfile.Pair{Certificate: leaf, Key: key}, []byte(secret), true)
		if err != nil {
			t.Fatal(err)
		}
		salts := saltsOf(file)
		if len(salts) != 2 { // of the certificates and of the key
			t.Fatalf("%d salts", len(salts))
		}
		for _, salt := range salts {
			if shortBlock(salt, secret) {
				t.Fatalf("the salt %x leads to a block that begins with zero", salt)
			}
		}
	}
}

// Salts are judged as another calculation judges them, and those of files that
// gpgsm 2.2.40 could not read are bad.
func TestSaltsAreJudged(t *testing.T) {
	bad := 0
	for i := range 600 {
		salt := binary.BigEndian.AppendUint64(nil, uint64(i))
		secret := []string{"exportpassword", "a", "a passphrase of more than one block of 64 octets"}[i%3]
		want := shortBlock(salt, secret)
		if got := keyfile.BeginsWithZero(salt, secret); got != want {
			t.Errorf("salt %x with %q: %v", salt, secret, got)
		}
		if want {
			bad++
		}
	}
	if bad == 0 {
		t.Error("none of the salts is bad")
	}
	for _, seen := range []string{"61e746d5fbd89129", "66307ffa05e7caa7"} {
		salt, err := hex.DecodeString(seen)
		if err != nil || !keyfile.BeginsWithZero(salt, "exportpassword") {
			t.Errorf("salt %s is taken: %v", seen, err)
		}
	}
}

// saltsOf finds the salts of pbeWithSHAAnd3-KeyTripleDES-CBC with 2048 rounds.
func saltsOf(file []byte) (salts [][]byte) {
	before, _ := hex.DecodeString("060a2a864886f70d010c0103300e0408") // the identifier, SEQUENCE, OCTET STRING
	parts := bytes.Split(file, before)
	for _, part := range parts[1:] {
		if bytes.HasPrefix(part[8:], []byte{2, 2, 8, 0}) {
			salts = append(salts, part[:8])
		}
	}
	return salts
}

// shortBlock calculates octet by octet.
func shortBlock(salt []byte, secret string) bool {
	var password []byte
	for _, unit := range append(utf16.Encode([]rune(secret)), 0) {
		password = append(password, byte(unit>>8), byte(unit))
	}
	var in []byte
	for i := range 64 {
		in = append(in, salt[i%len(salt)])
	}
	for i := 0; i%64 != 0 || i < len(password); i++ {
		in = append(in, password[i%len(password)])
	}
	sum := sha1.Sum(append(bytes.Repeat([]byte{1}, 64), in...))
	for range 2047 {
		sum = sha1.Sum(sum[:])
	}
	for ; len(in) > 0; in = in[64:] {
		carry := 1
		for i := 63; i >= 0; i-- {
			carry += int(in[i]) + int(sum[i%len(sum)])
			if i == 0 && carry&0xff == 0 {
				return true
			}
			carry >>= 8
		}
	}
	return false
}
