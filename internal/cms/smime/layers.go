package smime

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"

	"postern/internal/cms"
	"postern/mime"
)

// compressedType is the smime-type of CompressedData (RFC 8551 §3.6).
const compressedType = "compressed-data"

// isPKCS7 reports whether a media type is that of CMS in MIME, under its
// present name or its old one (CP-4).
func isPKCS7(t mime.MediaType) bool {
	return t.Is("application/pkcs7-mime", "application/x-pkcs7-mime")
}

// compressed reports whether the entity announces CompressedData.
func (i *inner) compressed() bool {
	return isPKCS7(i.media) && strings.EqualFold(i.media.Params["smime-type"], compressedType)
}

// refuseLayers looks at what was signed, which is verified by now: Direct knows
// a message that is signed and then encrypted, and no layer of S/MIME more
// (AS-59). What stands in a wrapped message is the affair of its sender and its
// receiver; a signature made by a mail program, multipart/signed, is content.
func (m *opener) refuseLayers(v *verdict, content func() (io.Reader, error)) error {
	var r io.Reader = bytes.NewReader(v.digest.head)
	if !v.digest.holdsHeader() {
		var err error
		r, err = content()
		if err != nil {
			return err
		}
	}
	br := bufio.NewReader(r)
	h, err := mime.ReadHeader(br, m.options.Limits.MIME)
	if err != nil {
		return nil // text without a header, which nobody takes for S/MIME
	}
	t, err := h.ContentType()
	if err != nil || !isPKCS7(t) {
		return nil
	}
	switch strings.ToLower(t.Params["smime-type"]) {
	case "certs-only":
		return nil
	case compressedType:
		return cms.ErrCompressed
	case "":
		if m.holdsCompressed(h, br) {
			return cms.ErrCompressed
		}
	}
	return ErrNested
}

// holdsCompressed asks the CMS what it is.
func (m *opener) holdsCompressed(h *mime.Header, body io.Reader) bool {
	der, err := mime.DecodeTransfer(h, body)
	if err != nil {
		return false
	}
	_, err = cms.OpenSigned(der, m.options.signed())
	return errors.Is(err, cms.ErrCompressed)
}
