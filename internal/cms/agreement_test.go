package cms

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// An ecIdentity is a fresh EC key with a certificate, and where both are.
type ecIdentity struct {
	RecipientKey
	certPath, keyPath string
}

func newEC(t testing.TB, curve elliptic.Curve) ecIdentity {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{Organization: []string{"Postern Test Only"}, CommonName: curve.Params().Name},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:     x509.KeyUsageKeyAgreement,
		SubjectKeyId: []byte("an identifier of twenty"),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	agreer, err := key.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	id := ecIdentity{RecipientKey: RecipientKey{Certificate: c, Agreement: &opaqueAgreer{KeyAgreer: agreer}}}
	dir := t.TempDir()
	id.certPath, id.keyPath = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{id.certPath: {Type: "CERTIFICATE", Bytes: der}, id.keyPath: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		err = os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	return id
}

var ecCurves = []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()}

// RFC 3394 §4.1, §4.2, §4.3, §4.6.
func TestKeyWrapVectors(t *testing.T) {
	tests := []struct{ kek, key, want string }{
		{"000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
		{"000102030405060708090A0B0C0D0E0F1011121314151617", "00112233445566778899AABBCCDDEEFF", "96778B25AE6CA435F92B5B97C050AED2468AB8A17AD84E5D"},
		{"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF", "64E8C3F9CE0F5BA263E9777905818A2A93C8191E7D6E8AE7"},
		{"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F", "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
	}
	for _, tt := range tests {
		block, err := aes.NewCipher(unhex(t, tt.kek))
		if err != nil {
			t.Fatal(err)
		}
		wrapped := wrapKey(block, unhex(t, tt.key))
		if !bytes.Equal(wrapped, unhex(t, tt.want)) {
			t.Errorf("wrapped: %X, want %s", wrapped, tt.want)
		}
		key, good := unwrapKey(block, wrapped)
		if good != 1 || !bytes.Equal(key, unhex(t, tt.key)) {
			t.Errorf("unwrapped: %X, %d", key, good)
		}
		for i := range wrapped {
			wrapped[i] ^= 1
			_, good = unwrapKey(block, wrapped)
			if good != 0 {
				t.Errorf("octet %d damaged, and it unwraps", i)
			}
			wrapped[i] ^= 1
		}
	}
}

// Vectors of NIST's CAVS for the KDF of ANSI X9.63 with SHA-256.
func TestX963KDFVector(t *testing.T) {
	got := deriveKey(crypto.SHA256, unhex(t, "96c05619d56c328ab95fe84b18264b08725b85e33fd34f08"), nil, 16)
	if !bytes.Equal(got, unhex(t, "443024c3dae66b95e6f5670601558f71")) {
		t.Errorf("%x", got)
	}
	got = deriveKey(crypto.SHA256, unhex(t, "22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d"), unhex(t, "75eef81aa3041e33b80971203d2c0c52"), 128)
	if !bytes.HasPrefix(got, unhex(t, "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e")) {
		t.Errorf("%x", got)
	}
}

func TestAgreementRoundTrip(t *testing.T) {
	alice := recipientKey(t, "alice")
	for i, curve := range ecCurves {
		id := newEC(t, curve)
		for _, c := range []ContentCipher{AES256CBC, AES128CBC, AES192CBC, AES256GCM, AES128GCM, AES192GCM} {
			to := []*x509.Certificate{alice.Certificate, id.Certificate, certificate(t, "p384"), id.Certificate}
			plain, o := noise(1000), EncryptOptions{Cipher: c, Transport: RSAOAEPSHA256}
			message := encrypt(t, plain, o, to...)
			for _, key := range []RecipientKey{alice, id.RecipientKey, recipientKey(t, "p384")} {
				got, err := decrypt(message, key)
				if err != nil || !bytes.Equal(got, plain) {
					t.Errorf("%v, %v: %d octets, %v", c, key.Certificate.Subject, len(got), err)
				}
			}
			e, err := OpenEnveloped(bytes.NewReader(message), []RecipientKey{id.RecipientKey}, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			want := EnvelopedInfo{Certificate: id.Certificate, Cipher: c, Recipients: 4, Agreement: KeyAgreement{
				Curve: curve.Params().Name, KDF: []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512}[i], Wrap: 256,
			}}
			if e.Info() != want {
				t.Errorf("info is %+v, want %+v", e.Info(), want)
			}
		}
	}
}

func TestAgreementVersions(t *testing.T) {
	rsa, ec := certificate(t, "alice"), certificate(t, "p256")
	tests := []struct {
		cipher ContentCipher
		to     []*x509.Certificate
		want   byte
	}{
		{AES256CBC, []*x509.Certificate{rsa}, 0},
		{AES256CBC, []*x509.Certificate{rsa, ec}, 2},
		{AES256CBC, []*x509.Certificate{ec}, 2},
		{AES256GCM, []*x509.Certificate{ec}, 0},
	}
	for _, tt := range tests {
		message := encrypt(t, nil, EncryptOptions{Cipher: tt.cipher}, tt.to...)
		at := bytes.Index(message, []byte{tagInteger, 1})
		if message[at+2] != tt.want {
			t.Errorf("%v to %d: version %d, want %d", tt.cipher, len(tt.to), message[at+2], tt.want)
		}
	}
}

func TestOpenSSLReadsAgreement(t *testing.T) {
	alice := recipientKey(t, "alice")
	for _, curve := range ecCurves {
		id := newEC(t, curve)
		for _, c := range []ContentCipher{AES256CBC, AES128CBC, AES256GCM, AES128GCM} {
			plain := noise(70_000)
			message := tempFile(t, "message", encrypt(t, plain, EncryptOptions{Cipher: c}, id.Certificate, alice.Certificate))
			for _, who := range [][]string{{id.certPath, id.keyPath}, {pathOf("alice.pem"), pathOf("alice.key")}} {
				got := openssl(t, "cms", "-decrypt", "-binary", "-inform", "DER", "-in", message, "-recip", who[0], "-inkey", who[1])
				if !bytes.Equal(got, plain) {
					t.Errorf("%v on %s: %d octets", c, curve.Params().Name, len(got))
				}
			}
		}
	}
}

func TestOpenSSLWritesAgreement(t *testing.T) {
	plain := noise(5000)
	in := tempFile(t, "plain", plain)
	for _, curve := range ecCurves {
		id := newEC(t, curve)
		recip := []string{"-recip", id.certPath}
		variants := [][]string{
			recip,
			append(recip, "-aes128-wrap"), append(recip, "-aes192-wrap"), append(recip, "-aes256-wrap"),
			append([]string{"-keyid"}, recip...),
			append(recip, "-keyopt", "ecdh_cofactor_mode:1"),
		}
		for _, md := range []string{"sha1", "sha224", "sha256", "sha384", "sha512"} {
			variants = append(variants, append(recip, "-keyopt", "ecdh_kdf_md:"+md))
		}
		for i, v := range variants {
			c := []string{"-aes-256-cbc", "-aes-128-gcm", "-aes-128-cbc", "-aes-256-gcm"}[i%4]
			args := append([]string{"cms", "-encrypt", "-binary", "-outform", "DER", "-in", in, c}, v...)
			got, err := decrypt(openssl(t, args...), id.RecipientKey)
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s, %v: %d back, %v", curve.Params().Name, args[7:], len(got), err)
			}
		}
	}
}
