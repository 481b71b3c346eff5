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
	r       io.Reader
	control *http.ResponseController
	silence time.Duration
	until   time.Time
	pace    int64     // octets a second that must come, 0 for any
	began   time.Time // of the pace
	paced   int64     // octets since then
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
		r: r.Body, control: http.NewResponseController(w), silence: s.options.Silence,
		until: time.Now().Add(s.options.BodyTime), left: most, digest: sha256.New(),
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
	soon := time.Now().Add(b.silence)
	if soon.After(b.until) {
		soon = b.until
	}
	if b.pace > 0 {
		late := b.began.Add(b.silence + time.Duration(b.paced)*time.Second/time.Duration(b.pace))
		if soon.After(late) {
			soon = late
		}
	}
	// A connection that cannot have a deadline is one of a test.
	_ = b.control.SetReadDeadline(soon)
	_ = b.control.SetWriteDeadline(soon.Add(b.silence))
	n, err := b.r.Read(p)
	b.read += int64(n)
	b.paced += int64(n)
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
	b.began = b.began.Add(time.Since(begin))
	return err
}

// hurry has the rest come so fast in the long run, in octets a second, and no faster than
// what came may be held.
func (b *body) hurry(pace int64, hold func(octets int64) error) {
	b.pace, b.began, b.paced, b.hold = pace, time.Now(), 0, hold
}

// sum is the digest of the request, of which all must have been read.
func (b *body) sum() Digest { return Digest(b.digest.Sum(nil)) }

// drain reads the rest.
func (b *body) drain() error {
	_, err := io.Copy(io.Discard, b)
	return err
}
