package store

import "time"

// A CertCache is something that belongs to certificates of the listeners which an
// authority issues over ACME: a key with its certificate, an account, a challenge.
// Its data is sealed at rest, for there are private keys in it.
type CertCache struct {
	Name    string    `json:"name"`
	Changed time.Time `json:"changed"`
	Data    []byte    `json:"-"`
}

// MaxCertCache is how many octets the data of one CertCache may have.
const MaxCertCache = 256 << 10

// CertCacheTx holds what belongs to certificates of the listeners. None of it is part
// of the directory's generation.
type CertCacheTx interface {
	// CertCache returns what has a name, or ErrNotFound.
	CertCache(name string) (CertCache, error)
	// PutCertCache keeps c, in place of what had its name.
	PutCertCache(c CertCache) error
	// RemoveCertCache removes what has a name; ErrNotFound if there is nothing.
	RemoveCertCache(name string) error
}
