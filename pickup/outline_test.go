package pickup

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
)

// outlined is a message that can be read by its outline alone, if it has one.
func outlined(raw, kept []byte) *message {
	m := &message{ctx: context.Background(), last: new(parsedBody), outline: kept}
	m.body = &lateBody{size: int64(len(raw)), open: func() (Body, error) { return nil, errUnread }}
	return m
}

var errUnread = errors.New("the body was opened")

// sameByOutline compares what the outline of a message gives with what the message
// does, however it came in pieces.
func sameByOutline(t *testing.T, raw []byte, bs imap.BodyStructure, e *imap.Envelope) {
	t.Helper()
	o := NewOutliner()
	for at := 0; at < len(raw); at += 7 {
		o.Write(raw[at:min(at+7, len(raw))])
	}
	m := outlined(raw, o.Outline())
	if head, ok := m.outline.head(); ok && !strings.HasPrefix(string(raw), string(head)) {
		t.Errorf("the header of the outline is %q", head)
	}
	var f fetched
	err := m.describe(&f, &imap.FetchOptions{Envelope: true, BodyStructure: &imap.FetchItemBodyStructure{Extended: true}})
	if errors.Is(err, errUnread) {
		return // there is more than an outline holds
	}
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(bs, f.structure) { // cmp takes ages for deep ones
		t.Errorf("BODYSTRUCTURE by outline is %+v, want %+v", f.structure, bs)
	}
	if diff := cmp.Diff(e, f.envelope); diff != "" {
		t.Errorf("ENVELOPE by outline (-want +got):\n%s", diff)
	}
}

// Outlines are bounded, whatever the message: what is too much is left out, and said
// to be.
func TestOutlinesAreBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		raw  string
		form byte
	}{
		"empty":          {"", outlineParts},
		"no header":      {"\r\ntext", outlineParts},
		"plain":          {"A: b\r\n\r\ntext", outlineParts},
		"header alone":   {"A: b\r\n", outlineParts},
		"a long header":  {strings.Repeat("A: b\r\n", 20<<10) + "\r\n", outlineNone},
		"long headers":   {"Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\nA: "+strings.Repeat("x", 6000)+"\n\n", 100), outlineHeader},
		"a million":      {"Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\n", 1<<20), outlineParts},
		"cut in its end": {"Content-Type: multipart/mixed; boundary=b\n\n--b\nA: b\n--b--", outlineHeader},
	} {
		o := NewOutliner()
		o.Write([]byte(tc.raw))
		kept := o.Outline()
		if kept[0] != tc.form || len(kept) >= 64<<10 {
			t.Errorf("%s: form %d of %d octets, want %d", name, kept[0], len(kept), tc.form)
		}
	}
}

// FuzzOutline takes outlines apart that nobody made.
func FuzzOutline(f *testing.F) {
	for _, raw := range []string{
		"A: b\n\ntext",
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\nA: b\n\n--b--\n",
	} {
		o := NewOutliner()
		o.Write([]byte(raw))
		f.Add(uint16(len(raw)), o.Outline())
	}
	f.Add(uint16(9), []byte{2, 0, 2, 0, 9, 0, 1, 0, 2, 0, 9, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, size uint16, kept []byte) {
		head, ok := keptOutline(kept).head()
		if ok && len(head) > len(kept) {
			t.Fatal("a header of nowhere")
		}
		root, ok := keptOutline(kept).parts(int64(size))
		if !ok {
			return
		}
		checkPart(t, root, 0, int64(size))
		m := outlined(make([]byte, size), kept)
		_, err := m.bodyStructure(root)
		if err != nil && !errors.Is(err, errUnread) {
			t.Fatal(err)
		}
		if again, ok := root.encode([]byte{outlineParts}, 0); ok {
			other, ok := keptOutline(again).parts(int64(size))
			if !ok || fmt.Sprint(other.end, other.lines, len(other.children)) != fmt.Sprint(root.end, root.lines, len(root.children)) {
				t.Fatal("an outline changes on its way")
			}
		}
	})
}
