package bundle

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/testnet"
	"postern/internal/testnet/effort"
)

// Reading takes time in proportion to the size of the file.
func TestHostileFilesAreReadInLinearTime(t *testing.T) {
	// A SignedData, up to the octets of its content.
	head := "\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01\xa0\x80"
	certificates := head[:len(head)-2] + "\x00\x00\xa0\x80"
	for name, c := range map[string]struct{ before, unit string }{
		"begins":               {"", "-----BEGIN CERTIFICATE-----\n"},
		"begin and end":        {"", "-----BEGIN A-----\n-----END B-----\n"},
		"dashes":               {"", "-----BEGIN "},
		"base64":               {"", "MIAw"},
		"lines":                {"", "\n"},
		"nesting":              {"", "\x30\x80"},
		"pieces of content":    {head + "\x24\x80", "\x04\x01x"},
		"empty pieces":         {head + "\x24\x80", "\x04\x00"},
		"pieces in pieces":     {head, "\x24\x80"},
		"bad certificates":     {certificates, "\x30\x00"},
		"certificates open":    {certificates, "\x30\x80\x00\x00"},
		"nesting certificates": {certificates, "\x30\x80"},
		"revocation lists":     {certificates + "\x00\x00\xa1\x80", "\x30\x80\x00\x00"},
		"signers":              {certificates + "\x00\x00\x31\x80", "\x30\x80\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			data := []byte(c.before + strings.Repeat(c.unit, (MaxSize-len(c.before))/len(c.unit)))
			spent := effort.Since()
			b, err := Parse(data, Options{})
			if took := spent(); err == nil || took > 10*time.Second {
				t.Errorf("took %v: %+v, %v", took, b, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	pki := testnet.NewPKI(f, now)
	id := pki.Root("community").Leaf("bundles.example")
	certs := testnet.Certs(pki.Root("one"), pki.Root("two"))
	p7 := pkcs7(f, certs)
	signed := sign(f, p7, signer(id))
	for _, seed := range [][]byte{
		nil, certs[0].Raw, p7, indefinite(p7), testnet.PEM(certs...), block("PKCS7", p7), bare(p7), []byte("\x30\x80\x30\x80"),
		signed, indefinite(signed), block("CMS", signed), write(f, certs, "<AnchorMetadata><RequiredOids><Oid>1.2.3</Oid></RequiredOids></AnchorMetadata>"),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		certs, bad, err := Read(data)
		if (err == nil) != (len(certs) > 0) || err != nil && len(bad) > 0 {
			t.Fatalf("%d certificates, %d bad, %v", len(certs), len(bad), err)
		}
		b, parseErr := Parse(data, Options{Now: now})
		if err == nil && (parseErr != nil || b.Signed || b.Metadata != nil || !same(b.Anchors, certs)) {
			t.Fatalf("read as a file and not as a bundle: %+v, %v", b, parseErr)
		}
		if parseErr != nil {
			if b != nil || KindOf(parseErr) == KindUnreachable {
				t.Fatalf("an error of no kind: %v", parseErr)
			}
			return
		}
		if len(b.Anchors) == 0 || len(b.Anchors)+len(b.Bad) > MaxCertificates || b.Signed != (b.Signer != nil) {
			t.Fatalf("%+v", b)
		}
		pinned, err := Parse(data, Options{Signer: id.Cert, Now: now})
		if err == nil && (!pinned.Signed || !pinned.Signer.Equal(id.Cert)) {
			t.Fatalf("taken in spite of the pin: %+v", pinned)
		}
		again, err := Parse(write(t, b.Certificates(), ""), Options{})
		if err != nil || !same(again.Anchors, b.Certificates()) {
			t.Fatalf("written and read back: %+v, %v", again, err)
		}
	})
}

// BenchmarkParse reads 10,000 anchors.
func BenchmarkParse(b *testing.B) {
	const n = 10_000
	pki := testnet.NewPKI(b, now)
	id := pki.Root("community").Leaf("bundles.example")
	var ids []*testnet.Identity
	for i := range n {
		ids = append(ids, pki.Root(fmt.Sprint("anchor ", i)))
	}
	p7 := pkcs7(b, testnet.Certs(ids...))
	for _, c := range []struct {
		name string
		data []byte
	}{{"unsigned", p7}, {"signed", sign(b, p7, signer(id))}, {"BER", indefinite(p7)}, {"PEM", testnet.PEM(testnet.Certs(ids...)...)}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.data)))
			b.ReportAllocs()
			for b.Loop() {
				got, err := Parse(c.data, Options{Now: now})
				if err != nil || len(got.Anchors) != n {
					b.Fatalf("%d anchors, %v", len(got.Anchors), err)
				}
			}
		})
	}
}

func TestTB17_MoreCertificatesThanAnyCommunityHas(t *testing.T) {
	base := anchors(t, 1)[0]
	p7, err := cms.EncodeCollection(slices.Repeat([]*x509.Certificate{base}, MaxCertificates+1), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse(p7, Options{})
	if KindOf(err) != KindTooLarge {
		t.Errorf("got %v", err)
	}
	p7, err = cms.EncodeCollection(slices.Repeat([]*x509.Certificate{base}, MaxCertificates), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Parse(p7, Options{})
	if err != nil || len(b.Anchors) != 1 {
		t.Errorf("as many as there may be: %v", err)
	}
}
