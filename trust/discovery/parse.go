package discovery

import (
	"crypto/x509"
	"fmt"
	"math"
	"time"
)

// Bounds on what one step takes.
const (
	MaxCertificates = 50
	MaxCertificate  = 64 << 10 // octets of one certificate
)

// certificates are those that one step found.
type certificates struct {
	list []*x509.Certificate
	bad  int // were meant to be certificates and could not be read
	over int // came after the first MaxCertificates
}

// add reads one certificate, alone, so that garbage does not spoil those beside
// it (CD-5). The same certificate counts once.
func (f *certificates) add(der []byte) {
	if len(f.list)+f.bad >= MaxCertificates {
		f.over++
		return
	}
	if len(der) > MaxCertificate {
		f.bad++
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		f.bad++
		return
	}
	for _, c := range f.list {
		if c.Equal(cert) {
			return
		}
	}
	f.list = append(f.list, cert)
}

// any reports whether there was anything that was meant to be a certificate.
func (f *certificates) any() bool { return len(f.list)+f.bad > 0 }

// String says what there was.
func (f *certificates) String() string {
	if !f.any() {
		return "no certificate"
	}
	s := fmt.Sprintf("certificates: %d", len(f.list))
	if f.bad > 0 {
		s += fmt.Sprintf(", unreadable: %d", f.bad)
	}
	if f.over > 0 {
		s += fmt.Sprintf(", not looked at: %d", f.over)
	}
	return s
}

// inDate returns how long it is until the first of the certificates that are in
// date ends (CD-12): what comes after it should be found in time.
func (f *certificates) inDate(now time.Time) time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, c := range f.list {
		if left := c.NotAfter.Sub(now); left > 0 && !now.Before(c.NotBefore) {
			least = min(least, left)
		}
	}
	return least
}

// certificatesIn reads the X.509 certificates that CERT records hold. Records of
// other types are not for us and are no error (CD-4); for those with URLs see
// urlsOf.
func certificatesIn(records []CERT) *certificates {
	f := new(certificates)
	for _, r := range records {
		if r.Type == CertPKIX {
			f.add(r.Data)
		}
	}
	return f
}
