package cms

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A RecipientKey is a certificate of ours and the way to its private key.
type RecipientKey struct {
	Certificate *x509.Certificate
	Decrypter   crypto.Decrypter // of an RSA key
	Agreement   KeyAgreer        // of an EC key
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
	return readIssuerAndSerial(s)
}

func readIssuerAndSerial(s *cryptobyte.String) (identifier, bool) {
	id := identifier{serial: new(big.Int)}
	var field, issuer cryptobyte.String
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
	byKeyID   bool
	unwrap    keyManagement
	encrypted []byte
	err       error // the key management is not one of ours
}

// A keyManagement is the way from the encrypted key of a RecipientInfo to the
// content key.
type keyManagement interface {
	// contentKey returns a key of size octets, whatever happens.
	contentKey(k RecipientKey, encrypted []byte, size int) []byte
	describe(info *EnvelopedInfo)
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
	m := matcher{keys: keys}
	for count := 0; ; count++ {
		h, more, err := b.next()
		if err != nil {
			return nil, count, err
		}
		if !more {
			return m.best, count, b.leave()
		}
		// KEK [2], password [3] and other [4] recipients are of kinds that we
		// have no keys for (RFC 5652 §6.2).
		if len(keys) == 0 || h.tag != tagSequence && h.tag != tagContext1|tagConstructed {
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
		kept := m.best
		err = m.look(der)
		if err != nil {
			return nil, count, err
		}
		if m.best == kept {
			b.held = before
		}
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

// A matcher looks at one RecipientInfo after the other.
type matcher struct {
	keys   []RecipientKey
	best   *match
	agreed int // keys wrapped by agreement that were looked at
}

// look takes a RecipientInfo by key transport or key agreement. Only too many
// of them are an error.
func (m *matcher) look(der []byte) error {
	if der[0] == tagSequence {
		m.lookTransport(der)
		return nil
	}
	return m.lookAgreement(der)
}

func (m *matcher) lookTransport(der []byte) {
	r, ok := parseKeyTrans(der)
	if !ok {
		return
	}
	for i, k := range m.keys {
		if k.Certificate == nil || k.Decrypter == nil || !r.id.names(k.Certificate) {
			continue
		}
		unwrap, err := keyTransport(r.algorithm)
		m.offer(&match{key: i, byKeyID: r.id.keyID != nil, unwrap: unwrap, encrypted: r.encryptedKey, err: err})
		return
	}
}

func (m *matcher) lookAgreement(der []byte) error {
	if !slices.ContainsFunc(m.keys, func(k RecipientKey) bool { return k.Agreement != nil }) {
		return nil
	}
	r, ok := parseKeyAgree(der)
	if !ok {
		return nil
	}
	for !r.keys.Empty() {
		m.agreed++
		if m.agreed > maxAgreed {
			return fmt.Errorf("%w: more than %d keys by key agreement", ErrLimit, maxAgreed)
		}
		var one cryptobyte.String
		if !r.keys.ReadASN1(&one, cbasn1.SEQUENCE) {
			return nil // what follows it cannot be told
		}
		id, encrypted, ok := readEncryptedKey(one)
		if ok {
			m.offerAgreed(&r, id, encrypted)
		}
	}
	return nil
}

func (m *matcher) offerAgreed(r *keyAgreeRecipient, id identifier, encrypted []byte) {
	for i, k := range m.keys {
		if k.Certificate == nil || k.Agreement == nil || !id.names(k.Certificate) {
			continue
		}
		curve, ok := curveOf(k.Certificate.PublicKey)
		if !ok {
			continue
		}
		found := &match{key: i, byKeyID: id.keyID != nil, encrypted: encrypted}
		unwrap, err := r.keyAgreement(curve)
		found.unwrap, found.err = unwrap, err
		m.offer(found)
		return
	}
}

func (m *matcher) offer(found *match) {
	if found.betterThan(m.best) {
		m.best = found
	}
}

func (m *match) betterThan(other *match) bool {
	switch {
	case other == nil:
		return true
	case (m.err == nil) != (other.err == nil):
		return m.err == nil
	}
	return m.key < other.key
}
