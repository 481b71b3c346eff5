package smime

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"postern/internal/cms"
	"postern/mime"
)

// opaque makes an opaque SignedData by alice, as Java peers encode it: of
// indefinite lengths, the content in pieces (CP-1). eContentType is what the
// structure, not the signature, says of its content.
func opaque(t testing.TB, content string, eContentType []byte) []byte {
	t.Helper()
	digest := func(h crypto.Hash) []byte {
		d := h.New()
		d.Write([]byte(content))
		return d.Sum(nil)
	}
	der, err := cms.SignDetached(digest, []cms.Signer{signer(t, "alice", 0)}, signedAt)
	if err != nil {
		t.Fatal(err)
	}
	in := cryptobyte.String(der)
	var info, explicit, signed, version, algorithms, encapsulated cryptobyte.String
	explicitTag := cbasn1.Tag(0).ContextSpecific().Constructed()
	ok := in.ReadASN1(&info, cbasn1.SEQUENCE) && info.SkipASN1(cbasn1.OBJECT_IDENTIFIER) &&
		info.ReadASN1(&explicit, explicitTag) && explicit.ReadASN1(&signed, cbasn1.SEQUENCE) &&
		signed.ReadASN1Element(&version, cbasn1.INTEGER) && signed.ReadASN1Element(&algorithms, cbasn1.SET) &&
		signed.ReadASN1(&encapsulated, cbasn1.SEQUENCE)
	if !ok {
		t.Fatal("SignDetached made no SignedData")
	}
	if eContentType == nil {
		eContentType = encapsulated
	}
	pieces := []byte{0x24, 0x80}
	for chunk := range slices.Chunk([]byte(content), 100) {
		pieces = append(append(pieces, 4, byte(len(chunk))), chunk...)
	}
	end := []byte{0, 0}
	signedDataOID := []byte{6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2}
	return slices.Concat([]byte{0x30, 0x80}, signedDataOID, []byte{0xa0, 0x80, 0x30, 0x80}, version, algorithms,
		[]byte{0x30, 0x80}, eContentType, []byte{0xa0, 0x80}, pieces, end, end, end,
		signed, end, end, end)
}

// entity puts CMS into a MIME entity, in base64 of one line.
func entity(contentType string, der []byte) string {
	return "Content-Type: " + contentType + "\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString(der) + "\r\n"
}

// wantContent opens an entity in an envelope and compares what was signed.
func wantContent(t *testing.T, what, entity, content string) {
	t.Helper()
	o, err := open(t, envelop(t, entity))
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if o.Signatures[0].Err != nil {
		t.Errorf("%s: %v", what, o.Signatures[0].Err)
		return
	}
	if got := readContent(t, o); got != content {
		t.Errorf("%s: content of %d octets, want %d", what, len(got), len(content))
	}
}

func TestAS46_CP1_CP27_OpaqueSigned(t *testing.T) {
	for _, n := range []int{1, 100, keepPlain + keepPlain/4} {
		content := text(n)
		der := opaque(t, content, nil)
		for _, contentType := range []string{
			"application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
			"application/x-pkcs7-mime; smime-type=Signed-Data",
			"application/pkcs7-mime",
		} {
			wantContent(t, contentType, entity(contentType, der), content)
		}
	}
}

// What Outlook packs into winmail.dat is content like any other.
func TestCP27_TNEFIsContent(t *testing.T) {
	content := "Content-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\neJ8+IgAA\r\n"
	wantContent(t, "TNEF", signedText(t, content), content)
}

func TestCP2_ExactBytesFirstThenCRLF(t *testing.T) {
	content := text(500)
	good := signedText(t, content)
	wantContent(t, "LF for CRLF", strings.ReplaceAll(good, "\r\n", "\n"), content)
	for name, changed := range map[string]string{
		"a space at the end of a line": strings.Replace(good, "abcdef\r\n", "abcdef \r\n", 1),
		"a line break more":            strings.Replace(good, "Subject: x\r\n", "Subject: x\r\n\r\n", 1),
		"a header folded":              strings.Replace(good, "Subject: x", "Subject:\r\n x", 1),
	} {
		o, err := open(t, envelop(t, changed))
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(o.Signatures[0].Err, cms.ErrBadSignature) {
			t.Errorf("%s: %v", name, o.Signatures[0].Err)
		}
	}
	// A bare LF that was signed is kept: the exact octets are tried first.
	signedLF := "Subject: x\n\nbody\n"
	wantContent(t, "LF signed, opaque", entity("application/pkcs7-mime", opaque(t, signedLF, nil)), signedLF)
}

