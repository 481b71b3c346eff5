package smime

import (
	"crypto"
	"errors"
	"strings"
	"testing"

	"postern/internal/cms"
	"postern/mime"
)

func TestAS42_AS44_AS45_RoundTrip(t *testing.T) {
	for _, n := range []int{0, 100, keepPlain - 200, keepPlain, keepPlain + keepPlain/4, 2 << 20} {
		message := text(n)
		sealed := seal(t, Wrap(source(message)))
		o, err := open(t, sealed)
		if err != nil {
			t.Fatalf("%d octets: %v", n, err)
		}
		if o.Header.Get("From") != "a@alice.example" || !o.Enveloped.Certificate.Equal(certificate(t, "bob")) ||
			len(o.Certificates) != 1 || len(o.Signatures) != 1 {
			t.Errorf("%d octets: %+v", n, o)
		}
		s := o.Signatures[0]
		if s.Err != nil || !s.Certificate.Equal(certificate(t, "alice")) || s.Hash != crypto.SHA256 || !s.SigningTime.Equal(signedAt) {
			t.Errorf("%d octets: %+v", n, s)
		}
		for range 2 {
			if got := readContent(t, o); got != mime.WrapPrefix+message {
				t.Errorf("%d octets: the content has %d octets, want %d", n, len(got), len(message))
			}
		}
	}
}

func TestEverySignatureIsJudged(t *testing.T) {
	sealed := seal(t, source(text(1e5)), signer(t, "alice", crypto.SHA512), signer(t, "carol", crypto.SHA256))
	o, err := open(t, sealed)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Signatures) != 2 || o.Signatures[0].Err != nil || o.Signatures[1].Err != nil {
		t.Errorf("%+v", o.Signatures)
	}
	if readContent(t, o) != text(1e5) {
		t.Error("wrong content")
	}
}

func TestCP1_CP6_EntitiesThatAreLikeOurs(t *testing.T) {
	for _, n := range []int{100, keepPlain + keepPlain/4} {
		content := text(n)
		good := signedText(t, content)
		for name, entity := range map[string]string{
			"as written":          good,
			"wrong micalg":        strings.Replace(good, "sha-256", "sha512", 1),
			"no micalg":           strings.Replace(good, "micalg=sha-256;\r\n ", "", 1),
			"old spelling":        strings.Replace(good, "sha-256", "\"SHA256\"", 1),
			"x-pkcs7":             strings.ReplaceAll(good, "pkcs7-signature", "X-PKCS7-Signature"),
			"no protocol":         strings.Replace(good, "protocol=\"application/pkcs7-signature\";\r\n", "", 1),
			"preamble, epilogue":  strings.Replace(good, "\r\n\r\n", "\r\n\r\nThis is S/MIME\r\n", 1) + "epilogue\r\n",
			"more header fields":  "Date: x\r\nMIME-Version: 1.0\r\n" + good,
			"no closing boundary": good[:strings.LastIndex(good, "--postern")],
			"LF for CRLF, CP-2":   strings.ReplaceAll(good, "\r\n", "\n"),
		} {
			o, err := open(t, envelop(t, entity))
			if err != nil {
				t.Errorf("%d octets, %s: %v", n, name, err)
				continue
			}
			if o.Signatures[0].Err != nil {
				t.Errorf("%d octets, %s: %v", n, name, o.Signatures[0].Err)
			} else if got := readContent(t, o); got != content {
				t.Errorf("%d octets, %s: content of %d octets, want %d", n, name, len(got), len(content))
			}
		}
	}
}

func TestCP4_OuterHeaders(t *testing.T) {
	sealed := seal(t, source(text(100)))
	_, body, _ := strings.Cut(sealed, "\r\n\r\n")
	for header, want := range map[string]error{
		"Content-Type: application/x-pkcs7-mime; name=smime.p7m":                           nil,
		"content-type: Application/PKCS7-MIME;SMIME-TYPE=\"Enveloped-Data\";":              nil,
		"Content-Type: application/octet-stream; name=\"SMIME.P7M\"":                       nil,
		"Content-Type: application/octet-stream\r\nContent-Disposition: x; filename=a.p7m": nil,
		"Content-Type: application/octet-stream; name=a.pdf":                               ErrNotEncrypted,
		"Content-Type: application/pkcs7-mime; smime-type=signed-data":                     ErrNotEncrypted,
		"Content-Type: text/plain":                                                         ErrNotEncrypted,
		"Subject: no type":                                                                 ErrNotEncrypted,
		"Content-Type: a/b\r\nContent-Type: application/pkcs7-mime":                        ErrNotEncrypted,
		"no header": mime.ErrHeader,
	} {
		_, err := open(t, header+"\r\nContent-Transfer-Encoding: base64\r\n\r\n"+body)
		if !errors.Is(err, want) {
			t.Errorf("%q: error %v, want %v", header, err, want)
		}
	}
}

func TestOneAnswerToAllThatIsWrongInside(t *testing.T) {
	good := signedText(t, text(100))
	sealed := envelop(t, good)
	flip := func(i int) string {
		p := []byte(sealed)
		for p[i] == '\r' || p[i] == '\n' {
			i++
		}
		p[i] = "AB"[p[i]&1]
		return string(p)
	}
	middle := strings.Index(sealed, "\r\n\r\n") + (len(sealed)-strings.Index(sealed, "\r\n\r\n"))/2
	for name, message := range map[string]string{
		"garbage":               envelop(t, "\x01\x02\x03"),
		"nothing":               envelop(t, ""),
		"garbage after breaks":  envelop(t, "\r\n\r\ngarbage"),
		"broken type":           envelop(t, "Content-Type: nonsense\r\n\r\n"),
		"unknown encoding":      envelop(t, "Content-Type: multipart/signed; boundary=b\r\nContent-Transfer-Encoding: x\r\n\r\n"),
		"no boundary":           envelop(t, strings.Replace(good, "boundary=", "boundary2=", 1)),
		"no parts":              envelop(t, strings.Replace(good, "boundary=\"", "boundary=\"x", 1)),
		"broken base64":         envelop(t, strings.Replace(good, "MII", "M*I", 1)),
		"changed in the middle": flip(middle),
	} {
		_, err := open(t, message)
		if err == nil || err.Error() != cms.ErrUndecryptable.Error() {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestNotSigned(t *testing.T) {
	good := signedText(t, text(100))
	for name, entity := range map[string]string{
		"a message":          mime.WrapPrefix + text(100),
		"text":               "Content-Type: text/plain\r\n\r\nhello\r\n",
		"another protocol":   strings.ReplaceAll(good, "application/pkcs7-signature", "application/pgp-signature"),
		"another part two":   strings.Replace(good, "Content-Type: application/pkcs7-signature", "Content-Type: text/plain", 1),
		"encrypted again":    "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n",
		"certificates alone": certsOnly(t),
		"encrypted, no type": strings.Replace(strings.TrimPrefix(seal(t, source("x")), outerHead), "smime-type=enveloped-data;", "", 1),
	} {
		_, err := open(t, envelop(t, entity))
		if !errors.Is(err, ErrNotSigned) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestUnreadableSignatures(t *testing.T) {
	head := "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: application/pkcs7-signature\r\n\r\n"
	for name, entity := range map[string]string{
		"not BER":        head + "hello\r\n--b--\r\n",
		"opaque, no BER": "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\n\r\nhello",
		"opaque, cut":    "Content-Type: application/pkcs7-mime\r\n\r\n\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80",
	} {
		_, err := open(t, envelop(t, entity))
		if !errors.Is(err, ErrSignature) || !errors.Is(err, cms.ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
