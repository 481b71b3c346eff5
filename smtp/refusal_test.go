package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"postern/mime"
	"postern/trust/reason"
)

// A refusal says which field is wrong, and nothing else of what went wrong.
func TestRefusalNamesTheField(t *testing.T) {
	for want, err := range map[string]error{
		"550 5.6.0 the message's header is not valid: To\r\n": fmt.Errorf("accepting: %w", reason.New(reason.BadHeader, "reading To: %w", errors.New("secret")).In("To")),
		"550 5.6.0 the message's header is not valid\r\n":     reason.New(reason.BadHeader, "secret"),
	} {
		if got := string(refusal(err, "").appendTo(nil)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Where a line is at fault the reply names the field that it is in, and none where it is
// in the body, or where the client has gone.
func TestRefusalOfALineNamesTheField(t *testing.T) {
	const head = "From: a@a.example\r\n"
	long := strings.Repeat("x", 1000)
	for raw, want := range map[string]string{
		head + "Subject: " + long + "\r\n\r\n":      "550 5.6.0 the message has a line longer than 998 octets: Subject\r\n",
		head + "X-Jane: " + long + "\r\n\r\n":       "550 5.6.0 the message has a line longer than 998 octets: field 2\r\n",
		head + "To: b@b.example\nCc: x\r\n\r\n":     "550 5.6.11 the message has a bare CR or LF: To\r\n",
		head + "Date: \x00\r\n\r\n":                 "550 5.6.0 the message is malformed: Date\r\n",
		head + "Subject: x\r\n\r\n" + long + "\r\n": "550 5.6.0 the message has a line longer than 998 octets\r\n",
		head + "Subject: x":                         "421 4.4.2 the transfer took too long\r\n",
	} {
		in := newIntake(&broken{strings.NewReader(raw)}, 1<<20)
		r := bufio.NewReader(in)
		_, err := mime.ReadHeader(r, mime.Limits{})
		if err == nil {
			_, err = r.WriteTo(io.Discard)
		}
		err = verdict(in, fmt.Errorf("accepting: %w", err))
		if got := string(refusal(err, "").appendTo(nil)); got != want {
			t.Errorf("%.40q: %q, want %q", raw, got, want)
		}
	}
}

// A broken reader ends as a connection does that breaks.
type broken struct{ io.Reader }

func (b *broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