func TestCP3_AroundTheParts(t *testing.T) {
	content := text(100)
	good := signedText(t, content)
	end := strings.LastIndex(good, "--\r\n")
	boundary := good[strings.LastIndex(good, "\r\n--postern-")+4 : end]
	for name, entity := range map[string]string{
		"preamble":                        strings.Replace(good, "\r\n\r\n", "\r\n\r\nThis is S/MIME.\r\n\r\n", 1),
		"epilogue":                        good + "\r\nan epilogue\r\n",
		"no line break at the very end":   strings.TrimSuffix(good, "\r\n"),
		"a blank line before the closing": strings.Replace(good, "\r\n--"+boundary+"--", "\r\n\r\n--"+boundary+"--", 1),
		"no closing":                      good[:end-len(boundary)-2],
		"padding behind the boundary":     strings.Replace(good, "--"+boundary+"\r\n", "--"+boundary+" \t\r\n", 1),
	} {
		wantContent(t, name, entity, content)
	}
}

func TestCP5_Base64InAnyLines(t *testing.T) {
	content := text(100)
	good := signedText(t, content)
	at := strings.Index(good, "MII")
	end := strings.LastIndex(good, "--postern-")
	oneLine := strings.ReplaceAll(good[at:end], "\r\n", "")
	var short strings.Builder
	for piece := range slices.Chunk([]byte(oneLine), 3) {
		short.Write(piece)
		short.WriteString("\r\n")
	}
	for name, base64 := range map[string]string{"one line": oneLine + "\r\n", "lines of 3": short.String(), "spaces": strings.Join(strings.SplitAfter(oneLine, "A"), " \t") + "\r\n"} {
		wantContent(t, name, good[:at]+base64+good[end:], content)
	}
	sealed := seal(t, source(content))
	head, body, _ := strings.Cut(sealed, "\r\n\r\n")
	o, err := open(t, head+"\r\n\r\n"+strings.ReplaceAll(body, "\r\n", ""))
	if err != nil || readContent(t, o) != content {
		t.Errorf("the envelope in one line: %v", err)
	}
}

func TestAS47_MicalgIsAHint(t *testing.T) {
	for _, n := range []int{100, keepPlain + keepPlain/4} {
		content := text(n)
		good := signedText(t, content)
		for _, micalg := range []string{"sha-256", "sha256", "SHA-256", "\"sha256\"", "sha-512", "sha1", "md5", "\"sha-1,sha-384\"", "nonsense", "\"\""} {
			wantContent(t, micalg, strings.Replace(good, "micalg=sha-256", "micalg="+micalg, 1), content)
		}
	}
}

func TestAS31_SHA1OnlyWhenAskedFor(t *testing.T) {
	for _, n := range []int{100, keepPlain + keepPlain/4} {
		content := text(n)
		for name, args := range map[string][]string{"detached": {"-binary"}, "opaque": {"-binary", "-nodetach"}} {
			args = append([]string{"cms", "-sign", "-md", "sha1", "-signer", file("alice.crt"), "-inkey", file("alice.key")}, args...)
			signed := openssl(t, content, args...)
			sealed := envelop(t, signed)
			o, err := open(t, sealed)
			if err != nil {
				t.Fatal(err)
			}
			if !errors.Is(o.Signatures[0].Err, cms.ErrWeakAlgorithm) {
				t.Errorf("%s: %v", name, o.Signatures[0].Err)
			}
			if _, err = o.Content(); !errors.Is(err, ErrNotVerified) {
				t.Errorf("%s: content: %v", name, err)
			}
			for _, message := range []string{sealed, envelop(t, strings.Replace(signed, "micalg=\"sha1\"", "micalg=sha-256", 1))} {
				o, err = Open(t.Context(), source(message), recipient(t, "bob"), Options{SHA1: true})
				if err != nil {
					t.Fatal(err)
				}
				if o.Signatures[0].Err != nil || o.Signatures[0].Algorithm != "RSA PKCS#1 v1.5 SHA-1" {
					t.Errorf("%s, asked for: %+v", name, o.Signatures[0])
				} else if got := readContent(t, o); got != content {
					t.Errorf("%s, asked for: content of %d octets", name, len(got))
				}
			}
		}
	}
}

