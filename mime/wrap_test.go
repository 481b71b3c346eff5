package mime

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// FuzzUnwrap reads entities that are wrapped in every way. What is read is the
// same whatever pieces it comes in, and what Wrap wraps comes out as it was.
func FuzzUnwrap(f *testing.F) {
	for _, seed := range []string{
		"Content-Type: message/rfc822\r\n\r\nFrom: a@b.example\r\n\r\nbody\r\n",
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nRnJvbTogYUBiLmV4YW1wbGUNCg0KYm9keQ0K\r\n",
		"Content-Type: message/rfc822; x=\"y\"\nContent-Transfer-Encoding: Quoted-Printable\n\nFrom: a=40b.example\n\nbo=\ndy\n",
		"Content-Type: text/plain\r\n\r\nnot wrapped\r\n",
		"Content-Transfer-Encoding: x-unknown\r\nContent-Type: message/rfc822\r\n\r\n",
		"\r\n", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, entity []byte) {
		text, wrapped, err := unwrapped(bytes.NewReader(entity))
		again, wrappedAgain, errAgain := unwrapped(&oneByOne{entity})
		if (err == nil) != (errAgain == nil) || wrapped != wrappedAgain || err == nil && !bytes.Equal(text, again) {
			t.Fatalf("in pieces: %q, %v, %v; at once: %q, %v, %v", again, wrappedAgain, errAgain, text, wrapped, err)
		}
		out, wrapped, err := unwrapped(Wrap(bytes.NewReader(entity)))
		if err != nil || !wrapped || !bytes.Equal(out, entity) {
			t.Fatalf("wrapped and unwrapped: %q, %v, %v", out, wrapped, err)
		}
		if len(entity) > 0 && len(text) > len(entity) {
			t.Fatalf("%d octets out of %d", len(text), len(entity))
		}
	})
}

func unwrapped(entity io.Reader) ([]byte, bool, error) {
	_, body, wrapped, err := Unwrap(entity, Limits{})
	if err != nil {
		return nil, false, err
	}
	text, err := io.ReadAll(body)
	return text, wrapped, err
}

// oneByOne gives its octets out singly.
type oneByOne struct{ rest []byte }

func (o *oneByOne) Read(p []byte) (int, error) {
	if len(o.rest) == 0 {
		return 0, io.EOF
	}
	p[0] = o.rest[0]
	o.rest = o.rest[1:]
	return 1, nil
}

// AS-42: what is wrapped says so in its first line.
func TestAS42_WrapPrefix(t *testing.T) {
	if !strings.HasPrefix(WrapPrefix, "Content-Type: message/rfc822\r\n") {
		t.Errorf("it begins %q", WrapPrefix)
	}
}
