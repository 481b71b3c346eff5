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

// A haul is what one step brought in.
type haul struct {
	certs []*x509.Certificate
	bad   int // were meant to be certificates and could not be read
	over  int // came after the first MaxCertificates
}

// add reads one certificate, alone, so that garbage does not spoil those beside
// it (CD-5). The same certificate counts once.
func (h *haul) add(der []byte) {
	if len(h.certs)+h.bad >= MaxCertificates {
		h.over++
		return
	}
	if len(der) > MaxCertificate {
		h.bad++
		return
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		h.bad++
		return
	}
	for _, c := range h.certs {
		if c.Equal(cert) {
			return
		}
	}
	h.certs = append(h.certs, cert)
}

// any reports whether there was anything that was meant to be a certificate.
func (h *haul) any() bool { return len(h.certs)+h.bad > 0 }

// String says what there was.
func (h *haul) String() string {
	if !h.any() {
		return "no certificate"
	}
	s := fmt.Sprintf("certificates: %d", len(h.certs))
	if h.bad > 0 {
		s += fmt.Sprintf(", unreadable: %d", h.bad)
	}
	if h.over > 0 {
		s += fmt.Sprintf(", not looked at: %d", h.over)
	}
	return s
}

// inDate returns how long it is until the first of the certificates that are in
// date ends (CD-12): what comes after it should be found in time.
func (h *haul) inDate(now time.Time) time.Duration {
	least := time.Duration(math.MaxInt64)
	for _, c := range h.certs {
		if left := c.NotAfter.Sub(now); left > 0 && !now.Before(c.NotBefore) {
			least = min(least, left)
		}
	}
	return least
}

// haulOf reads the X.509 certificates that CERT records hold. Records of other
// types are not for us and are no error (CD-4); for those with URLs see urlsOf.
func haulOf(records []CERT) *haul {
	h := new(haul)
	for _, r := range records {
		if r.Type == CertPKIX {
			h.add(r.Data)
		}
	}
	return h
}
