package revocation_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	tags "golang.org/x/crypto/cryptobyte/asn1"

	"postern/internal/testnet"
)

// A world has an authority that signs whatever a test makes up.
type world struct {
	root       *testnet.Identity
	leaf       *x509.Certificate // serial number 1000, in date around within
	authority  *x509.Certificate
	responder  *testnet.Identity
	ecdsaP256  []byte // AlgorithmIdentifier
	otherIdent []byte
}

// newWorld makes the world's certificates once.
func newWorld(t testing.TB) *world {
	t.Helper()
	w := worlds()
	if w == nil {
		t.Fatal("the world could not be made")
	}
	return w
}

var worlds = sync.OnceValue(func() *world {
	pki := testnet.NewPKI(panics{}, within)
	w := &world{root: pki.Root("root")}
	serial := testnet.Template(func(c *x509.Certificate) { c.SerialNumber = big.NewInt(1000) })
	w.leaf = w.root.Leaf("b.example", serial).Cert
	w.authority = w.root.Intermediate("below").Cert
	w.responder = w.root.Leaf("responder.example", testnet.EC(elliptic.P256()), testnet.Template(func(c *x509.Certificate) {
		c.ExtKeyUsage, c.KeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, x509.KeyUsageDigitalSignature
	}))
	w.ecdsaP256 = seq(oid(1, 2, 840, 10045, 4, 3, 2))
	w.otherIdent = seq(oid(1, 2, 840, 10045, 4, 3, 3))
	return w
})

// panics is a testing.TB for what outlives one test.
type panics struct{ testing.TB }

func (panics) Helper()                        {}
func (panics) Fatalf(format string, _ ...any) { panic(format) }

// DER by hand.
func der(tag tags.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) {
		for _, p := range parts {
			b.AddBytes(p)
		}
	})
	return b.BytesOrPanic()
}

func seq(parts ...[]byte) []byte { return der(tags.SEQUENCE, parts...) }

func oid(id ...int) []byte {
	b, err := asn1.Marshal(asn1.ObjectIdentifier(id))
	if err != nil {
		panic(err)
	}
	return b
}

func integer(n int64) []byte { return marshal(big.NewInt(n)) }
func octets(b []byte) []byte { return der(tags.OCTET_STRING, b) }
func enum(n byte) []byte     { return der(tags.ENUM, []byte{n}) }

func marshal(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func utc(t time.Time) []byte { return der(tags.UTCTime, []byte(t.UTC().Format("060102150405Z"))) }
func generalized(t time.Time) []byte {
	return der(tags.GeneralizedTime, []byte(t.UTC().Format("20060102150405Z")))
}

func ext(critical bool, value []byte, id ...int) []byte {
	if critical {
		return seq(oid(id...), []byte{1, 1, 0xff}, octets(value))
	}
	return seq(oid(id...), octets(value))
}

// sign signs tbs with an EC key and returns the three parts of a signed
// document.
func (w *world) sign(key crypto.Signer, tbs []byte) [][]byte {
	digest := sha256.Sum256(tbs)
	signature, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		panic(err)
	}
	return [][]byte{tbs, w.ecdsaP256, der(tags.BIT_STRING, []byte{0}, signature)}
}

// A list is a CRL to be made. Nil parts are the usual ones; empty ones are left
// out.
type list struct {
	version, algorithm, issuer []byte
	this, next                 []byte
	entries                    [][]byte // nil leaves revokedCertificates out
	extensions                 [][]byte
}

func or(b, otherwise []byte) []byte {
	if b == nil {
		return otherwise
	}
	return b
}

func (w *world) crl(l list) []byte {
	parts := [][]byte{
		or(l.version, integer(1)), or(l.algorithm, w.ecdsaP256), or(l.issuer, w.root.Cert.RawSubject),
		or(l.this, utc(made)), or(l.next, utc(ends)),
	}
	if l.entries != nil {
		parts = append(parts, seq(l.entries...))
	}
	if l.extensions != nil {
		parts = append(parts, der(0xa0, seq(l.extensions...)))
	}
	return seq(w.sign(w.root.Key, seq(parts...))...)
}

// entry makes a CRL entry.
func entry(serial int64, at time.Time, extensions ...[]byte) []byte {
	if len(extensions) == 0 {
		return seq(integer(serial), utc(at))
	}
	return seq(integer(serial), utc(at), seq(extensions...))
}

func reasonExt(code byte) []byte { return ext(false, enum(code), 2, 5, 29, 21) }

func invalidSince(t time.Time) []byte { return ext(false, generalized(t), 2, 5, 29, 24) }

// A reply is an OCSP response to be made.
type reply struct {
	singles    [][]byte
	extensions [][]byte
	by         *testnet.Identity // nil is the authority
	produced   time.Time         // zero is made
	certs      []*x509.Certificate
}

func (w *world) ocsp(r reply) []byte {
	if r.by == nil {
		r.by = w.root
	}
	if r.produced.IsZero() {
		r.produced = made
	}
	parts := [][]byte{der(0xa1, r.by.Cert.RawSubject), generalized(r.produced), seq(r.singles...)}
	if r.extensions != nil {
		parts = append(parts, der(0xa1, seq(r.extensions...)))
	}
	basic := w.sign(r.by.Key, seq(parts...))
	if r.certs != nil {
		var raw [][]byte
		for _, c := range r.certs {
			raw = append(raw, c.Raw)
		}
		basic = append(basic, der(0xa0, seq(raw...)))
	}
	body := seq(oid(1, 3, 6, 1, 5, 5, 7, 48, 1, 1), octets(seq(basic...)))
	return seq(enum(0), der(0xa0, body))
}

// about makes a CertID by SHA-256.
func (w *world) about(serial int64) []byte {
	name := sha256.Sum256(w.root.Cert.RawSubject)
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	_, err := asn1.Unmarshal(w.root.Cert.RawSubjectPublicKeyInfo, &info)
	if err != nil {
		panic(err)
	}
	key := sha256.Sum256(info.Key.Bytes)
	return seq(seq(oid(2, 16, 840, 1, 101, 3, 4, 2, 1)), octets(name[:]), octets(key[:]), integer(serial))
}

// The choices of CertStatus.
func good() []byte    { return []byte{0x80, 0} }
func unknown() []byte { return []byte{0x82, 0} }

func isRevoked(at time.Time, reason ...byte) []byte {
	if len(reason) == 0 {
		return der(0xa1, generalized(at))
	}
	return der(0xa1, generalized(at), der(0xa0, enum(reason[0])))
}

// until makes nextUpdate of a SingleResponse.
func until(t time.Time) []byte { return der(0xa0, generalized(t)) }

// single makes a SingleResponse of the leaf.
func (w *world) single(status []byte, more ...[]byte) []byte {
	parts := append([][]byte{w.about(1000), status, generalized(made)}, more...)
	return seq(parts...)
}
