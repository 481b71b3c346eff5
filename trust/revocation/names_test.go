package revocation_test

import (
	"crypto/sha1"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"golang.org/x/crypto/ocsp"

	"postern/trust"
	"postern/trust/revocation"
)

// TestAS72_IssuerIsTheSameHoweverItIsWritten: string types, case and white space
// make no other issuer (RFC 5280 §7.1).
func TestAS72_IssuerIsTheSameHoweverItIsWritten(t *testing.T) {
	w := newWorld(t)
	attribute := func(value string, id ...int) pkix.RelativeDistinguishedNameSET {
		return pkix.RelativeDistinguishedNameSET{{Type: id, Value: asn1.RawValue{Tag: asn1.TagUTF8String, Bytes: []byte(value)}}}
	}
	written := marshal(pkix.RDNSequence{attribute("postern  TEST only", 2, 5, 4, 10), attribute("ROOT", 2, 5, 4, 3)})
	revokedNow := [][]byte{entry(1000, revoked)}
	a, err := checkBuilt(t, w, list{issuer: written, entries: revokedNow}, within)
	if err != nil || a.Status != trust.IsRevoked {
		t.Errorf("%+v, %v", a, err)
	}
	other := marshal(pkix.RDNSequence{attribute("postern test only", 2, 5, 4, 10), attribute("r o o t", 2, 5, 4, 3)})
	_, err = checkBuilt(t, w, list{issuer: other, entries: revokedNow}, within)
	wantError(t, revocation.Answer{}, err, "another issuer")

	leaf := *w.leaf
	leaf.RawIssuer = written
	c, err := revocation.ParseCRL(w.crl(list{entries: revokedNow}))
	if err != nil {
		t.Fatal(err)
	}
	a, err = c.Check(&leaf, w.root.Cert, within)
	if err != nil || a.Status != trust.IsRevoked {
		t.Errorf("%+v, %v", a, err)
	}
	// RFC 6960 §4.1.1: a responder is asked by the name as the certificate has it.
	der, err := revocation.NewOCSPRequest(&leaf, w.root.Cert)
	if err != nil {
		t.Fatal(err)
	}
	request, err := ocsp.ParseRequest(der)
	digest := sha1.Sum(written)
	if err != nil || string(request.IssuerNameHash) != string(digest[:]) {
		t.Errorf("%+v, %v", request, err)
	}
	response := w.ocsp(reply{singles: [][]byte{w.single(good(), until(ends))}})
	a, err = revocation.CheckOCSP(response, &leaf, w.root.Cert, within)
	if err != nil || a.Status != trust.NotRevoked {
		t.Errorf("%+v, %v", a, err)
	}
}
