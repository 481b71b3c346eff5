package gateway

import (
	"cmp"
	"crypto/x509"
	"fmt"

	"postern/internal/cms"
	"postern/internal/config"
	"postern/mime"
	"postern/trust"
)

// ciphers are the content ciphers of seal.cipher (AS-32).
var ciphers = map[string]cms.ContentCipher{
	"aes-256-cbc": cms.AES256CBC,
	"aes-128-cbc": cms.AES128CBC,
	"aes-256-gcm": cms.AES256GCM,
	"aes-128-gcm": cms.AES128GCM,
}

// transports are the key transports of seal.key_transport (AS-33).
var transports = map[string]cms.KeyTransport{
	"rsa-v1.5":        cms.RSAPKCS1v15,
	"rsa-oaep-sha256": cms.RSAOAEPSHA256,
}

// profileTransport is the key transport of messages to recipients of whom nothing
// else is known: what every agent of the profile reads (AS-33).
func profileTransport(p trust.Profile) cms.KeyTransport {
	if p == trust.V12 {
		return cms.RSAPKCS1v15
	}
	return cms.RSAOAEPSHA256
}

// sealingOf reads the table seal. A domain that stands in one of its tables has
// the default of the other.
func sealingOf(c config.Seal, p trust.Profile) (Sealing, error) {
	option := func(cipher, transport string) (o cms.EncryptOptions, err error) {
		var known bool
		o.Cipher, known = ciphers[cipher]
		if !known {
			return o, fmt.Errorf("unknown content cipher %q", cipher)
		}
		if transport == "profile" {
			o.Transport = profileTransport(p)
			return o, nil
		}
		o.Transport, known = transports[transport]
		if !known {
			return o, fmt.Errorf("unknown key transport %q", transport)
		}
		return o, nil
	}
	standard, err := option(c.Cipher, c.KeyTransport)
	if err != nil {
		return Sealing{}, err
	}
	s := Sealing{Default: standard, To: make(map[mime.Domain]cms.EncryptOptions)}
	for _, table := range []map[mime.Domain]string{c.CipherTo, c.KeyTransportTo} {
		for d := range table {
			s.To[d], err = option(cmp.Or(c.CipherTo[d], c.Cipher), cmp.Or(c.KeyTransportTo[d], c.KeyTransport))
			if err != nil {
				return Sealing{}, fmt.Errorf("sealing for %s: %w", d, err)
			}
		}
	}
	return s, nil
}

// evPolicy is the policy of the CA/Browser Forum for extended validation.
const evPolicy = "2.23.140.1.1"

// believedSigners reads whose signatures are believed.
func believedSigners(c config.Trust) (Signers, error) {
	var s Signers
	var err error
	s.Default, err = trust.ParseSignerPolicy(c.Signers)
	if err != nil {
		return s, err
	}
	s.Of = make(map[mime.Domain]trust.SignerPolicy)
	for d, text := range c.SignersOf {
		s.Of[d], err = trust.ParseSignerPolicy(text)
		if err != nil {
			return s, fmt.Errorf("signers of %s: %w", d, err)
		}
	}
	policies := c.EVPolicies
	if len(policies) == 0 {
		policies = []string{evPolicy}
	}
	for _, text := range policies {
		id, err := x509.ParseOID(text)
		if err != nil {
			return s, fmt.Errorf("policy %q: %w", text, err)
		}
		s.Policies = append(s.Policies, id)
	}
	return s, nil
}
