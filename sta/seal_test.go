package sta

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"postern/internal/cms"
	"postern/internal/cms/smime"
	"postern/internal/testnet"
	"postern/mime"
	"postern/trust/reason"
)

func (r *rig) sign(message string) *Signed {
	r.t.Helper()
	s, err := Sign(r.t.Context(), source(crlf(message)), header(r.t, crlf(message)), r.cmsSigners(), r.at)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

// AS-42, AS-44, AS-45: wrapped, signed, encrypted, and back.
func TestAS42_SealedMessageOpens(t *testing.T) {
	r := newRig(t)
	var sealed bytes.Buffer
	err := r.sign(usual()).Seal(&sealed, []mime.Address{addr(t, "bob@b.example")}, testnet.Certs(r.bob), cms.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := r.open(sealed.String())
	equal(t, "verdict", codes(o), []string{"ok"})
	equal(t, "message", read(t, o), crlf(usual()))
	if !o.Wrapped || len(o.Signatures()) != 1 || o.Enveloped().Recipients != 1 {
		t.Errorf("wrapped %t, %d signatures, %+v", o.Wrapped, len(o.Signatures()), o.Enveloped())
	}
}

// AS-52: the outer header names the routing of this copy and nothing else.
func TestAS52_OuterHeader(t *testing.T) {
	r := newRig(t)
	ben := r.root.Leaf("ben@b.example")
	message := plain("From: Dr. Alice <Alice@a.example>", "To: Bob <bob@b.example>, Carol <carol@c.example>", "Cc: Ben <ben@b.example>",
		"Bcc: dora@d.example", "Reply-To: other@a.example", "In-Reply-To: <0@b.example>", "Comments: secret")
	var sealed bytes.Buffer
	err := r.sign(message).Seal(&sealed, []mime.Address{addr(t, "bob@b.example"), addr(t, "ben@b.example")}, testnet.Certs(r.bob, ben), cms.EncryptOptions{})
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(sealed.String(), "\r\n\r\n")
	equal(t, "outer header", head, crlf(`From: Alice@a.example
To: bob@b.example, ben@b.example
Date: Mon, 01 Jun 2026 12:00:00 +0000
Message-ID: <1@a.example>
MIME-Version: 1.0
Content-Type: application/pkcs7-mime; smime-type=enveloped-data;
 name="smime.p7m"
Content-Disposition: attachment; filename="smime.p7m"
Content-Transfer-Encoding: base64`))
}

// AS-76: an envelope for nobody is an error, and nothing is written.
func TestAS76_NobodyToEncryptTo(t *testing.T) {
	r := newRig(t)
	s := r.sign(usual())
	bob := []mime.Address{addr(t, "bob@b.example")}
	for name, seal := range map[string]func(*bytes.Buffer) error{
		"no recipient":   func(b *bytes.Buffer) error { return s.Seal(b, nil, testnet.Certs(r.bob), cms.EncryptOptions{}) },
		"no certificate": func(b *bytes.Buffer) error { return s.Seal(b, bob, nil, cms.EncryptOptions{}) },
		"no key to wrap for": func(b *bytes.Buffer) error {
			return s.Seal(b, bob, []*x509.Certificate{{PublicKey: struct{}{}}}, cms.EncryptOptions{})
		},
	} {
		var b bytes.Buffer
		err := seal(&b)
		if err == nil || strings.Contains(b.String(), "body") || strings.Contains(b.String(), "multipart/signed") {
			t.Errorf("%s: %v, wrote %q", name, err, b.String())
		}
	}
}

func TestSignRefuses(t *testing.T) {
	r := newRig(t)
	for name, tt := range map[string]struct {
		message string
		signers []*testnet.Identity
		want    error
	}{
		"no signer":     {crlf(usual()), nil, nil},
		"no From":       {crlf(plain("To: bob@b.example")), r.signers, reason.New(reason.SenderMismatch, "")},
		"no Date":       {crlf("From: alice@a.example\nMessage-ID: <1@a.example>\n\nx\n"), r.signers, nil},
		"no Message-ID": {crlf("From: alice@a.example\nDate: Mon, 01 Jun 2026 12:00:00 +0000\n\nx\n"), r.signers, nil},
		"bare LF":       {crlf(usual()) + "x\n", r.signers, smime.ErrNotCanonical},
	} {
		t.Run(name, func(t *testing.T) {
			r.signers = tt.signers
			_, err := Sign(t.Context(), source(tt.message), header(t, tt.message), r.cmsSigners(), r.at)
			var refused, want *reason.Error
			switch {
			case err == nil:
				t.Error("signed")
			case errors.As(tt.want, &want):
				if !errors.As(err, &refused) || refused.Code != want.Code {
					t.Errorf("error %v", err)
				}
			case tt.want != nil && !errors.Is(err, tt.want):
				t.Errorf("error %v", err)
			}
		})
	}
}

// A key that belongs to another certificate signs nothing.
func TestCP23_SignWithAForeignKey(t *testing.T) {
	r := newRig(t)
	signers := []cms.Signer{{Certificate: r.alice.Cert, Key: crypto.Signer(r.bob.Key)}}
	_, err := Sign(t.Context(), source(crlf(usual())), header(t, crlf(usual())), signers, r.at)
	if err == nil {
		t.Error("signed by a key that is not the certificate's")
	}
}
