package smime

import (
	"context"
	"crypto"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postern/internal/cms"
	"postern/mime"
)

// ErrNotCanonical says that content to be signed has a bare CR or LF
// (RFC 8551 §3.1.1), which another agent would not keep.
var ErrNotCanonical = errors.New("smime: the content has line ends other than CRLF")

// A SignedEntity is a multipart/signed whose signature is made. It is written
// from its source and may be written more than once.
type SignedEntity struct {
	head    string
	content Source
	tail    []byte
}

// Sign reads content, a MIME entity in canonical form that is 7-bit (AS-50), and
// signs it: multipart/signed with a detached signature of each of signers, at
// least one (AS-45 to AS-49). The signing time is at. The entity is made later,
// by WriteTo, which reads content again.
func Sign(ctx context.Context, content Source, signers []cms.Signer, at time.Time) (*SignedEntity, error) {
	used := usedHashes(signers)
	d := newDigester(used, 0)
	err := digestSource(ctx, content, d)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	signature, err := cms.SignDetached(hashSet(d.raw).sums, signers, at)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	boundary := newBoundary()
	tail, err := signaturePart(signature, boundary)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	return &SignedEntity{head: signedHead(used, boundary), content: content, tail: tail}, nil
}

func usedHashes(signers []cms.Signer) []crypto.Hash {
	var used []crypto.Hash
	for _, s := range signers {
		h := s.Hash
		if h == 0 {
			h = crypto.SHA256 // as cms.Signer says
		}
		if !slices.Contains(used, h) && slices.Contains(cms.Hashes(), h) {
			used = append(used, h)
		}
	}
	return used
}

func digestSource(ctx context.Context, content Source, d *digester) error {
	r, err := openSource(ctx, content)
	if err != nil {
		return fmt.Errorf("opening the content: %w", err)
	}
	n, err := copyAll(d, r)
	if err != nil {
		return fmt.Errorf("reading the content: %w", err)
	}
	if n != content.Size() {
		return fmt.Errorf("reading the content: %w", io.ErrUnexpectedEOF)
	}
	d.end()
	if d.canon != nil {
		return ErrNotCanonical
	}
	return nil
}

// newBoundary makes a boundary that no content can hold but by a guess of 128
// bits.
func newBoundary() string {
	var unique [16]byte
	rand.Read(unique[:]) // never fails, crypto/rand since Go 1.24
	return "postern-" + hex.EncodeToString(unique[:])
}

// signedHead makes all that stands before the content.
func signedHead(used []crypto.Hash, boundary string) string {
	names := make([]string, len(used))
	for i, h := range used {
		names[i] = micalg(h)
	}
	mic := strings.Join(names, ",")
	if len(names) > 1 {
		mic = `"` + mic + `"` // a comma is no part of a token, RFC 2045 §5.1
	}
	return "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\";\r\n" +
		" micalg=" + mic + ";\r\n boundary=\"" + boundary + "\"\r\n" +
		"\r\n--" + boundary + "\r\n"
}

// signaturePart makes all that stands behind the content, from the line break
// on that is part of the delimiter.
func signaturePart(signature []byte, boundary string) ([]byte, error) {
	var b strings.Builder
	b.WriteString("\r\n--" + boundary + "\r\n" +
		"Content-Type: application/pkcs7-signature; name=\"smime.p7s\"\r\n" +
		"Content-Disposition: attachment; filename=\"smime.p7s\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n")
	w := mime.NewBase64Writer(&b)
	_, err := w.Write(signature)
	if err != nil {
		return nil, err
	}
	err = w.Close()
	if err != nil {
		return nil, err
	}
	b.WriteString("--" + boundary + "--\r\n") // the last line of base64 ends in the line break before it
	return []byte(b.String()), nil
}

// Size returns how many octets WriteTo writes.
func (s *SignedEntity) Size() int64 {
	return int64(len(s.head)) + s.content.Size() + int64(len(s.tail))
}

// WriteTo writes the entity, header and body.
func (s *SignedEntity) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, s.head)
	total := int64(n)
	if err != nil {
		return total, fmt.Errorf("writing a signed entity: %w", err)
	}
	r, err := s.content.Open()
	if err != nil {
		return total, fmt.Errorf("opening the signed content: %w", err)
	}
	copied, err := copyAll(w, io.LimitReader(r, s.content.Size()))
	total += copied
	if err == nil && copied != s.content.Size() {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return total, fmt.Errorf("writing the signed content: %w", err)
	}
	n, err = w.Write(s.tail)
	total += int64(n)
	if err != nil {
		return total, fmt.Errorf("writing a signed entity: %w", err)
	}
	return total, nil
}
