package httpedge

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/mime"
)

const letterRecord = "From: Bob <bob@b.example>\r\nTo: alice@a.example\r\nSubject: =?utf-8?q?f=C3=BCr_Sie?=\r\nMessage-ID: <1@b.example>\r\nDate: Mon, 01 Jun 2026 12:00:00 +0000\r\n" +
	"In-Reply-To: <0@a.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
	"--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=FC=DFe\r\n" +
	"--b\r\nContent-Type: text/html\r\n\r\n<script>alert(1)</script>\r\n" +
	"--b\r\nContent-Type: text/html; name=\"=?utf-8?q?..=2F..=2Fe=0D=0Avil=2Ehtml?=\"\r\nContent-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nAAH/\r\n" +
	"--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--\r\n"

func received(body string) *house {
	at := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	return &house{inbox: []held{
		{Received{ID: "1-1", At: at, Size: int64(len(body))}, body}, {Received{ID: "1-2", At: at, Size: 3, Acknowledged: true}, "a: b\r\n"}, {Received{ID: "1-3", At: at, Size: 3}, "x\r\n"},
	}}
}

func TestListMessages(t *testing.T) {
	r := newRig(t, received(letterRecord))
	for query, want := range map[string]string{
		"":                   "1-1 1-3 | 1-3 false",
		"?all=true":          "1-1 1-2 1-3 | 1-3 false",
		"?all=true&limit=1":  "1-1 | 1-1 true",
		"?after=1-1":         "1-3 | 1-3 false",
		"?after=1-3":         "| 1-3 false",
		"?after=1-3&wait=0":  "| 1-3 false",
		"?limit=1&after=1-2": "1-3 | 1-3 false",
	} {
		var l messageList
		err := json.Unmarshal([]byte(r.ok(r.do("GET", "/v1/messages"+query, ""), 200).body), &l)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, m := range l.Messages {
			got += m.ID + " "
		}
		got += "| " + l.Next
		if l.More {
			got += " true"
		} else {
			got += " false"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	// Another account's messages are not there.
	const other = "Authorization: Bearer other-token"
	for _, path := range []string{"", "/raw", "/parts/1"} {
		r.code(r.do("GET", "/v1/messages/1-1"+path, "", other), 404, "not-found")
	}
	r.code(r.do("DELETE", "/v1/messages/1-1", "", other), 404, "not-found")
	r.code(r.do("PUT", "/v1/messages/1-1/ack", "", other), 404, "not-found")
}

// However many messages were acknowledged, a new one behind them is found.
func TestListPassesOverWhatWasAcknowledged(t *testing.T) {
	h := received(letterRecord)
	h.blank = 5
	r := newRig(t, h)
	a := r.ok(r.do("GET", "/v1/messages?wait=60", ""), 200)
	if !strings.Contains(a.body, `"1-3"`) {
		t.Error(a.body)
	}
}

// A list waits for what comes, and answers as soon as it is there.
func TestListWaits(t *testing.T) {
	h := &house{changed: make(chan struct{})}
	r := newRig(t, h)
	got := make(chan answer)
	go func() { got <- r.do("GET", "/v1/messages?wait=60", "") }()
	h.changed <- struct{}{}
	h.mu.Lock()
	h.inbox = received(letterRecord).inbox
	h.mu.Unlock()
	select { // it may have looked already
	case h.changed <- struct{}{}:
		r.ok(<-got, 200)
	case a := <-got:
		if !strings.Contains(a.body, `"1-1"`) {
			t.Error(a.body)
		}
	}
	begun := time.Now()
	r.ok(r.do("GET", "/v1/messages?after=1-3&wait=1", ""), 200)
	if time.Since(begun) < time.Second {
		t.Error("it did not wait")
	}
}

func TestReadMessage(t *testing.T) {
	r := newRig(t, received(letterRecord))
	var got letterShown
	err := json.Unmarshal([]byte(r.ok(r.do("GET", "/v1/messages/1-1", ""), 200).body), &got)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(got.Fields); n != 8 || got.Fields[2].Value != "für Sie" {
		t.Errorf("%+v", got.Fields)
	}
	got.Fields, got.listed = nil, listed{}
	want := letterShown{
		MessageID: "<1@b.example>", From: []string{"bob@b.example"}, To: []string{"alice@a.example"}, Cc: []string{}, Subject: "für Sie",
		Date: "2026-06-01T12:00:00Z", InReplyTo: []string{"<0@a.example>"}, Text: "Grüße", HTML: "<script>alert(1)</script>", Cut: true, // nobody says that these are one
		Parts: []partShown{
			{Part: 1, Type: "text/plain", Charset: "iso-8859-1", Size: 9}, {Part: 2, Type: "text/html", Size: 25},
			{Part: 3, Type: "text/html", Name: "evil.html", Attachment: true, Size: 4}, {Part: 4, Type: "application/pdf", Attachment: true, Size: 4},
		},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(letterShown{})); diff != "" {
		t.Error(diff)
	}
	a := r.ok(r.do("GET", "/v1/messages/1-1/raw", ""), 200)
	if a.body != letterRecord || a.Header.Get("Content-Disposition") == "" {
		t.Error("the raw message is another one")
	}
	if diff := cmp.Diff([]string{"1-1"}, r.house.took); diff != "" {
		t.Error(diff)
	}
	a = r.ok(r.do("GET", "/v1/messages/1-1/parts/3", ""), 200)
	if a.body != "\x00\x01\xff" || a.Header.Get("Content-Type") != "text/html" || a.Header.Get("Content-Disposition") != "attachment; filename=evil.html" {
		t.Errorf("%q %v", a.body, a.Header)
	}
	r.code(r.do("GET", "/v1/messages/1-1/parts/4", ""), 422, "malformed")
	r.code(r.do("GET", "/v1/messages/1-1/parts/5", ""), 404, "not-found")
	r.ok(r.do("GET", "/v1/messages/1-3", ""), 200) // no message at all
}

// HEAD says of a message what GET would, and reads nothing of it.
func TestHeadReadsNothing(t *testing.T) {
	r := newRig(t, received(letterRecord))
	for _, path := range []string{"/v1/messages/1-1", "/v1/messages/1-1/raw", "/v1/messages/1-1/parts/3"} {
		head := r.ok(r.do("HEAD", path, ""), 200)
		if len(r.house.opened) > 0 || len(r.house.took) > 0 || head.body != "" {
			t.Errorf("HEAD of %s: %v is opened, %v taken, %q", path, r.house.opened, r.house.took, head.body)
		}
		get := r.ok(r.do("GET", path, ""), 200)
		for _, name := range []string{"Content-Type", "Content-Disposition"} {
			if head.Header.Get(name) != get.Header.Get(name) {
				t.Errorf("HEAD of %s has %s: %s", path, name, head.Header.Get(name))
			}
		}
		if len(r.house.opened) != 1 {
			t.Errorf("GET of %s: %v is opened", path, r.house.opened)
		}
		r.house.opened, r.house.took = nil, nil
	}
	r.ok(r.do("HEAD", "/v1/messages/1-1", "", "Authorization: Bearer other-token"), 404)
}

// The texts of a message are shown one behind the other, and where one of two forms may
// say something else than the other it is said that there is more.
func TestReadTextsInTwoForms(t *testing.T) {
	const plain, html, pdf = "Content-Type: text/plain\r\n\r\n", "Content-Type: text/html\r\n\r\n", "Content-Type: application/pdf\r\n\r\nx"
	multi := func(kind, boundary string) func(...string) string {
		return func(parts ...string) string {
			b := "\r\n--" + boundary
			return "Content-Type: multipart/" + kind + "; boundary=" + boundary + "\r\n" + b + "\r\n" + strings.Join(parts, b+"\r\n") + b + "--\r\n"
		}
	}
	mixed, either, other, related := multi("mixed", "b"), multi("alternative", "c"), multi("alternative", "d"), multi("related", "e")
	r := newRig(t, &house{inbox: []held{{Received{ID: "1-1"}, ""}}})
	for _, tt := range []struct {
		body, text, html string
		cut              bool
	}{
		{mixed(plain+"stop warfarin.", pdf, plain+"and start heparin."), "stop warfarin.\r\nand start heparin.", "", false},
		{mixed(plain+"one\r\n", plain, plain+"two"), "one\r\ntwo", "", false},
		{mixed(plain+"stop warfarin.", html+"<p>start heparin.</p>"), "stop warfarin.", "<p>start heparin.</p>", true},
		{mixed(plain+"stop warfarin.", pdf, html+"<p>start heparin.</p>"), "stop warfarin.", "<p>start heparin.</p>", true},
		{either(plain+"one", html+"<p>one</p>"), "one", "<p>one</p>", false},
		{mixed(either(plain+"one", related(html+"<p>one</p>", pdf)), pdf), "one", "<p>one</p>", false},
		{mixed(either(plain+"one", html+"<p>one</p>"), pdf, plain+"\r\n"), "one\r\n\r\n", "<p>one</p>", false},
		{mixed(either(plain+"one", html+"<p>one</p>"), plain+"two"), "one\r\ntwo", "<p>one</p>", true},
		{mixed(either(plain+"one", html+"<p>one</p>"), html+"two"), "one", "<p>one</p>\r\ntwo", true},
		{mixed(either(plain+"one", html+"<p>one</p>"), other(plain+"two", html+"<p>two</p>")), "one\r\ntwo", "<p>one</p>\r\n<p>two</p>", false},
		{mixed(either(plain+"one"), other(html+"<p>two</p>")), "one", "<p>two</p>", true},
		{either(plain+"one", mixed(html+"<p>one</p>", pdf, html+"<p>two</p>")), "one", "<p>one</p>\r\n<p>two</p>", false},
		{either(plain+"one", mixed(html+"<p>one</p>", plain+"two")), "one\r\ntwo", "<p>one</p>", true},
		{mixed(plain+"one", html+"<p>one</p>", pdf, plain+"two"), "one\r\ntwo", "<p>one</p>", true},
		{mixed(plain+strings.Repeat("x", maxShownText), pdf, plain+"two"), strings.Repeat("x", maxShownText), "", true},
	} {
		r.house.inbox[0].body = tt.body
		var got letterShown
		err := json.Unmarshal([]byte(r.ok(r.do("GET", "/v1/messages/1-1", ""), 200).body), &got)
		if err != nil || got.Text != tt.text || got.HTML != tt.html || got.Cut != tt.cut {
			t.Errorf("%.40q, %.40q, cut %v, %v; want %.40q, %.40q, %v", got.Text, got.HTML, got.Cut, err, tt.text, tt.html, tt.cut)
		}
	}
}

// What an encoded word holds ends no line of whoever writes a field on.
func TestReadFieldsAreOfOneLine(t *testing.T) {
	r := newRig(t, received("Subject: =?utf-8?q?a=0D=0AInjected:_x=0C=E2=80=A8y?=\r\nX-Other: =?utf-8?q?b=0Ac?=\r\n\r\n"))
	var got letterShown
	err := json.Unmarshal([]byte(r.ok(r.do("GET", "/v1/messages/1-1", ""), 200).body), &got)
	if err != nil || got.Subject != "a  Injected: x  y" || got.Fields[0].Value != got.Subject || got.Fields[1].Value != "b c" {
		t.Errorf("%+v, %v", got, err)
	}
}

// Whatever a stranger wrote, what is shown of it is bounded.
func TestReadIsBounded(t *testing.T) {
	bad := strings.Repeat("\x01", 8000)
	part := "--b\r\nContent-Type: application/x; charset=\"" + bad + "\"; name=\"" + bad + "\"\r\nContent-ID: " + bad + "\r\n\r\nx\r\n"
	head := "Subject: x\r\n" + strings.Repeat("X: "+strings.Repeat("\x01", 1200)+"\r\n", 150) + "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	r := newRig(t, &house{inbox: []held{{Received{ID: "1-1"}, ""}}})
	for name, tt := range map[string]struct {
		body   string
		status int
	}{
		"many large parts":   {head + strings.Repeat(part, 995) + "--b--\r\n", 422},
		"some large parts":   {head + strings.Repeat(part, 40) + "--b--\r\n", 200},
		"control characters": {head + "--b\r\n\r\n" + strings.Repeat("\x01", 2<<20) + "\r\n--b\r\nContent-Type: text/html\r\n\r\n" + strings.Repeat("\\", 2<<20), 200},
	} {
		r.house.inbox[0].body = tt.body
		a := r.ok(r.do("GET", "/v1/messages/1-1", ""), tt.status)
		if len(a.body) > 2*(2*maxShownText+maxShownRest) {
			t.Errorf("%s: %d octets are shown", name, len(a.body))
		}
		if tt.status == 200 && !strings.Contains(a.body, `"cut":true`) {
			t.Errorf("%s: it is not cut", name)
		}
	}
}

// That a message was read is noted although its client has closed behind the last octet.
func TestReadIsNotedWhenTheClientCloses(t *testing.T) {
	r := newRig(t, received(letterRecord))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w := &leaving{httptest.NewRecorder(), cancel}
	q := &request{Request: httptest.NewRequest("GET", "/v1/messages/1-1/raw", nil).WithContext(ctx), values: map[string]string{"id": "1-1"}, login: tokens()[goodToken]}
	err := r.server.rawMessage(w, q)
	if err != nil || w.Body.String() != letterRecord {
		t.Errorf("%q, %v", w.Body, err)
	}
	if diff := cmp.Diff([]string{"1-1"}, r.house.took); diff != "" {
		t.Error(diff)
	}
}

// Leaving is a client that goes when it has what was written.
type leaving struct {
	*httptest.ResponseRecorder
	leave func()
}

func (l *leaving) Write(p []byte) (int, error) {
	defer l.leave()
	return l.ResponseRecorder.Write(p)
}

// Texts are shown in UTF-8, from whatever they were written in; one that cannot be is
// left to its part.
func TestReadCharsets(t *testing.T) {
	r := newRig(t, &house{inbox: []held{{Received{ID: "1-1"}, ""}}})
	for _, tt := range []struct {
		charset, body, want string
		cut                 bool
	}{
		{"koi8-r", "\xf0\xd2\xc9", "При", false},
		{"iso-2022-jp", "\x1b$BF|K\\\x1b(B", "日本", false},
		{"\"windows-1252\"", "\x80", "€", false},
		{"utf-16be", strings.Repeat("\x65\xe5", maxShownText/2), strings.Repeat("日", maxShownText/3), true},
		{"utf-7", "+AOk-", "", true},
	} {
		r.house.inbox[0].body = "Subject: =?koi8-r?q?=F0=D2=C9?=\r\nContent-Type: text/plain; charset=" + tt.charset + "\r\n\r\n" + tt.body
		var got letterShown
		err := json.Unmarshal([]byte(r.ok(r.do("GET", "/v1/messages/1-1", ""), 200).body), &got)
		if err != nil || got.Text != tt.want || got.Cut != tt.cut || got.Subject != "При" {
			t.Errorf("%s: %.40q of %d octets, cut %v, %q, %v", tt.charset, got.Text, len(got.Text), got.Cut, got.Subject, err)
		}
	}
}

// No name of a part is a folder.
func TestReadNamesOfDots(t *testing.T) {
	for in, want := range map[string]string{"..": "", "a/..": "", ".": "", ".. ": "", " . .": "", ".profile": ".profile", "a..b": "a..b"} {
		_, leaves, err := mime.Outline(strings.NewReader("Content-Type: application/pdf; name=\""+in+"\"\r\n\r\n"), mime.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got := fileName(leaves[0]); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

// What is large is cut for JSON, and whole elsewhere; what has too many parts is not
// taken apart.
func TestReadLargeMessages(t *testing.T) {
	body := "Subject: x\r\n\r\n" + strings.Repeat("ü\r\n", 400_000)
	r := newRig(t, received(body))
	var got letterShown
	err := json.Unmarshal([]byte(r.ok(r.do("GET", "/v1/messages/1-1", ""), 200).body), &got)
	if err != nil || !got.Cut || len(got.Text) > maxShownText || len(got.Text) < maxShownText-4 || strings.Contains(got.Text, "\uFFFD") {
		t.Errorf("%v, cut %v, %d octets", err, got.Cut, len(got.Text))
	}
	if a := r.ok(r.do("GET", "/v1/messages/1-1/parts/1", ""), 200); len(a.body) != len(body)-len("Subject: x\r\n\r\n") {
		t.Errorf("the part has %d octets", len(a.body))
	}
	bomb := "Content-Type: multipart/mixed; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\n\r\n", 20_000)
	r.house.inbox[0].body = bomb
	r.code(r.do("GET", "/v1/messages/1-1", ""), 422, "malformed")
	if a := r.ok(r.do("GET", "/v1/messages/1-1/raw", ""), 200); a.body != bomb {
		t.Error("the raw message is another one")
	}
}

func TestAcknowledgeAndRemove(t *testing.T) {
	r := newRig(t, received(letterRecord))
	r.ok(r.do("PUT", "/v1/messages/1-1/ack", ""), 204)
	if strings.Contains(r.ok(r.do("GET", "/v1/messages", ""), 200).body, `"1-1"`) {
		t.Error("it is listed still")
	}
	r.ok(r.do("DELETE", "/v1/messages/1-1/ack", ""), 204)
	if !strings.Contains(r.ok(r.do("GET", "/v1/messages", ""), 200).body, `"1-1"`) {
		t.Error("it is not listed again")
	}
	r.ok(r.do("DELETE", "/v1/messages/1-1", ""), 204)
	r.code(r.do("DELETE", "/v1/messages/1-1", ""), 404, "not-found")
	r.code(r.do("PUT", "/v1/messages/1-1/ack", ""), 404, "not-found")
}

func TestSentMessages(t *testing.T) {
	r := newRig(t, &house{})
	r.ok(r.do("POST", "/v1/messages", plainJSON, asJSON), 202)
	id := r.house.sent[0].ID
	for _, path := range []string{"/v1/sent/" + id, "/v1/sent/%3Cm@a.example%3E", "/v1/sent?state=failed&to=bob@b.example&since=2026-01-01T00:00:00Z"} {
		a := r.ok(r.do("GET", path, ""), 200)
		for _, want := range []string{`"state":"failed"`, `"code":"peer-refused"`, `"said":"550 no"`, `"detail":"the recipient's server refused the message"`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: no %s in %s", path, want, a.body)
			}
		}
	}
	r.code(r.do("GET", "/v1/sent/"+id, "", "Authorization: Bearer other-token"), 404, "not-found")
	r.code(r.do("GET", "/v1/sent/"+id, "", "Authorization: Bearer only-read"), 403, "insufficient-scope")
}

func TestLookup(t *testing.T) {
	r := newRig(t, &house{}, func(o *Options) { o.Lookups = 3 })
	for address, want := range map[string]string{
		"x@b.example":    `"can_send":true,"retry":false,"code":"ok"`,
		"x@x.example":    `"can_send":false,"retry":false,"code":"no-certificate"`,
		"x@slow.example": `"can_send":false,"retry":true,"code":"discovery-timeout"`,
	} {
		a := r.ok(r.do("GET", "/v1/lookup?address="+address, ""), 200)
		if !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", address, a.body)
		}
	}
	r.code(r.do("GET", "/v1/lookup?address=x@b.example", ""), 429, "rate-limited")
	r.ok(r.do("GET", "/v1/lookup?address=x@b.example", "", "Authorization: Bearer other-token"), 200)
}

func TestHooks(t *testing.T) {
	r := newRig(t, &house{})
	const order = `{"url":"https://h.example/x","events":["arrived"]}`
	p := r.code(r.do("POST", "/v1/hooks", `{"url":"http://h.example/x","events":["arrived"]}`, asJSON), 422, "invalid")
	if p.Member != "url" {
		t.Errorf("%+v", p)
	}
	r.code(r.do("POST", "/v1/hooks", order, "Content-Type: text/plain"), 415, "unsupported-media-type")
	r.code(r.do("POST", "/v1/hooks", `{"url":"https://h.example/x","events":["arrived"],"secret":"x"}`, asJSON), 400, "bad-request")
	r.code(r.do("POST", "/v1/hooks", `{"url":"`+strings.Repeat("x", maxHookBody)+`"}`, asJSON), 413, "too-large")
	a := r.ok(r.do("POST", "/v1/hooks", order, asJSON), 201)
	if a.Header.Get("Location") != "/v1/hooks/h1" || !strings.Contains(a.body, "whsec_x") {
		t.Errorf("%v %s", a.Header, a.body)
	}
	r.code(r.do("POST", "/v1/hooks", order, asJSON), 409, "limit-reached")
	for _, path := range []string{"/v1/hooks", "/v1/hooks/h1"} {
		if a := r.ok(r.do("GET", path, ""), 200); strings.Contains(a.body, "whsec_x") || !strings.Contains(a.body, `"status":204`) {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	r.ok(r.do("POST", "/v1/hooks/h1/secret", ""), 200)
	r.ok(r.do("POST", "/v1/hooks/h1/enable", ""), 204)
	r.ok(r.do("DELETE", "/v1/hooks/h1", ""), 204)
	for _, path := range []string{"/v1/hooks/h1/secret", "/v1/hooks/h1/enable"} {
		r.code(r.do("POST", path, ""), 404, "not-found")
	}
	r.code(r.do("DELETE", "/v1/hooks/h1", ""), 404, "not-found")
}

// A body that cannot be read any more breaks an answer off, rather than end it as if it
// were whole.
func TestBrokenOffAnswer(t *testing.T) {
	h := received("Content-Transfer-Encoding: base64\r\n\r\n" + strings.Repeat("AAAA", 100_000) + "!")
	r := newRig(t, h)
	_, err := r.try("GET", "/v1/messages/1-1/parts/1", bytes.NewReader(nil))
	if err == nil {
		t.Error("a broken part came whole")
	}
}
