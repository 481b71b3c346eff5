package trust

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"
)

// AS-34: a key must be one that RSA can have, or encrypting to it fails late.
func TestAS34_KeyOfRSA(t *testing.T) {
	odd := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(1))
	even := new(big.Int).Lsh(big.NewInt(1), 2047)
	for name, tt := range map[string]struct {
		key rsa.PublicKey
		ok  bool
	}{
		"usual":          {rsa.PublicKey{N: odd, E: 65537}, true},
		"exponent 3":     {rsa.PublicKey{N: odd, E: 3}, true},
		"exponent 1":     {rsa.PublicKey{N: odd, E: 1}, false},
		"exponent 0":     {rsa.PublicKey{N: odd}, false},
		"exponent -3":    {rsa.PublicKey{N: odd, E: -3}, false},
		"even exponent":  {rsa.PublicKey{N: odd, E: 65536}, false},
		"even modulus":   {rsa.PublicKey{N: even, E: 65537}, false},
		"modulus is odd": {rsa.PublicKey{N: new(big.Int).Add(even, big.NewInt(3)), E: 17}, true},
	} {
		problem := KeyProblem(&x509.Certificate{PublicKey: &tt.key})
		if (problem == "") != tt.ok {
			t.Errorf("%s: %q", name, problem)
		}
	}
}

// AS-35: keys on P-521 open messages and sign none.
func TestAS35_CurvesThatSign(t *testing.T) {
	for _, tt := range []struct {
		curve         elliptic.Curve
		sign, encrypt bool
	}{
		{elliptic.P256(), true, true},
		{elliptic.P384(), true, true},
		{elliptic.P521(), false, true},
	} {
		c := &x509.Certificate{PublicKeyAlgorithm: x509.ECDSA, PublicKey: &ecdsa.PublicKey{Curve: tt.curve}}
		if MayUse(c, Sign) != tt.sign || MayUse(c, Encrypt) != tt.encrypt {
			t.Errorf("%s: sign %v, encrypt %v", tt.curve.Params().Name, MayUse(c, Sign), MayUse(c, Encrypt))
		}
	}
}
