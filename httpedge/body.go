package httpedge

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"postern/trust/reason"
)

// A body reads the content of a request: no more than is allowed, as long as it moves,
// and with a digest of what was read.
type body struct {
	transfer
	r       io.Reader
	control *http.ResponseController
	read    int64
	hold    func(octets int64) error // waits until so many that came may be held; nil does not
	left    int64
	digest  hash.Hash
	err     error
}

// newBody looks at what the request says of its content. The digest begins with what
// else makes the request what it is.
func (s *Server) newBody(w http.ResponseWriter, r *request, most int64) (*body, error) {
	encoding := r.Header.Get("Content-Encoding")
	if encoding != "" && !strings.EqualFold(encoding, "identity") {
		return nil, newProblem(http.StatusUnsupportedMediaType, codeMediaType, "content must not be compressed")
	}
	if r.ContentLength > most {
		return nil, tooLarge()
	}
	b := &body{
		transfer: s.newTransfer(0), r: r.Body, control: http.NewResponseController(w), left: most, digest: sha256.New(),
	}
	for _, text := range []string{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Get("Content-Type")} {
		b.digest.Write(binary.BigEndian.AppendUint64(nil, uint64(len(text))))
		b.digest.Write([]byte(text))
	}
	return b, nil
}

// Read implements io.Reader. Its errors carry a reason, or are problems.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	soon := b.deadline()
	// A connection that cannot have a deadline is one of a test.
	_ = b.control.SetReadDeadline(soon)
	_ = b.control.SetWriteDeadline(soon.Add(b.silence))
	n, err := b.r.Read(p)
	b.read += int64(n)
	b.moved(n)
	b.left -= int64(n)
	b.digest.Write(p[:n])
	switch {
	case b.left < 0:
		b.err = tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.err = reason.New(reason.TooSlow, "reading a request: %w", err)
	case err != nil && !errors.Is(err, io.EOF):
		b.err = badRequest("the content ended too early")
	case err != nil:
		b.err = err
	case b.hold != nil:
		b.err = b.wait()
	}
	return n, b.err
}

// wait waits until what came may be held, in time that is not the client's.
func (b *body) wait() error {
	begin := time.Now()
	_ = b.control.SetReadDeadline(b.until) // HTTP/2 ends a request at its deadline though nobody reads
	err := b.hold(b.read)
	b.paused(time.Since(begin))
	return err
}

// hurry has the rest come at a pace, and no faster than what came may be held.
func (b *body) hurry(pace int64, hold func(octets int64) error) {
	b.transfer.hurry(pace)
	b.hold = hold
}

// sum is the digest of the request, of which all must have been read.
func (b *body) sum() Digest { return Digest(b.digest.Sum(nil)) }

// drain reads the rest.
func (b *body) drain() error {
	_, err := io.Copy(io.Discard, b)
	return err
}
