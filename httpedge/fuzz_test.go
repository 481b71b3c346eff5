package httpedge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/mime"
	"postern/trust/reason"
)

// FuzzLetter: what is taken is JSON to anybody else too, with the same members; what is
// refused is the client's fault; and what is composed has the header fields that it
// should have, and no others.
func FuzzLetter(f *testing.F) {
	f.Add([]byte(plainJSON))
	f.Add([]byte(`{"from":"a@a.example","from_name":"A","to":["b@b.example"],"cc":null,"subject":"\ud83d\ude00","text":"x\n","html":"<p>","in_reply_to":"<1@b>","request_delivery_notice":true,"attachments":[{"name":"n","type":"text/plain","content":"AAA="}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := &letter{limit: 1 << 16}
		err := l.read(newJSONReader(bytes.NewReader(raw)), 10)
		if err != nil {
			if status := problemOf(err).Status; status != 400 && status != 413 {
				t.Fatalf("%v", err)
			}
			return
		}
		var other struct {
			To, CC      []string
			Subject     string
			Text        string
			Attachments []struct{ Name, Content string }
		}
		err = json.Unmarshal(raw, &other)
		if err != nil {
			t.Fatalf("it is no JSON to others: %v", err)
		}
		if diff := cmp.Diff([]string{other.Subject, other.Text}, []string{l.subject, l.text}); diff != "" {
			t.Fatal(diff)
		}
		for i, a := range other.Attachments {
			want, err := base64.StdEncoding.Strict().DecodeString(a.Content)
			if err != nil || !bytes.Equal(want, bytes.Join(l.attachments[i].content.all, nil)) {
				t.Fatalf("attachment %d is another one: %v", i, err)
			}
		}
		m, err := l.compose(testAddress("alice@a.example"), &Outgoing{})
		if err != nil {
			if code := problemOf(err).Code; code != reason.BadHeader.String() {
				t.Fatal(err)
			}
			return
		}
		var b bytes.Buffer
		err = m.Compose(&b, nil)
		if err != nil {
			t.Fatalf("what was checked cannot be composed: %v", err)
		}
		head, leaves, err := mime.Outline(&b, mime.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		for _, field := range head.Fields() {
			if !strings.Contains(" From To Cc Subject In-Reply-To References Disposition-Notification-To Disposition-Notification-Options MIME-Version Content-Type ", " "+field.Name+" ") {
				t.Fatalf("a header field that nobody asked for: %q", field.Raw)
			}
		}
		texts := 1
		if l.html != "" {
			texts = 2
		}
		if len(leaves) != texts+len(l.attachments) {
			t.Fatalf("%d parts of %d attachments", len(leaves), len(l.attachments))
		}
	})
}

// FuzzRequest: whatever path and header a request has, it is answered or refused, and
// no path has more than one meaning.
func FuzzRequest(f *testing.F) {
	f.Add("/v1/messages/1-1/parts/2", "application/json;q=0, */*", `"k"`)
	f.Add("/v1/sent/%3Cm%40a%3E", "a/b;q=0.000,c", "x")
	s := &Server{}
	s.routes = s.table()
	f.Fuzz(func(t *testing.T, path, accept, key string) {
		_, values, ok := s.find(path)
		for _, v := range values {
			if v == "" {
				t.Fatal("an empty value")
			}
		}
		if ok && strings.Contains(path, "//") {
			t.Fatalf("%q leads somewhere", path)
		}
		accepts(accept, "application/json")
		if isToken68(key) && strings.ContainsAny(key, " \r\n\x00\"") {
			t.Fatalf("%q is a token", key)
		}
	})
}

// FuzzRead: any message can be shown.
func FuzzRead(f *testing.F) {
	f.Add([]byte(letterRecord))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\n\xff\n--b--"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		o := &opened{body: text{strings.NewReader(string(raw))}}
		err := o.outline(t.Context())
		if err != nil {
			var p *problem
			if !errors.As(err, &p) {
				t.Fatal(err)
			}
			return
		}
		out, err := o.show(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range out.Parts {
			if strings.ContainsAny(p.Name, "/\\\r\n\x00") {
				t.Fatalf("the name %q", p.Name)
			}
		}
		for _, l := range o.leaves {
			if strings.ContainsAny(mime.FormatType(l.Media)+mime.FormatAttachment(fileName(l)), "\r\n\x00") {
				t.Fatal("a header field with a line break")
			}
		}
		text, err := json.Marshal(out)
		if err != nil || !json.Valid(text) {
			t.Fatal(err)
		}
	})
}
