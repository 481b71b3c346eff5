package keyfile

import (
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Limits of the work that a PKCS #12 file asks for. The rounds of its key
// derivations and the size of its key are his to choose who made the file;
// exporters use 1 to 600,000 rounds.
const (
	maxRounds   = 5_000_000 // of all key derivations together
	maxSafes    = 16
	maxBags     = 100
	maxElements = 1000 // of the parameters of all algorithms
	maxDepth    = 8    // of one algorithm's parameters
)

// Object identifiers of RFC 7292 §4 and RFC 5652 §§4, 8.
var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedBag   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
)

// add reads as much of a PFX as is readable without the passphrase and refuses
// it when to open it, after all that was added before, would take too much work.
// Bags under encryption are not seen: what they cost is spent only after the
// right passphrase.
func (c *cost) add(data []byte) error {
	c.bags, c.elements = 0, 0
	if !c.pfx(cryptobyte.String(data)) {
		return fmt.Errorf("%w (its PKCS #12 structure cannot be read; files in BER must be exported anew)", ErrUnreadable)
	}
	if c.tooMuch {
		return fmt.Errorf("%w (its key derivation or its key is larger than any in use)", ErrUnreadable)
	}
	return nil
}

// A cost adds up what PKCS #12 asks for. All methods but add report whether they could
// read what they were given.
type cost struct {
	rounds   int64
	bags     int
	elements int
	tooMuch  bool
}

func (c *cost) pfx(s cryptobyte.String) bool {
	var pfx, content, safes cryptobyte.String
	if !s.ReadASN1(&pfx, der.SEQUENCE) || !s.Empty() || !pfx.SkipASN1(der.INTEGER) {
		return false
	}
	kind, ok := contentInfo(&pfx, &content)
	if !ok || !kind.Equal(oidData) || !octetsOfSequence(content, &safes) {
		return false
	}
	for n := 0; !safes.Empty(); n++ {
		if n == maxSafes || !c.safe(&safes) {
			return false
		}
	}
	return c.parameters(pfx, 0) // MacData, when it is there
}

// contentInfo reads a type and what is within its [0].
func contentInfo(s, content *cryptobyte.String) (asn1.ObjectIdentifier, bool) {
	var info cryptobyte.String
	var kind asn1.ObjectIdentifier
	ok := s.ReadASN1(&info, der.SEQUENCE) && info.ReadASN1ObjectIdentifier(&kind) &&
		info.ReadASN1(content, der.Tag(0).ContextSpecific().Constructed())
	return kind, ok
}

// octetsOfSequence reads an OCTET STRING that holds a SEQUENCE.
func octetsOfSequence(s cryptobyte.String, sequence *cryptobyte.String) bool {
	var octets cryptobyte.String
	return s.ReadASN1(&octets, der.OCTET_STRING) && octets.ReadASN1(sequence, der.SEQUENCE)
}

// safe reads one part of the AuthenticatedSafe.
func (c *cost) safe(s *cryptobyte.String) bool {
	var content, bags cryptobyte.String
	kind, ok := contentInfo(s, &content)
	if !ok {
		return false
	}
	if kind.Equal(oidEncryptedData) {
		return c.encryptedData(content)
	}
	if !kind.Equal(oidData) || !octetsOfSequence(content, &bags) {
		return false
	}
	for !bags.Empty() {
		c.bags++
		if c.bags > maxBags || !c.bag(&bags) {
			return false
		}
	}
	return true
}

func (c *cost) encryptedData(s cryptobyte.String) bool {
	var data, info, algorithm cryptobyte.String
	return s.ReadASN1(&data, der.SEQUENCE) && data.SkipASN1(der.INTEGER) &&
		data.ReadASN1(&info, der.SEQUENCE) && info.SkipASN1(der.OBJECT_IDENTIFIER) &&
		info.ReadASN1(&algorithm, der.SEQUENCE) && c.parameters(algorithm, 0)
}

func (c *cost) bag(s *cryptobyte.String) bool {
	var value, key, algorithm cryptobyte.String
	kind, ok := contentInfo(s, &value)
	if !ok {
		return false
	}
	if !kind.Equal(oidKeyBag) && !kind.Equal(oidShroudedBag) {
		return true
	}
	if len(value) > maxKey {
		c.tooMuch = true
	}
	if kind.Equal(oidKeyBag) {
		return true
	}
	return value.ReadASN1(&key, der.SEQUENCE) && key.ReadASN1(&algorithm, der.SEQUENCE) && c.parameters(algorithm, 0)
}

// parameters adds up the rounds in the parameters of an algorithm. In all of
// them, PBES1, PBKDF2 and MacData, the rounds are the INTEGER that follows the
// salt, an OCTET STRING (RFC 7292 §4 and appendix C, RFC 8018 appendix A.2).
func (c *cost) parameters(s cryptobyte.String, depth int) bool {
	afterSalt := false
	for !s.Empty() {
		var element cryptobyte.String
		var tag der.Tag
		c.elements++
		if c.elements > maxElements || depth > maxDepth || !s.ReadAnyASN1Element(&element, &tag) {
			return false
		}
		if tag == der.INTEGER && afterSalt && !c.addRounds(element) {
			return false
		}
		afterSalt = tag == der.OCTET_STRING
		if tag == der.SEQUENCE && !(element.ReadASN1(&element, tag) && c.parameters(element, depth+1)) {
			return false
		}
	}
	return true
}

func (c *cost) addRounds(integer cryptobyte.String) bool {
	var rounds int64
	if !integer.ReadASN1Integer(&rounds) || rounds < 0 {
		return false
	}
	if rounds > maxRounds || c.rounds+rounds > maxRounds {
		c.tooMuch = true
		return true
	}
	c.rounds += rounds
	return true
}
