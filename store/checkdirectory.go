package store

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
)

func (c *checker) checkDomains() error {
	return walkRecords(c, bucketDomains, func(k []byte, d Domain) {
		c.report.Domains++
		if string(k) != string(d.Name) {
			c.problem("domain %s is stored under another name", d.Name)
		}
	})
}

func (c *checker) checkAccounts() error {
	return walkRecords(c, bucketAccounts, func(k []byte, a Account) {
		c.report.Accounts++
		if string(k) != a.Address.Key() {
			c.problem("account %s is stored under another address", a.Address)
		}
		if !c.exists(bucketMailboxNames, nameKey(a.Address, Inbox)) {
			c.problem("account %s has no INBOX", a.Address)
		}
		c.isOf(a.Era)
	})
}

func (c *checker) checkKeys() error {
	return walkRecords(c, bucketKeys, func(k []byte, r keyRecord) {
		c.report.Keys++
		if !bytes.Equal(k, r.Fingerprint[:]) || FingerprintOf(r.Certificate) != r.Fingerprint {
			c.problem("key %s does not have the fingerprint of its certificate", r.Fingerprint)
		}
		if !c.exists(bucketKeyOwners, ownerKey(r.Key)) {
			c.problem("key %s is missing in the index of owners", r.Fingerprint)
		}
		key, err := c.unsealKey(r)
		if err != nil {
			c.problem("%v", err)
			return
		}
		for _, der := range append([][]byte{key.Certificate}, key.Chain...) {
			_, err := x509.ParseCertificate(der)
			if err != nil {
				c.problem("key %s: a certificate cannot be read, so that the key is not used: %v", r.Fingerprint, err)
			}
		}
		_, err = x509.ParsePKCS8PrivateKey(key.PKCS8)
		if err != nil {
			// The parser's words could tell of the key.
			c.problem("key %s: the private key cannot be read", r.Fingerprint)
		}
	})
}

func (c *checker) checkKeyOwners() error {
	return c.walk(bucketKeyOwners, func(k, _ []byte) {
		owner, _, _ := bytes.Cut(k, []byte{0})
		f, err := fingerprintAt(k, min(len(owner)+1, len(k)))
		if err != nil {
			c.problem("index of owners: %v", err)
			return
		}
		r, err := getRecord[keyRecord](c.tx, bucketKeys, f[:])
		if err != nil || r.Owner != string(owner) {
			c.problem("the index of owners names key %s for %s, which is not so", f, owner)
		}
	})
}

func (c *checker) checkAnchors() error {
	return walkRecords(c, bucketAnchors, func(k []byte, a Anchor) {
		c.report.Anchors++
		if !bytes.Equal(k, anchorKey(a.Source, a.Domain, a.Fingerprint)) {
			c.problem("anchor %s is stored under another identity", a.Fingerprint)
		}
		if FingerprintOf(a.Certificate) != a.Fingerprint {
			c.problem("anchor %s does not have the fingerprint of its certificate", a.Fingerprint)
		}
		_, err := x509.ParseCertificate(a.Certificate)
		if err != nil {
			c.problem("anchor %s cannot be read, so that nothing is trusted for it: %v", a.Fingerprint, err)
		}
	})
}

func (c *checker) checkKeyRequests() error {
	return walkRecords(c, bucketKeyRequests, func(k []byte, r keyRequestRecord) {
		c.report.KeyRequests++
		if !bytes.Equal(k, r.ID[:]) {
			c.problem("key request %s is stored under another id", r.ID)
		}
		request, err := c.unsealRequest(r)
		if err != nil {
			c.problem("%v", err)
			return
		}
		id, err := requestID(request.PKCS8)
		switch {
		case err != nil:
			c.problem("key request %s: the private key cannot be read", r.ID)
		case id != r.ID:
			c.problem("key request %s has another public key", r.ID)
		}
	})
}

// requestID returns the ID that belongs to a private key. Its errors could tell
// of the key.
func requestID(pkcs8 []byte) (Fingerprint, error) {
	key, err := x509.ParsePKCS8PrivateKey(pkcs8)
	if err != nil {
		return Fingerprint{}, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return Fingerprint{}, errors.New("the key cannot sign")
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	return FingerprintOf(public), err
}
