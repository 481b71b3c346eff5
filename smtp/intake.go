package smtp

import (
	"errors"
	"io"

	"postern/mime"
)

// maxLine is the octets of a line without its CRLF (RFC 5322 §2.1.1).
const maxLine = 998

var errTooLarge = errors.New("larger than the limit")

// An intake reads a message as the client sends it and fails as soon as it
// breaks a rule. It remembers how reading ended, so that no backend can accept a
// message that was not read to its end without fault.
type intake struct {
	checked io.Reader
	err     error // io.EOF: the whole message was read
}

func newIntake(r io.Reader, limit int64) *intake {
	return &intake{checked: mime.CheckLines(mime.LimitReader(r, limit, errTooLarge), maxLine)}
}

// Read implements io.Reader. Its errors carry a reason.
func (i *intake) Read(p []byte) (int, error) {
	if i.err != nil {
		return 0, i.err
	}
	n, err := i.checked.Read(p)
	if err != nil && err != io.EOF {
		err = intakeReason(err)
	}
	i.err = err
	return n, err
}
