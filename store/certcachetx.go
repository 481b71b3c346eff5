package store

import (
	"errors"
	"fmt"
)

// A certCacheRecord is a CertCache at rest.
type certCacheRecord struct {
	CertCache
	Sealed []byte `json:"sealed"`
}

// certCachePurpose binds sealed data to this use of it.
const certCachePurpose purpose = "listener certificate"

// CertCache implements CertCacheTx.
func (t *tx) CertCache(name string) (CertCache, error) {
	r, err := getRecord[certCacheRecord](t, bucketCertCache, []byte(name))
	if err == nil {
		r.Data, err = t.db.ring.Load().openRecord(certCachePurpose, []byte(name), r.Sealed)
	}
	if err != nil {
		return CertCache{}, fmt.Errorf("%s of the listeners' certificates: %w", name, err)
	}
	return r.CertCache, nil
}

// PutCertCache implements CertCacheTx.
func (t *tx) PutCertCache(c CertCache) error {
	if !t.writable {
		return ErrReadOnly
	}
	err := checkText("the name of a listener's certificate", c.Name)
	if err != nil {
		return err
	}
	if c.Name == "" || len(c.Data) == 0 || len(c.Data) > MaxCertCache {
		return errors.New("what belongs to a listener's certificate needs a name and a bounded content")
	}
	sealed, err := t.db.ring.Load().sealRecord(certCachePurpose, []byte(c.Name), c.Data)
	if err != nil {
		return fmt.Errorf("sealing %s of the listeners' certificates: %w", c.Name, err)
	}
	c.Changed = c.Changed.UTC()
	return t.putRecord(bucketCertCache, []byte(c.Name), certCacheRecord{CertCache: c, Sealed: sealed})
}

// RemoveCertCache implements CertCacheTx.
func (t *tx) RemoveCertCache(name string) error {
	if !t.writable {
		return ErrReadOnly
	}
	_, err := getRecord[certCacheRecord](t, bucketCertCache, []byte(name))
	if err == nil {
		err = t.remove(bucketCertCache, []byte(name))
	}
	if err != nil {
		return fmt.Errorf("%s of the listeners' certificates: %w", name, err)
	}
	return nil
}
