package smime

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"postern/internal/cms"
	"postern/mime"
)

// A verdict is what the first reading found inside of an envelope.
type verdict struct {
	signed    *cms.SignedData
	results   []cms.SignerResult
	digest    *digester         // of the signed part; its plain alone if opaque is not nil
	opaque    *cms.SignedReader // read to its end; nil when the signature is detached
	canonical bool              // the signatures cover the canonical form, not what came
}

// An inner is the entity inside of an envelope.
type inner struct {
	media mime.MediaType
	body  io.Reader
}

func readInner(plain io.Reader, l Limits) (*inner, error) {
	br := bufio.NewReader(plain)
	h, err := mime.ReadHeader(br, l.MIME)
	if err != nil {
		return nil, err
	}
	if len(h.Fields()) == 0 {
		return nil, mime.ErrHeader // garbage that begins with a line break
	}
	media, err := h.ContentType()
	if err != nil {
		return nil, err
	}
	body, err := mime.DecodeTransfer(h, br)
	if err != nil {
		return nil, err
	}
	return &inner{media: media, body: body}, nil
}

// detached reports whether the entity is a multipart/signed of S/MIME.
func (i *inner) detached() bool {
	if i.media.Type != "multipart/signed" {
		return false
	}
	protocol := i.media.Params["protocol"]
	return protocol == "" || isSignature(protocol)
}

// enclosed reports whether the entity is an opaque SignedData (AS-46). Without
// smime-type the CMS decides.
func (i *inner) enclosed() bool {
	if !isPKCS7(i.media) {
		return false
	}
	t := i.media.Params["smime-type"]
	return t == "" || strings.EqualFold(t, "signed-data")
}

func isSignature(t string) bool {
	return strings.EqualFold(t, "application/pkcs7-signature") || strings.EqualFold(t, "application/x-pkcs7-signature")
}

// judge reads the plaintext up to where its signature can be checked.
func (m *opener) judge(plain io.Reader) (*verdict, error) {
	in, err := readInner(plain, m.options.Limits)
	if err != nil {
		return nil, err
	}
	keep := m.room()
	switch {
	case in.detached():
		return judgeDetached(in, keep, m.options)
	case in.enclosed():
		return judgeEnclosed(in, keep, m.options)
	case in.compressed():
		return nil, cms.ErrCompressed
	}
	return nil, ErrNotSigned
}

// room is how much of the plaintext is kept: as much as base64 of the size of the
// message can hold, or nothing of what is longer than keepPlain. Content in another
// encoding may come to more than that, and is then read again.
func (m *opener) room() int {
	room := m.message.Size()/4*3 + 3
	if room > keepPlain {
		return 0
	}
	return int(room)
}

func judgeDetached(in *inner, keep int, o Options) (*verdict, error) {
	d := newDigester(hinted(in.media.Params["micalg"], o.SHA1), keep)
	part, err := mime.SplitSigned(in.body, in.media.Params["boundary"], d)
	if err != nil {
		return nil, err
	}
	d.end()
	der, err := signature(part)
	if err != nil {
		return nil, err
	}
	signed, err := cms.ParseSigned(der, o.signed())
	if err != nil {
		return nil, unreadable(err)
	}
	if !signed.HoldsData() {
		return nil, ErrNotSigned
	}
	return &verdict{signed: signed, digest: d}, nil
}

// signature takes the CMS out of the second part of a multipart/signed.
func signature(part *mime.Part) ([]byte, error) {
	t, err := part.Header.ContentType()
	if err != nil {
		return nil, err
	}
	if !isSignature(t.Type) && t.Type != "application/octet-stream" {
		return nil, ErrNotSigned
	}
	r, err := mime.DecodeTransfer(part.Header, bytes.NewReader(part.Body))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r) // SplitSigned bounds it
}

func judgeEnclosed(in *inner, keep int, o Options) (*verdict, error) {
	signed, err := cms.OpenSigned(in.body, o.signed())
	if errors.Is(err, cms.ErrUnsupported) && !errors.Is(err, cms.ErrCompressed) {
		return nil, ErrNotSigned // CMS of another content type
	}
	if err != nil {
		return nil, unreadable(err)
	}
	d := newDigester(nil, keep) // it only holds: signed digests itself
	_, err = copyAll(d, signed)
	if err != nil {
		return nil, unreadable(err)
	}
	if !signed.Signed().HoldsData() {
		return nil, ErrNotSigned
	}
	return &verdict{signed: signed.Signed(), digest: d, opaque: signed}, nil
}

// unreadable tells apart why a SignedData cannot be read.
func unreadable(err error) error {
	switch {
	case errors.Is(err, cms.ErrNoSignature):
		return ErrNotSigned
	case errors.Is(err, cms.ErrCompressed):
		return cms.ErrCompressed
	case errors.Is(err, mime.ErrEncoding):
		return err // it tells as much as garbage does, and no more
	}
	return fmt.Errorf("%w: %w", ErrSignature, err)
}

// signedPart begins another reading of the signed part of a multipart/signed.
func signedPart(plain io.Reader, l Limits) (io.Reader, error) {
	in, err := readInner(plain, l)
	if err != nil {
		return nil, err
	}
	if !in.detached() {
		return nil, ErrChanged
	}
	return mime.SignedPart(in.body, in.media.Params["boundary"])
}
