package revocation

import (
	"crypto/x509"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// A scope is for which certificates a CRL speaks (RFC 5280 §5.2.5). The zero
// scope is all of its issuer's.
type scope struct {
	seen        bool // the extension is there
	named       bool // it is for the distribution points of names only
	names       cryptobyte.String
	users, auth bool // it is for end entities, or for authorities, only
}

// read reads IssuingDistributionPoint, critical or not.
func (s *scope) read(value cryptobyte.String) error {
	if s.seen {
		return errMalformed
	}
	s.seen = true
	var idp, name, reasons cryptobyte.String
	var partial bool
	if !value.ReadASN1(&idp, asn1.SEQUENCE) || !value.Empty() ||
		!idp.ReadOptionalASN1(&name, &s.named, explicit0) {
		return errMalformed
	}
	var indirect, attributes bool
	ok := flag(&idp, implicit1, &s.users) && flag(&idp, implicit2, &s.auth) &&
		idp.ReadOptionalASN1(&reasons, &partial, implicit3) &&
		flag(&idp, implicit4, &indirect) && flag(&idp, implicit5, &attributes) && idp.Empty()
	switch {
	case !ok:
		return errMalformed
	case partial:
		return errors.New("it is for some reasons only")
	case indirect:
		return errors.New("it is an indirect CRL")
	case attributes:
		return errors.New("it is for attribute certificates only")
	case s.users && s.auth:
		return errors.New("it is for end entities only and for authorities only at once")
	case s.named:
		return s.readName(name)
	}
	return nil
}

// flag reads an optional BOOLEAN into set.
func flag(s *cryptobyte.String, tag asn1.Tag, set *bool) bool {
	var v cryptobyte.String
	var present bool
	if !s.ReadOptionalASN1(&v, &present, tag) {
		return false
	}
	if !present {
		return true
	}
	*set = len(v) == 1 && v[0] == 0xff
	return *set || len(v) == 1 && v[0] == 0
}

// readName reads DistributionPointName (RFC 5280 §4.2.1.13).
func (s *scope) readName(name cryptobyte.String) error {
	if name.PeekASN1Tag(explicit1) {
		return errors.New("its distribution point has a relative name")
	}
	if !name.ReadASN1(&s.names, explicit0) || !name.Empty() || s.names.Empty() {
		return errMalformed
	}
	return nil
}

// check tells whether the scope holds a certificate (RFC 5280 §6.3.3 (b) (2)).
func (s *scope) check(cert *x509.Certificate) error {
	authority := cert.BasicConstraintsValid && cert.IsCA
	switch {
	case s.users && authority:
		return errors.New("it is for end entities only")
	case s.auth && !authority:
		return errors.New("it is for authorities only")
	case !s.named:
		return nil
	}
	wanted := map[string]bool{}
	points, err := pointsOf(cert)
	if err != nil {
		return err
	}
	for _, p := range points {
		for _, n := range p.names {
			wanted[n.String()] = true
		}
	}
	rest := s.names
	for !rest.Empty() {
		n, ok := readGeneralName(&rest)
		if !ok {
			return errMalformed
		}
		if wanted[n.String()] {
			return nil
		}
	}
	return errors.New("it is for other distribution points")
}
