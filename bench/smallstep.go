package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/smallstep/pkcs7"
)

// A smallstep is what a program does by hand with github.com/smallstep/pkcs7:
// its PKCS #7, and just enough MIME around it for one kind of message.
type smallstep struct {
	rig   *rig
	roots *x509.CertPool
}

func newSmallstep(r *rig) *smallstep {
	s := &smallstep{rig: r, roots: x509.NewCertPool()}
	s.roots.AddCert(r.root.cert)
	pkcs7.ContentEncryptionAlgorithm = pkcs7.EncryptionAlgorithmAES256CBC
	return s
}

func (s *smallstep) privates() int { return 0 }

func (s *smallstep) prepare(op string, file *os.File, recipients int) (func(io.Writer) error, error) {
	message, err := io.ReadAll(file)
	if err != nil {
		return nil, err
	}
	switch op {
	case "out":
		return func(w io.Writer) error { return s.out(w, message, recipients) }, nil
	case "in":
		return func(w io.Writer) error { return s.in(w, message) }, nil
	}
	return nil, fmt.Errorf("no operation %q", op)
}

const byHandBoundary = "by-hand-0123456789"

func (s *smallstep) out(w io.Writer, message []byte, recipients int) error {
	content := append([]byte("Content-Type: message/rfc822\r\n\r\n"), message...)
	signed, err := pkcs7.NewSignedData(content)
	if err != nil {
		return err
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256)
	err = signed.AddSignerChain(s.rig.sender.cert, s.rig.sender.key, []*x509.Certificate{s.rig.issuer.cert}, pkcs7.SignerInfoConfig{})
	if err != nil {
		return err
	}
	signed.Detach()
	signature, err := signed.Finish()
	if err != nil {
		return err
	}
	var entity bytes.Buffer
	entity.Grow(len(content) + 2*len(signature) + 1000)
	entity.WriteString(`Content-Type: multipart/signed; protocol="application/pkcs7-signature"; micalg=sha-256; boundary="` +
		byHandBoundary + "\"\r\n\r\n--" + byHandBoundary + "\r\n")
	entity.Write(content)
	entity.WriteString("\r\n--" + byHandBoundary + "\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n")
	entity.Write(lines(signature))
	entity.WriteString("\r\n--" + byHandBoundary + "--\r\n")
	var certs []*x509.Certificate
	for _, to := range s.rig.to[:recipients] {
		certs = append(certs, to.cert)
	}
	sealed, err := pkcs7.Encrypt(entity.Bytes(), certs)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "From: %s\r\nTo: %s\r\nDate: Mon, 01 Jun 2026 12:00:00 +0000\r\nMessage-ID: <bench@a.example>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n"+
		"Content-Transfer-Encoding: base64\r\n\r\n", senderAddress, recipientAddress(0))
	_, err = w.Write(lines(sealed))
	return err
}

// lines is base64 in lines of 76 characters.
func lines(p []byte) []byte {
	const perLine = 57
	text := make([]byte, 0, (len(p)/perLine+1)*78)
	for len(p) > 0 {
		n := min(perLine, len(p))
		text = base64.StdEncoding.AppendEncode(text, p[:n])
		text = append(text, "\r\n"...)
		p = p[n:]
	}
	return text
}

func (s *smallstep) in(w io.Writer, sealed []byte) error {
	der, err := decoded(sealed)
	if err != nil {
		return err
	}
	envelope, err := pkcs7.Parse(der)
	if err != nil {
		return err
	}
	entity, err := envelope.Decrypt(s.rig.to[0].cert, s.rig.to[0].key)
	if err != nil {
		return err
	}
	content, signature, err := parts(entity)
	if err != nil {
		return err
	}
	der, err = decoded(signature)
	if err != nil {
		return err
	}
	signed, err := pkcs7.Parse(der)
	if err != nil {
		return err
	}
	signed.Content = content
	err = signed.VerifyWithChain(s.roots)
	if err != nil {
		return err
	}
	_, message, _ := bytes.Cut(content, []byte("\r\n\r\n"))
	_, err = w.Write(message)
	return err
}

// decoded is the body of an entity in base64.
func decoded(entity []byte) ([]byte, error) {
	_, body, found := bytes.Cut(entity, []byte("\r\n\r\n"))
	if !found {
		return nil, errors.New("an entity without a body")
	}
	text := make([]byte, base64.StdEncoding.DecodedLen(len(body)))
	n, err := base64.StdEncoding.Decode(text, body) // it passes over line ends
	return text[:n], err
}

// parts are the two of a multipart/signed.
func parts(entity []byte) (content, signature []byte, err error) {
	_, rest, found := bytes.Cut(entity, []byte("boundary=\""))
	name, rest, quoted := bytes.Cut(rest, []byte("\""))
	boundary := append([]byte("\r\n--"), name...)
	_, rest, first := bytes.Cut(rest, append(boundary, "\r\n"...))
	content, rest, second := bytes.Cut(rest, append(boundary, "\r\n"...))
	signature, _, last := bytes.Cut(rest, append(boundary, "--"...))
	if !found || !quoted || !first || !second || !last {
		return nil, nil, errors.New("not a multipart/signed")
	}
	return content, signature, nil
}
