package cms

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/subtle"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// A keyAgreeRecipient is a KeyAgreeRecipientInfo (RFC 5652 §6.2.2) with an
// ephemeral originator.
type keyAgreeRecipient struct {
	ephemeral []byte // the encoded point
	ukm       []byte // nil if absent
	algorithm algorithm
	keys      cryptobyte.String // the recipientEncryptedKeys
}

// parseKeyAgree reports false for one that is damaged, or whose originator has
// a static key: of such we would have to know the certificate first.
func parseKeyAgree(der []byte) (keyAgreeRecipient, bool) {
	var r keyAgreeRecipient
	in := cryptobyte.String(der)
	var s, originator, ukm cryptobyte.String
	var version int64
	if !in.ReadASN1(&s, contextTag(1)) || !s.ReadASN1Integer(&version) || !s.ReadASN1(&originator, contextTag(0)) {
		return r, false
	}
	ok := r.readOriginatorKey(originator)
	if !ok {
		return r, false
	}
	var present bool
	if !s.ReadOptionalASN1(&ukm, &present, contextTag(1)) {
		return r, false
	}
	if present {
		var octets cryptobyte.String
		if !ukm.ReadASN1(&octets, cbasn1.OCTET_STRING) || !ukm.Empty() || len(octets) > maxUKM {
			return r, false
		}
		r.ukm = octets
	}
	r.algorithm, ok = readAlgorithm(&s)
	return r, ok && s.ReadASN1(&r.keys, cbasn1.SEQUENCE) && s.Empty()
}

// readOriginatorKey reads an originatorKey [1] (RFC 5753 §3.1.1).
func (r *keyAgreeRecipient) readOriginatorKey(s cryptobyte.String) bool {
	var key cryptobyte.String
	if !s.ReadASN1(&key, contextTag(1)) || !s.Empty() {
		return false
	}
	a, ok := readAlgorithm(&key)
	if !ok || !a.oid.Equal(oidECPublicKey) && !a.oid.Equal(oidECDH) {
		return false
	}
	// RFC 5753 §7.1.2: the parameters are absent, NULL in older senders, or the
	// name of the curve. They need not be read: the point must be on the curve
	// of our certificate, whatever they say.
	var point asn1.BitString
	if !key.ReadASN1BitString(&point) || !key.Empty() || point.BitLength%8 != 0 {
		return false
	}
	r.ephemeral = point.Bytes
	return true
}

// readEncryptedKey reads what is inside of a RecipientEncryptedKey.
func readEncryptedKey(seq cryptobyte.String) (id identifier, encrypted []byte, ok bool) {
	var rKeyID, key cryptobyte.String
	var present bool
	if !seq.ReadOptionalASN1(&rKeyID, &present, contextTag(0)) {
		return id, nil, false
	}
	if present {
		// RFC 5652 §6.2.2: date and other may follow; they are for senders that
		// manage keys of one identifier otherwise than by certificates.
		var octets cryptobyte.String
		ok = rKeyID.ReadASN1(&octets, cbasn1.OCTET_STRING) && len(octets) > 0
		id.keyID = octets
	} else {
		id, ok = readIssuerAndSerial(&seq)
	}
	if !ok || !seq.ReadASN1(&key, cbasn1.OCTET_STRING) || !seq.Empty() {
		return id, nil, false
	}
	return id, key, true
}

// An agreedUnwrap is a keyEncryptionAlgorithm of key agreement that was
// understood, and what goes into it beside the wrapped key.
type agreedUnwrap struct {
	info      KeyAgreement
	curve     agreementCurve
	ephemeral []byte
	wrap      asn1.ObjectIdentifier
	ukm       []byte
}

// keyAgreement reads the keyEncryptionAlgorithm for a key on curve.
func (r *keyAgreeRecipient) keyAgreement(curve agreementCurve) (*agreedUnwrap, error) {
	u := &agreedUnwrap{curve: curve, ephemeral: r.ephemeral, ukm: r.ukm, info: KeyAgreement{Curve: fmt.Sprint(curve.ecdh)}}
	for _, s := range agreementSchemes {
		if s.oid.Equal(r.algorithm.oid) {
			u.info.KDF = s.hash
		}
	}
	if u.info.KDF == 0 {
		return nil, fmt.Errorf("%w: key agreement %v", ErrUnsupported, r.algorithm.oid)
	}
	wrap, ok := onlyAlgorithm(r.algorithm.params)
	if !ok {
		return nil, fmt.Errorf("%w: key agreement without a key wrap", ErrUnsupported)
	}
	for _, w := range keyWraps {
		if w.oid.Equal(wrap.oid) && wrap.noParams() {
			u.wrap, u.info.Wrap = w.oid, w.keySize*8
			return u, nil
		}
	}
	return nil, fmt.Errorf("%w: key wrap %v", ErrUnsupported, wrap.oid)
}

// sharedInfos are the SharedInfo as sent, and as the sender may have meant it.
// RFC 5753 §7.2 wants the key wrap algorithm in it as the message has it; there
// are senders that hash it with NULL and send it without, or the other way, having
// learnt it from RFC 3278.
func (u *agreedUnwrap) sharedInfos() ([2][]byte, error) {
	var all [2][]byte
	for i, params := range [][]byte{nil, {tagNull, 0}} {
		var b cryptobyte.Builder
		addAlgorithm(&b, u.wrap, params...)
		wrap, err := b.Bytes()
		if err == nil {
			all[i], err = sharedInfo(wrap, u.ukm, u.info.Wrap/8)
		}
		if err != nil {
			return all, fmt.Errorf("encoding the key wrap: %w", err)
		}
	}
	return all, nil
}

func (u *agreedUnwrap) describe(info *EnvelopedInfo) { info.Agreement = u.info }

// contentKey agrees on a key and unwraps the content key, by one private-key
// operation. Like that of RSA it cannot fail: where the point is not on the
// curve, the private operation fails or the wrapped key is not whole, the
// content key is random. An attacker who sends points of his choice so learns
// nothing from the outcome.
func (u *agreedUnwrap) contentKey(k RecipientKey, encrypted []byte, size int) []byte {
	key := make([]byte, size)
	_, _ = rand.Read(key) // never fails
	if len(encrypted) != size+wrapOverhead {
		return key
	}
	point, onCurve := u.point(k)
	if point == nil {
		return key
	}
	infos, err := u.sharedInfos()
	if err != nil {
		return key
	}
	secret, err := k.Agreement.ECDH(point)
	if err != nil {
		return key
	}
	for _, shared := range infos {
		block, err := aesBlock(deriveKey(u.info.KDF, secret, shared, u.info.Wrap/8))
		if err != nil {
			return key
		}
		got, good := unwrapKey(block, encrypted)
		subtle.ConstantTimeCopy(good&onCurve, key, got)
	}
	return key
}

// point is the ephemeral point and 1. In place of what is no point of the curve
// it is our own and 0, so that the work is the same.
func (u *agreedUnwrap) point(k RecipientKey) (*ecdh.PublicKey, int) {
	point, err := u.curve.ecdh.NewPublicKey(u.ephemeral)
	if err == nil {
		return point, 1
	}
	own, ok := k.Certificate.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, 0
	}
	point, err = own.ECDH()
	if err != nil {
		return nil, 0
	}
	return point, 0
}
