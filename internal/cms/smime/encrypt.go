package smime

import (
	"crypto/x509"
	"fmt"
	"io"

	"postern/internal/cms"
	"postern/mime"
)

// envelopeHead is the MIME header of what Encrypt writes (AS-44; RFC 8551 §3.4
// for the smime-type of ciphers that authenticate).
func envelopeHead(c cms.ContentCipher) string {
	kind := "enveloped-data"
	if c.Authenticates() {
		kind = "authEnveloped-data"
	}
	return "Content-Type: application/pkcs7-mime; smime-type=" + kind + ";\r\n" +
		" name=\"smime.p7m\"\r\n" +
		"Content-Disposition: attachment; filename=\"smime.p7m\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n"
}

// Encrypt writes the encrypted entity around a signed one, readable by anybody
// of to: its MIME header, the empty line and the body in base64. The other
// fields of the message, MIME-Version among them, are the caller's to write
// before.
func Encrypt(w io.Writer, entity *SignedEntity, to []*x509.Certificate, o cms.EncryptOptions) error {
	_, err := io.WriteString(w, envelopeHead(o.Cipher))
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	text := mime.NewBase64Writer(w)
	err = encryptBody(text, entity, to, o)
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	err = text.Close()
	if err != nil {
		return fmt.Errorf("encrypting: %w", err)
	}
	return nil
}

func encryptBody(w io.Writer, entity *SignedEntity, to []*x509.Certificate, o cms.EncryptOptions) error {
	envelope, err := cms.NewEnvelopedWriter(w, entity.Size(), to, o)
	if err != nil {
		return err
	}
	_, err = entity.WriteTo(envelope)
	if err != nil {
		return err
	}
	return envelope.Close()
}
