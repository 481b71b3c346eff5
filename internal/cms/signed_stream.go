package cms

import (
	"crypto"
	"errors"
	"hash"
	"io"
)

// A SignedReader streams the content of an opaque SignedData and digests it on
// the way. The content is not authenticated until Verify of Signed says so.
type SignedReader struct {
	signed  *SignedData
	ber     *berReader
	content *octets
	digests map[crypto.Hash]hash.Hash
	err     error
}

// OpenSigned reads r up to the content of a SignedData. A detached one, which
// has none, is an error that wraps ErrMalformed.
func OpenSigned(r io.Reader, o SignedOptions) (*SignedReader, error) {
	s := &SignedReader{signed: &SignedData{sha1: o.SHA1}, ber: newBERReader(r, indefinite, o.Limits)}
	err := s.open()
	if err != nil {
		s.ber.release()
		return nil, err
	}
	return s, nil
}

func (s *SignedReader) open() error {
	content, err := s.signed.parseHead(s.ber)
	if err != nil {
		return err
	}
	if s.signed.Detached {
		return malformed("the signed content is not inside")
	}
	s.content, err = newOctets(s.ber, content)
	if err != nil {
		return err
	}
	s.digests = make(map[crypto.Hash]hash.Hash)
	for _, h := range s.signed.DigestAlgorithms {
		s.digests[h] = h.New()
	}
	return nil
}

// Read returns the content, and io.EOF only after the rest of the structure was
// right and r was at its end. A message without a signer ends with
// ErrNoSignature.
func (s *SignedReader) Read(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.content.Read(p)
	for _, h := range s.digests {
		h.Write(p[:n]) // never fails
	}
	if errors.Is(err, io.EOF) {
		err = s.finish()
		if err == nil {
			err = io.EOF
		}
	}
	if err != nil {
		s.err = err
		s.ber.release()
	}
	return n, err
}

func (s *SignedReader) finish() error {
	err := s.ber.leaveAll(2) // [0], EncapsulatedContentInfo
	if err != nil {
		return err
	}
	return s.signed.parseTail(s.ber, maxCertificates)
}

// Signed returns the SignedData, and nil before Read has returned io.EOF.
func (s *SignedReader) Signed() *SignedData {
	if s.err != io.EOF {
		return nil
	}
	return s.signed
}

// Digest returns the digest of the content that Read has returned so far, or
// nil if the message does not announce the hash or it is not allowed. It is what
// SignedData.Verify asks for.
func (s *SignedReader) Digest(h crypto.Hash) []byte {
	d, ok := s.digests[h]
	if !ok {
		return nil
	}
	return d.Sum(nil)
}
