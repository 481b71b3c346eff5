package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A RecipientKey is a certificate of ours and the way to its private key.
type RecipientKey struct {
	Certificate *x509.Certificate
	Decrypter   crypto.Decrypter
}

// An identifier names a certificate: RecipientIdentifier (RFC 5652 §6.2.1) and
// SignerIdentifier (§5.3) are the same choice.
type identifier struct {
	issuer []byte // raw Name, with serial
	serial *big.Int
	keyID  []byte // subjectKeyIdentifier, in their place
}

func readIdentifier(s *cryptobyte.String) (identifier, bool) {
	var id identifier
	var field cryptobyte.String
	var present bool
	keyID := cbasn1.Tag(0).ContextSpecific()
	if !s.ReadOptionalASN1(&field, &present, keyID) {
		return id, false
	}
	if present {
		id.keyID = field
		return id, len(field) > 0
	}
	var issuer cryptobyte.String
	id.serial = new(big.Int)
	ok := s.ReadASN1(&field, cbasn1.SEQUENCE) &&
		field.ReadASN1Element(&issuer, cbasn1.SEQUENCE) &&
		field.ReadASN1Integer(id.serial) &&
		field.Empty()
	id.issuer = issuer
	return id, ok
}

func addIssuerAndSerial(b *cryptobyte.Builder, c *x509.Certificate) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(c.RawIssuer)
		b.AddASN1BigInt(c.SerialNumber)
	})
}

func (id identifier) names(c *x509.Certificate) bool {
	if id.keyID != nil {
		return bytes.Equal(id.keyID, c.SubjectKeyId)
	}
	return c.SerialNumber != nil && id.serial.Cmp(c.SerialNumber) == 0 && bytes.Equal(id.issuer, c.RawIssuer)
}

// A keyTransRecipient is a KeyTransRecipientInfo (RFC 5652 §6.2.1).
type keyTransRecipient struct {
	id           identifier
	algorithm    algorithm
	encryptedKey []byte
}

// parseKeyTrans reports false for one that is damaged: it may be meant for
// somebody else, and is then no reason to refuse the message.
func parseKeyTrans(der []byte) (keyTransRecipient, bool) {
	var r keyTransRecipient
	in := cryptobyte.String(der)
	var s, key cryptobyte.String
	var version int64
	if !in.ReadASN1(&s, cbasn1.SEQUENCE) || !s.ReadASN1Integer(&version) {
		return r, false
	}
	var ok bool
	r.id, ok = readIdentifier(&s)
	if !ok {
		return r, false
	}
	r.algorithm, ok = readAlgorithm(&s)
	if !ok || !s.ReadASN1(&key, cbasn1.OCTET_STRING) || !s.Empty() {
		return r, false
	}
	r.encryptedKey = key
	return r, true
}

// A match is a RecipientInfo that names one of our keys.
type match struct {
	key       int // index into the keys given
	unwrap    keyUnwrap
	encrypted []byte
	err       error // the key transport is not one of ours
}

// matchRecipients reads the SET OF RecipientInfo and picks the one to open: of
// those whose algorithm is supported, the one of the earliest of our keys, and
// of several for that key the first. The choice depends on public parts alone
// and costs one private-key operation, however many name us.
func (b *berReader) matchRecipients(keys []RecipientKey) (*match, int, error) {
	err := b.enterRecipients()
	if err != nil {
		return nil, 0, err
	}
	var best *match
	for count := 0; ; count++ {
		h, more, err := b.next()
		if err != nil {
			return nil, count, err
		}
		if !more {
			return best, count, b.leave()
		}
		// Key agreement [1], KEK [2], password [3] and other [4] recipients are
		// of kinds that we have no keys for (RFC 5652 §6.2).
		if h.tag != tagSequence || len(keys) == 0 {
			err = b.skip(h)
			if err != nil {
				return nil, count, err
			}
			continue
		}
		before := b.held
		der, err := b.element(nil, h)
		if err != nil {
			return nil, count, err
		}
		found := matchKeyTrans(der, keys)
		if !found.betterThan(best) {
			b.held = before // not kept
			continue
		}
		best = found
	}
}

// enterRecipients enters the set of RecipientInfo, and passes over the
// originatorInfo before it.
func (b *berReader) enterRecipients() error {
	h, more, err := b.next()
	if err == nil && more && h.tag == tagContext0|tagConstructed {
		err = b.skip(h)
		if err == nil {
			h, more, err = b.next()
		}
	}
	if err != nil {
		return err
	}
	if !more || h.tag != tagSet {
		return malformed("the set of recipients is missing")
	}
	return b.enter(h)
}

// matchKeyTrans returns nil if the recipient is none of ours.
func matchKeyTrans(der []byte, keys []RecipientKey) *match {
	r, ok := parseKeyTrans(der)
	if !ok {
		return nil
	}
	for i, k := range keys {
		if k.Certificate == nil || k.Decrypter == nil || !r.id.names(k.Certificate) {
			continue
		}
		unwrap, err := keyTransport(r.algorithm)
		return &match{key: i, unwrap: unwrap, encrypted: r.encryptedKey, err: err}
	}
	return nil
}

func (m *match) betterThan(other *match) bool {
	switch {
	case m == nil:
		return false
	case other == nil:
		return true
	case (m.err == nil) != (other.err == nil):
		return m.err == nil
	}
	return m.key < other.key
}