func TestAS32_AuthEnveloped(t *testing.T) {
	for _, n := range []int{0, 100, keepPlain + keepPlain/4} {
		content := text(n)
		signed, err := Sign(t.Context(), source(content), []cms.Signer{signer(t, "alice", 0)}, signedAt)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []cms.ContentCipher{cms.AES128GCM, cms.AES256GCM} {
			o := cms.EncryptOptions{Cipher: c, Transport: cms.RSAOAEPSHA256}
			to := []*x509.Certificate{certificate(t, "carol"), certificate(t, "bob")} // an EC key and an RSA key
			var b strings.Builder
			err = Encrypt(&b, signed, to, o)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(b.String(), "Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data;\r\n name=\"smime.p7m\"\r\n") {
				t.Errorf("the header is %.120q", b.String())
			}
			opened, err := open(t, outerHead+b.String())
			if err != nil {
				t.Fatal(err)
			}
			if got := readContent(t, opened); got != content || opened.Enveloped.Cipher != c {
				t.Errorf("%v: content of %d octets, opened %+v", c, len(got), opened.Enveloped)
			}
			for _, who := range []string{"bob", "carol"} {
				entity := openssl(t, outerHead+b.String(), "cms", "-decrypt", "-recip", file(who+".crt"), "-inkey", file(who+".key"))
				got := openssl(t, entity, "cms", "-verify", "-CAfile", file("alice.crt"), "-purpose", "any")
				if got != content {
					t.Errorf("%v: OpenSSL reads %d octets for %s", c, len(got), who)
				}
			}
		}
	}
}

func TestAS59_CompressedIsRefused(t *testing.T) {
	// Only the head of a ContentInfo: nothing behind the type is read.
	compressed := []byte{0x30, 0x80, 6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9}
	typed, untyped := entity("application/pkcs7-mime; smime-type=compressed-data", compressed), entity("application/x-pkcs7-mime; name=smime.p7z", compressed)
	innerType := compressed[2:]
	for name, message := range map[string]string{
		"outside":                typed,
		"outside, untyped":       untyped,
		"in the envelope":        envelop(t, typed),
		"in, untyped":            envelop(t, untyped),
		"signed":                 envelop(t, signedText(t, typed)),
		"signed, untyped":        envelop(t, signedText(t, untyped)),
		"signed, opaque":         envelop(t, entity("application/pkcs7-mime", opaque(t, typed, nil))),
		"as the type of content": envelop(t, entity("application/pkcs7-mime; smime-type=signed-data", opaque(t, "x", innerType))),
	} {
		_, err := open(t, message)
		if !errors.Is(err, cms.ErrCompressed) || !errors.Is(err, cms.ErrUnsupported) || !strings.Contains(err.Error(), "compressed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAS59_TripleWrappingIsRefused(t *testing.T) {
	enveloped := strings.TrimPrefix(seal(t, source(text(100))), outerHead)
	signed := entity("application/pkcs7-mime; smime-type=signed-data", opaque(t, text(10), nil))
	long := "X-Padding: " + strings.Repeat("x", 70) + "\r\n"
	for name, content := range map[string]string{
		"enveloped":                  enveloped,
		"enveloped, untyped":         strings.Replace(enveloped, "smime-type=enveloped-data;", "", 1),
		"signed":                     signed,
		"a large one":                signed + strings.Repeat("\r\n", 2*keepPlain),
		"behind a long header":       strings.Repeat(long, 2*keepHead/len(long)) + enveloped,
		"behind a long header, long": strings.Repeat(long, 2*keepHead/len(long)) + enveloped + strings.Repeat("\r\n", 2*keepPlain),
	} {
		for form, message := range map[string]string{"detached": signedText(t, content), "opaque": entity("application/pkcs7-mime", opaque(t, content, nil))} {
			_, err := open(t, envelop(t, message))
			if !errors.Is(err, ErrNested) || !errors.Is(err, cms.ErrUnsupported) {
				t.Errorf("%s, %s: %v", name, form, err)
			}
		}
	}
	for name, content := range map[string]string{
		"wrapped":                  mime.WrapPrefix + enveloped,
		"certificates":             entity("application/pkcs7-mime; smime-type=certs-only", nil),
		"a mail program's own":     signedText(t, text(10)),
		"no header":                "just text\r\n",
		"a type that is malformed": "Content-Type: nonsense\r\n\r\n",
	} {
		wantContent(t, name, signedText(t, content), content)
	}
	// Unless it is verified, nothing is said about it.
	o, err := open(t, envelop(t, strings.Replace(signedText(t, enveloped), "smime.p7m", "smime.p8m", 1)))
	if err != nil || !errors.Is(o.Signatures[0].Err, cms.ErrBadSignature) {
		t.Errorf("changed: %v", err)
	}
}
