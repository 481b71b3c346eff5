package httpedge

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/mime"
	"postern/trust/reason"
)

const plainJSON = `{"to":["bob@b.example"],"subject":"s","text":"t"}`

func TestSendJSON(t *testing.T) {
	h := &house{}
	r := newRig(t, h)
	a := r.ok(r.do("POST", "/v1/messages", `{"from":"ALICE@a.example","from_name":"Dr. Älice","to":["bob@b.example","BOB@b.example"],"cc":["carl@b.example"],"bcc":["dora@b.example"],
		"subject":"Entlaßbrief \u2713","text":"Grüße\n","html":"<p>Grüße</p>","in_reply_to":"<1@b.example>","request_delivery_notice":true,
		"attachments":[{"name":"Übung.pdf","type":"application/pdf","content":"AAECAw=="},{"content":""}]}`, asJSON), 202)
	if a.Header.Get("Location") != "/v1/sent/"+h.sent[0].ID || !strings.Contains(a.body, h.sent[0].ID) {
		t.Errorf("%v %s", a.Header, a.body)
	}
	sent := h.sent[0]
	head, leaves, err := mime.Outline(strings.NewReader(sent.body), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range []string{"From", "To", "Cc", "Bcc", "Subject", "In-Reply-To", "References", "Disposition-Notification-To", "Disposition-Notification-Options"} {
		got = append(got, name+": "+mime.DecodeText(head.Get(name)))
	}
	for _, l := range leaves {
		body, err := mime.DecodeTransfer(l.Header, strings.NewReader(sent.body[l.From:l.To]))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %q %q", l.Media.Type, l.Header.FileName(), text))
	}
	got = append(got, fmt.Sprint(sent.From, sent.To))
	want := []string{
		"From: Dr. Älice <ALICE@a.example>", "To: bob@b.example, BOB@b.example", "Cc: carl@b.example", "Bcc: ", "Subject: Entlaßbrief ✓", "In-Reply-To: <1@b.example>", "References: <1@b.example>",
		"Disposition-Notification-To: ALICE@a.example", "Disposition-Notification-Options: X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,true",
		`text/plain "" "Grüße\r\n"`, `text/html "" "<p>Grüße</p>"`, `application/pdf "Übung.pdf" "\x00\x01\x02\x03"`, `application/octet-stream "" ""`,
		"ALICE@a.example [bob@b.example carl@b.example dora@b.example]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Whatever stands in a member, none can become another header field or a path.
func TestJSONInjection(t *testing.T) {
	r := newRig(t, &house{})
	with := func(member, value string) string {
		return strings.Replace(plainJSON, `"text":"t"`, `"text":"t","`+member+`":`+value, 1)
	}
	for member, bodies := range map[string][]string{
		"subject":                 {`{"to":["bob@b.example"],"subject":"s\r\nBcc: x@x.example"}`, `{"to":["bob@b.example"],"subject":"s\u0000"}`, `{"to":["bob@b.example"],"subject":"a\u2028b"}`},
		"from_name":               {with("from_name", `"a\nb"`)},
		"from":                    {with("from", `"alice@a.example>\r\nBcc: x@x.example"`), with("from", `"Alice <alice@a.example>"`)},
		"cc.0":                    {with("cc", `["a@b.example, c@b.example"]`), with("cc", `["\"\r\n\"@b.example"]`)},
		"in_reply_to":             {with("in_reply_to", `"no id\r\nX: y <"`), with("in_reply_to", `"<a b>"`), with("in_reply_to", `"<a@b>\r\nX: y"`), with("in_reply_to", `"<a@b> <c@d>"`)},
		"attachments.0.name":      {with("attachments", `[{"content":"","name":"../../etc/passwd"}]`), with("attachments", `[{"content":"","name":"a\"\r\nX: y"}]`), with("attachments", `[{"content":"","name":"\u202egpj.exe"}]`), with("attachments", `[{"content":"","name":"c:\\x"}]`)},
		"attachments.0.type":      {with("attachments", `[{"content":"","type":"text/plain\r\nX: y"}]`), with("attachments", `[{"content":"","type":"multipart/mixed"}]`), with("attachments", `[{"content":"","type":"message/rfc822"}]`), with("attachments", `[{"content":"","type":"x"}]`)},
		"to":                      {`{"subject":"s"}`, `{"to":[]}`},
		"attachments.1.type":      {with("attachments", `[{"content":""},{"content":"","type":";"}]`)},
		"request_delivery_notice": nil,
		"text":                    {`{"to":["bob@b.example"],"text":"a\u0000b"}`, `{"to":["bob@b.example"],"text":"\u001b[31mred"}`},
		"html":                    {with("html", `"\u0008"`)},
	} {
		for _, body := range bodies {
			if p := r.code(r.do("POST", "/v1/messages", body, asJSON), 422, "bad-header"); p.Member != member {
				t.Errorf("%s: member %q", body, p.Member)
			}
		}
	}
	if n := len(r.house.sent); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// JSON is read strictly: what is not described is refused, at the place where it is.
func TestStrictJSON(t *testing.T) {
	r := newRig(t, &house{})
	for body, member := range map[string]string{
		``: "", `[]`: "", `"x"`: "", `null`: "", `{`: "", `{"to":`: "to", `{"to":["a@b.example"]`: "", `{} {}`: "", `{},`: "", "\ufeff{}": "",
		`{"unknown":1}`: "unknown", `{"to":[],"to":[]}`: "to", `{"t\u006f":[],"to":[]}`: "to", `{"subject":1}`: "subject", `{"subject":["x"]}`: "subject",
		`{"to":"bob@b.example"}`: "to", `{"to":{"a":1}}`: "to", `{"to":[1e999999]}`: "to.0", `{"to":["a",]}`: "to.1", `{"subject":"x",}`: "",
		`{"request_delivery_notice":1}`: "request_delivery_notice", `{"request_delivery_notice":truth}`: "request_delivery_notice",
		`{"subject":"\x"}`: "subject", `{"subject":"\ud800"}`: "subject", `{"subject":"\ud800\u0041"}`: "subject", `{"subject":"\u00g0"}`: "subject",
		"{\"subject\":\"\x01\"}": "subject", "{\"subject\":\"\xff\"}": "subject", `{"subject":"` + strings.Repeat("x", maxSubject+1) + `"}`: "subject",
		`{"` + strings.Repeat("x", maxJSONName+1) + `":1}`: "", `{"attachments":[{"content":"A"}]}`: "attachments.0.content", `{"attachments":[{"content":"AA=A"}]}`: "attachments.0.content",
		`{"attachments":[{"content":"AA==AAAA"}]}`: "attachments.0.content", `{"attachments":[{"content":"A\nAA="}]}`: "attachments.0.content", `{"attachments":[{"content":"AB=="}]}`: "attachments.0.content",
		`{"attachments":[{}]}`: "attachments.0", `{"attachments":[{"content":"","size":1}]}`: "attachments.0.size", strings.Repeat(`[`, 100_000): "",
		`{"attachments":` + strings.Repeat(`[`, 100_000): "attachments.0", `{"to":["a"],"cc":[` + strings.Repeat(`"a",`, 100) + `"a"]}`: "cc",
		`{"attachments":[` + strings.Repeat(`{"content":""},`, maxAttachments) + `{"content":""}]}`: "attachments",
	} {
		p := r.code(r.do("POST", "/v1/messages", body, asJSON), 400, "bad-request")
		if p.Member != member {
			t.Errorf("%.80s: member %q, want %q (%s)", body, p.Member, member, p.Detail)
		}
	}
	r.ok(r.do("POST", "/v1/messages", " {\t\"to\" : [ \"bob@b.example\" ] ,\r\n\"request_delivery_notice\":false,\"subject\":\"\\u00e9\\ud83d\\ude00\\/\"}\n", asJSON), 202)
	if !strings.Contains(r.house.sent[0].body, "Subject: =?utf-8?q?") {
		t.Error(r.house.sent[0].body)
	}
}

func TestSendRaw(t *testing.T) {
	r := newRig(t, &house{})
	raw := "From: Alice <alice@a.example>\r\nTo: bob@b.example\r\nBcc: carl@b.example\r\nSubject: x\r\n\r\nbody"
	r.ok(r.do("POST", "/v1/messages", raw, "Content-Type: Message/RFC822; charset=x"), 202)
	r.ok(r.do("POST", "/v1/messages?to=dora%40b.example&to=dora%40b.example&from=alice%40a.example", raw+"\r\n", asMail), 202)
	for i, want := range []string{"[bob@b.example carl@b.example]", "[dora@b.example]"} {
		if got := r.house.sent[i]; fmt.Sprint(got.To) != want || got.body != raw+"\r\n" {
			t.Errorf("%s: %q", fmt.Sprint(got.To), got.body)
		}
	}
	for body, code := range map[string]string{
		"From: alice@a.example\nTo: bob@b.example\n\nx\n":                                                  "bad-line-ending",
		"From: alice@a.example\r\nTo: bob@b.example\r\n\r\nx\ry\r\n":                                       "bad-line-ending",
		"From: alice@a.example\r\nTo: bob@b.example\r\n\r\n\x00\r\n":                                       "malformed",
		"From: alice@a.example\r\nTo: bob@b.example\r\n\r\n" + strings.Repeat("x", 999):                    "line-too-long",
		"From: alice@a.example, b@a.example\r\nTo: bob@b.example\r\n\r\n":                                  "bad-header",
		"To: bob@b.example\r\n\r\n":                                                                        "bad-header",
		"From: alice@a.example\r\nTo: nobody at all\r\n\r\n":                                               "bad-header",
		"From: alice@a.example\r\n\r\n":                                                                    "bad-header",
		"no header\r\n\r\n":                                                                                "bad-header",
		"From: alice@a.example\r\nTo: " + strings.Repeat("x@b.example,\r\n ", 101) + "y@b.example\r\n\r\n": "",
	} {
		a := r.do("POST", "/v1/messages", body, asMail)
		if code != "" {
			r.code(a, 422, code)
		}
	}
	many := "From: alice@a.example\r\nTo: x@b.example"
	for i := range 100 {
		many += fmt.Sprintf(",\r\n x%d@b.example", i)
	}
	r.code(r.do("POST", "/v1/messages", many+"\r\n\r\n", asMail), 422, "too-many-recipients")
	r.code(r.do("POST", "/v1/messages?to=x", raw, asMail), 400, "bad-request")
	r.code(r.do("POST", "/v1/messages?to=bob@b.example", plainJSON, asJSON), 400, "bad-request")
}

// What is wrong with a message is told by its field or member, and the backend hears of
// it with whom the message is for.
func TestSendNamesTheField(t *testing.T) {
	const from = "From: alice@a.example\r\nTo: bob@b.example\r\n"
	h := &house{}
	r := newRig(t, h)
	for i, row := range []struct{ as, body, code, member, rejected string }{
		{asMail, from + "Subject: " + strings.Repeat("x", 999) + "\r\n\r\n", "line-too-long", "Subject", "[]"},
		{asMail, from + "Subject: \x00\r\n\r\n", "malformed", "Subject", "[]"},
		{asMail, from + "Date: x\n\r\n", "bad-line-ending", "Date", "[]"},
		{asMail, from + "Jane Doe\r\n\r\n", "bad-header", "field 3", "[]"},
		{asMail, "From: alice\r\nTo: bob@b.example\r\n\r\n", "bad-header", "From", "[bob@b.example]"},
		{asMail, from + "Cc: <\r\n\r\n", "bad-header", "Cc", "[bob@b.example]"},
		{asMail, from + "Message-ID: <x@y>\r\nCc: <\r\n\r\n", "bad-header", "Cc", "[bob@b.example]<x@y>"},
		{asMail, from + "Message-ID: <x@y>\r\nMessage-ID: <z@y>\r\nCc: <\r\n\r\n", "bad-header", "Cc", "[bob@b.example]"},
		{asMail, "From: alice@a.example\r\n\r\n", "bad-header", "to", "alice@a.example []"},
		{asJSON, `{"to":["bob@b.example"],"subject":"a\u0000"}`, "bad-header", "subject", "alice@a.example [bob@b.example]"},
		{asJSON, `{"to":["bob@b.example"],"from":"x"}`, "bad-header", "from", "[bob@b.example]"},
		{asJSON, `{"to":["bob@b.example","x"]}`, "bad-header", "to.1", "[]"},
	} {
		p := r.code(r.do("POST", "/v1/messages", row.body, row.as), 422, row.code)
		if p.Member != row.member {
			t.Errorf("%.60q: member %q", row.body, p.Member)
		}
		if len(h.rejected) != i+1 || !strings.HasPrefix(strings.TrimSpace(h.rejected[i]), row.rejected+" ") || !strings.Contains(h.rejected[i], row.code) {
			t.Errorf("%.60q: rejected as %q", row.body, h.rejected)
		}
	}
	r.code(r.do("POST", "/v1/messages", `{"to":["nobody@b.example"]}`, asJSON), 422, "unknown-recipient")
	r.code(r.do("POST", "/v1/messages", `{`, asJSON), 400, "bad-request")
	if len(h.rejected) != 12 {
		t.Errorf("rejected: %q", h.rejected[12:])
	}
}

func TestSendRefuses(t *testing.T) {
	h := &house{}
	r := newRig(t, h, func(o *Options) { o.MessageBytes = 2000 })
	r.code(r.do("POST", "/v1/messages", plainJSON, "Authorization: Bearer only-read", asJSON), 403, "insufficient-scope")
	r.code(r.do("POST", "/v1/messages", `{"from":"bob@a.example","to":["bob@b.example"]}`, asJSON), 403, "sender-not-allowed")
	p := r.code(r.do("POST", "/v1/messages", `{"to":["bob@b.example","nobody@a.example"]}`, asJSON), 422, "unknown-recipient")
	if len(p.Recipients) != 1 || p.Recipients[0].Address != "nobody@a.example" || strings.Contains(fmt.Sprint(p), "secret detail") {
		t.Errorf("%+v", p)
	}
	a := r.do("POST", "/v1/messages", plainJSON, "Content-Type: text/plain")
	r.code(a, 415, "unsupported-media-type")
	if a.Header.Get("Accept-Post") == "" {
		t.Error("it is not said what is taken")
	}
	r.code(r.do("POST", "/v1/messages", plainJSON, asJSON, "Content-Encoding: gzip"), 415, "unsupported-media-type")
	r.code(r.do("POST", "/v1/messages", strings.Repeat("x", 2001), asMail), 413, "too-large")
	chunked := func(body string, fields ...string) answer {
		a, err := r.try("POST", "/v1/messages", io.MultiReader(strings.NewReader(body)), fields...)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	r.code(chunked("From: alice@a.example\r\nTo: bob@b.example\r\n\r\n"+strings.Repeat("x\r\n", 1000), asMail), 413, "too-large")
	r.code(chunked(`{"to":["bob@b.example"],"attachments":[{"content":"`+strings.Repeat("AAAA", 1000)+`"}]}`, asJSON), 413, "too-large")
	large := `{"to":["bob@b.example"],"attachments":[{"content":"` + base64.StdEncoding.EncodeToString(make([]byte, 1500)) + `"}]}`
	r.code(r.do("POST", "/v1/messages", large, asJSON), 413, "too-large") // in base64, with its header
	h.full = reason.New(reason.StorageFull, "the disk /var/lib has 3 bytes")
	a = r.do("POST", "/v1/messages", plainJSON, asJSON)
	r.code(a, 503, "storage-full")
	if a.Header.Get("Retry-After") == "" || strings.Contains(a.body, "/var/lib") {
		t.Errorf("%v %s", a.Header, a.body)
	}
	h.full = io.ErrUnexpectedEOF
	r.code(r.do("POST", "/v1/messages", plainJSON, asJSON), 500, "internal")
	if n := len(h.sent); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

// draft-ietf-httpapi-idempotency-key-header: a request that comes again is answered
// again, another one under its key refused, and one that is under way not begun twice.
func TestIdempotencyKey(t *testing.T) {
	h := &house{block: make(chan struct{})}
	r := newRig(t, h)
	send := func(body, key string) answer {
		return r.do("POST", "/v1/messages", body, asJSON, "Idempotency-Key: "+key)
	}
	first := make(chan answer)
	go func() { first <- send(plainJSON, "k-1") }()
	h.block <- struct{}{} // it is in Send now, or about to be
	h.block = nil
	a := r.ok(<-first, 202)
	again := r.ok(send(plainJSON, `"k-1"`), 202)
	if again.body != a.body || again.Header.Get("Location") != a.Header.Get("Location") || len(h.sent) != 1 {
		t.Errorf("%s, then %s; %d were sent", a.body, again.body, len(h.sent))
	}
	r.code(send(strings.Replace(plainJSON, `"s"`, `"S"`, 1), "k-1"), 422, "key-reused")
	r.code(r.do("POST", "/v1/messages", plainJSON, "Content-Type: application/json; v=2", "Idempotency-Key: k-1"), 422, "key-reused")
	for _, bad := range []string{`"`, `""`, `"a`, "a b", "a,b", "é", strings.Repeat("k", maxKey+1)} {
		a := send(plainJSON, bad)
		r.code(a, 400, "bad-request")
		if !strings.Contains(a.body, "but blanks, commas, quotes and backslashes") {
			t.Errorf("it is not said what a key may have: %s", a.body)
		}
	}
	h.block = make(chan struct{})
	go func() { first <- send(plainJSON, "k-2") }()
	for held := false; !held; { // until the first is on its way
		r.server.mu.Lock()
		held = len(r.server.keys) > 0
		r.server.mu.Unlock()
	}
	b := send(plainJSON, "k-2")
	r.code(b, 409, "key-in-use")
	if b.Header.Get("Retry-After") != "1" {
		t.Error("it is not said when to come again")
	}
	close(h.block)
	r.ok(<-first, 202)
}

// Who names many recipients that are refused waits, and is told nothing of others.
func TestRefusedRecipientsAreRationed(t *testing.T) {
	r := newRig(t, &house{}, func(o *Options) { o.Lookups = 3 })
	const wrong = `{"to":["nobody@b.example","nobody@c.example","nobody@d.example"]}`
	r.ok(r.do("POST", "/v1/messages", plainJSON, asJSON), 202)
	r.code(r.do("POST", "/v1/messages", wrong, asJSON), 422, "unknown-recipient")
	p := r.code(r.do("POST", "/v1/messages", wrong, asJSON), 429, "rate-limited")
	if len(p.Recipients) > 0 {
		t.Errorf("it is told %v", p.Recipients)
	}
	r.code(r.do("POST", "/v1/messages", `{"from":"bob@a.example","to":["nobody@b.example"]}`, asJSON, "Authorization: Bearer other-token"), 422, "unknown-recipient")
}

// base64 is read in pieces of any length.
func TestBase64InPieces(t *testing.T) {
	want := []byte("octets \x00\xff of every kind, and some more")
	encoded := base64.StdEncoding.EncodeToString(want)
	for step := 1; step < 9; step++ {
		var out chunks
		w := &base64Writer{to: &out, left: 1000}
		for i := 0; i < len(encoded); i += step {
			_, err := w.Write([]byte(encoded[i:min(len(encoded), i+step)]))
			if err != nil {
				t.Fatal(err)
			}
		}
		got, err := io.ReadAll(&out)
		if err != nil || w.end() != nil || !bytes.Equal(got, want) {
			t.Errorf("steps of %d: %q, %v", step, got, err)
		}
	}
}
