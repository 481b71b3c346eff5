package smime

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"postern/internal/cms"
	"postern/mime"
)

func TestNoPlaintextWithoutAGoodSignature(t *testing.T) {
	for _, n := range []int{100, keepPlain + keepPlain/4} {
		entity := strings.Replace(signedText(t, text(n)), "Subject: x", "Subject: y", 1)
		o, err := open(t, envelop(t, entity))
		if err != nil {
			t.Fatal(err)
		}
		if !errors.Is(o.Signatures[0].Err, cms.ErrBadSignature) {
			t.Errorf("the verdict is %v", o.Signatures[0].Err)
		}
		if _, err := o.Content(); !errors.Is(err, ErrNotVerified) {
			t.Errorf("Content: %v", err)
		}
	}
	if _, err := new(Opened).Content(); !errors.Is(err, ErrNotVerified) {
		t.Errorf("the zero Opened: %v", err)
	}
}

// A changing source gives one message first and another from then on.
type changing struct {
	Source
	later Source
	from  int
	n     *int
}

func (c changing) Open() (io.Reader, error) {
	*c.n++
	if *c.n > c.from {
		return c.later.Open()
	}
	return c.Source.Open()
}

func TestContentIsWhatWasVerified(t *testing.T) {
	content := text(keepPlain + keepPlain/4)
	sealed := seal(t, source(content))
	// CBC lets one who knows the message change it without the key.
	p := []byte(sealed)
	i := len(p) / 2
	for p[i] == '\r' || p[i] == '\n' {
		i++
	}
	p[i] ^= 'A' ^ 'B'
	if p[i] < '0' || p[i] > 'z' {
		p[i] = 'Q'
	}
	for name, later := range map[string]string{"changed": string(p), "another": seal(t, source(text(keepPlain+keepPlain/4+64)))} {
		n := 0
		src := changing{source(sealed), source(later), 1, &n}
		o, err := Open(t.Context(), src, recipient(t, "bob"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		r, err := o.Content()
		if err != nil {
			continue // noticed even before the end
		}
		_, err = io.ReadAll(r)
		if err == nil {
			t.Errorf("%s: a changed message was read to its end", name)
		}
	}
}

func TestContextAndSourceErrors(t *testing.T) {
	sealed := seal(t, source(text(keepPlain+keepPlain/4)))
	ctx, cancel := context.WithCancel(t.Context())
	o, err := Open(ctx, source(sealed), recipient(t, "bob"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := o.Content()
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on: %v", err)
	}
	if _, err := Open(ctx, source(sealed), recipient(t, "bob"), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("opening: %v", err)
	}
	if _, err := Sign(ctx, source("x"), []cms.Signer{signer(t, "alice", 0)}, signedAt); !errors.Is(err, context.Canceled) {
		t.Errorf("signing: %v", err)
	}
	broken := errors.New("disk")
	for _, at := range []int{0, 100, 1000, 50_000, len(sealed) - 3} {
		src := faulty{sealed[:at], int64(len(sealed)), broken}
		if _, err := Open(t.Context(), src, recipient(t, "bob"), Options{}); !errors.Is(err, broken) {
			t.Errorf("at %d: %v", at, err)
		}
	}
}

func TestLimits(t *testing.T) {
	sealed := seal(t, source(text(100)))
	_, err := Open(t.Context(), source(sealed), recipient(t, "bob"), Options{Limits: Limits{Size: int64(len(sealed)) - 1}})
	if !errors.Is(err, cms.ErrLimit) {
		t.Errorf("size: %v", err)
	}
	_, err = Open(t.Context(), source(sealed), recipient(t, "bob"), Options{Limits: Limits{MIME: mime.Limits{Fields: 1}}})
	if !errors.Is(err, mime.ErrLimit) {
		t.Errorf("fields: %v", err)
	}
	_, err = Open(t.Context(), source(sealed), nil, Options{})
	if !errors.Is(err, cms.ErrNoRecipient) {
		t.Errorf("no keys: %v", err)
	}
	wrong := recipient(t, "alice")
	wrong[0].Certificate = certificate(t, "bob")
	_, err = Open(t.Context(), source(sealed), wrong, Options{})
	if err == nil || err.Error() != cms.ErrUndecryptable.Error() {
		t.Errorf("wrong key: %v", err)
	}
}
