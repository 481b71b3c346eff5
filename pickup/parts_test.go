package pickup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet/effort"
)

type memBody struct{ *bytes.Reader }

// all are the octets of the body.
func (m memBody) all() []byte {
	b, _ := io.ReadAll(io.NewSectionReader(m, 0, m.Size()))
	return b
}

func bodyOf(raw string) memBody { return memBody{bytes.NewReader([]byte(raw))} }

func messageOf(raw string) *message {
	return &message{ctx: context.Background(), body: bodyOf(raw), last: new(parsedBody)}
}

// outline writes the parts of a message, to compare.
func outline(raw string, p *part, at string) []string {
	out := []string{fmt.Sprintf("%s %s %q %d", at, p.media.Type, raw[p.body:p.end], p.lines)}
	for i, c := range p.children {
		out = append(out, outline(raw, c, fmt.Sprintf("%s.%d", at, i+1))...)
	}
	if p.message != nil {
		out = append(out, outline(raw, p.message, at+".m")...)
	}
	return out
}

func TestScanParts(t *testing.T) {
	const mixed = "Content-Type: multipart/mixed; boundary=b\n"
	for name, tc := range map[string]struct {
		raw  string
		want []string
	}{
		"plain":     {"A: b\r\n\r\nx\r\ny", []string{`0 text/plain "x\r\ny" 1`}},
		"empty":     {"", []string{`0 text/plain "" 0`}},
		"no header": {"\n--b\n", []string{`0 text/plain "--b\n" 1`}},
		"two": {mixed + "\n--b\n\none\n--b \t\nA: b\n\ntwo\n\n--b--\nend\n--b\nno\n", []string{
			`0 multipart/mixed "--b\n\none\n--b \t\nA: b\n\ntwo\n\n--b--\nend\n--b\nno\n" 12`,
			`0.1 text/plain "one" 0`, `0.2 text/plain "two\n" 1`}},
		"no end": {mixed + "\n--b\n\none", []string{`0 multipart/mixed "--b\n\none" 2`, `0.1 text/plain "one" 0`}},
		"empty parts": {mixed + "\n--b\n--b\n\n--b--", []string{`0 multipart/mixed "--b\n--b\n\n--b--" 3`,
			`0.1 text/plain "" 0`, `0.2 text/plain "" 0`}},
		"header without end": {mixed + "\n--b\nA: b\n--b--\n", []string{`0 multipart/mixed "--b\nA: b\n--b--\n" 3`, `0.1 text/plain "" 0`}},
		"outer ends inner": {mixed + "\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\nin\n--b--\n", []string{
			`0 multipart/mixed "--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\nin\n--b--\n" 7`,
			`0.1 multipart/x "--c\n\nin" 2`, `0.1.1 text/plain "in" 0`}},
		"prefix is no delimiter": {mixed + "\n--b\n\n--bb\n--b-\n--b--\n", []string{
			`0 multipart/mixed "--b\n\n--bb\n--b-\n--b--\n" 5`, `0.1 text/plain "--bb\n--b-" 1`}},
		"message": {"Content-Type: message/rfc822\n\n" + mixed + "\n--b\n\nx\n--b--\n", []string{
			`0 message/rfc822 "` + strings.ReplaceAll(mixed, "\n", `\n`) + `\n--b\n\nx\n--b--\n" 6`,
			`0.m multipart/mixed "--b\n\nx\n--b--\n" 4`, `0.m.1 text/plain "x" 0`}},
		"encoded message is closed": {"Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n", []string{
			`0 message/rfc822 "QQ==\n" 1`}},
	} {
		root, err := scanParts(context.Background(), bodyOf(tc.raw), int64(len(tc.raw)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(tc.want, outline(tc.raw, root, "0")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A nest of 5,000 levels, of either kind, is shown down to a bounded depth.
func TestDeepNestsAreBounded(t *testing.T) {
	var multi, message strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&multi, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i)
		message.WriteString("Content-Type: message/rfc822\r\n\r\n")
	}
	for name, raw := range map[string]string{"multipart": multi.String(), "message": message.String()} {
		m := messageOf(raw)
		root, err := m.structure()
		if err != nil {
			t.Fatal(err)
		}
		bs, err := m.bodyStructure(root)
		if err != nil {
			t.Fatal(err)
		}
		depth := 0
		bs.Walk(func(path []int, _ imap.BodyStructure) bool {
			depth = max(depth, len(path))
			return true
		})
		if depth > maxDepth+1 {
			t.Errorf("%s: depth %d", name, depth)
		}
		path := make([]int, 60)
		for i := range path {
			path[i] = 1
		}
		_, err = m.section(&imap.FetchItemBodySection{Part: path})
		if err != nil {
			t.Error(err)
		}
	}
}

// A flood of lines that look like delimiters, parts and header fields takes memory that
// does not grow with it, and comparisons that grow as it does.
func TestFloodsAreLinear(t *testing.T) {
	var nest strings.Builder
	for i := range maxDepth {
		fmt.Fprintf(&nest, "Content-Type: multipart/mixed; boundary=%s%d\r\n\r\n--%s%d\r\n", strings.Repeat("x", 60), i, strings.Repeat("x", 60), i)
	}
	for name, flood := range map[string]func(n int) string{
		"dashes": func(n int) string { return nest.String() + "\r\n" + strings.Repeat("--\n", n) },
		"parts": func(n int) string {
			return "Content-Type: multipart/mixed; boundary=b\n\n" + strings.Repeat("--b\n\n", n)
		},
		"fields": func(n int) string { return strings.Repeat("a: b\n", n) },
		"header": func(n int) string { return "Content-Type: text/plain; " + strings.Repeat("a=b;", n) },
		"folds":  func(n int) string { return "Subject: x\n" + strings.Repeat(" x\n", n) },
		"quotes": func(n int) string { return "From: " + strings.Repeat(`"\`, n) },
	} {
		cost := func(n int) (allocated, compared int) {
			m := messageOf(flood(n))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s := newScanner()
			s.Write(m.body.(memBody).all())
			root := s.finish()
			*m.last = parsedBody{root: root}
			_, err := m.bodyStructure(root)
			if err != nil {
				t.Fatal(err)
			}
			h, err := m.topHeader()
			if err != nil {
				t.Fatal(err)
			}
			envelope(h)
			runtime.ReadMemStats(&after)
			if len(root.children) > maxParts {
				t.Errorf("%s: %d parts", name, len(root.children))
			}
			return int(after.TotalAlloc - before.TotalAlloc), s.compared
		}
		const n = 1 << 18
		_, compared := cost(n)
		allocated, twice := cost(2 * n)
		if allocated > 32<<20 {
			t.Errorf("%s: %d octets were allocated", name, allocated)
		}
		if twice > 2*compared+1000 || twice > 2*n*(maxDepth+1) {
			t.Errorf("%s: %d comparisons, and %d of twice as much", name, compared, twice)
		}
	}
}

func TestParseAddresses(t *testing.T) {
	a := func(name, local, host string) imap.Address {
		return imap.Address{Name: name, Mailbox: local, Host: host}
	}
	for in, want := range map[string][]imap.Address{
		"":                               nil,
		"a@b.c":                          {a("", "a", "b.c")},
		"A  B <a@b.c>, d@e.f":            {a("A B", "a", "b.c"), a("", "d", "e.f")},
		`"A, \"B\"" <a@b.c>`:             {a(`A, "B"`, "a", "b.c")},
		"=?utf-8?q?=C3=84?= <a@b.c>":     {a("=?utf-8?q?=C3=84?=", "a", "b.c")},
		"a@b.c (Ann (really))":           {a("Ann (really)", "a", "b.c")},
		"Team: a@b.c, d@e.f;, g@h.i":     {a("", "Team", ""), a("", "a", "b.c"), a("", "d", "e.f"), a("", "", ""), a("", "g", "h.i")},
		"undisclosed-recipients:;":       {a("", "undisclosed-recipients", ""), a("", "", "")},
		"Team: a@b.c":                    {a("", "Team", ""), a("", "a", "b.c"), a("", "", "")},
		"<@x,@y:a@b.c>":                  {a("", "a", "b.c")},
		"nonsense, <>, a@, @b, x <a@b.c": {a("x", "a", "b.c")},
		`"odd @local"@b.c`:               {a("", "odd @local", "b.c")},
		"((((":                           nil,
		`"unfinished`:                    nil,
		strings.Repeat("a@b.c,", 2000):   slicesRepeat(a("", "a", "b.c"), maxAddresses),
	} {
		if diff := cmp.Diff(want, parseAddresses(in)); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", in, diff)
		}
	}
}

func slicesRepeat(a imap.Address, n int) []imap.Address {
	out := make([]imap.Address, n)
	for i := range out {
		out[i] = a
	}
	return out
}

func TestMatches(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a/b", true}, {"%", "a/b", false}, {"%", "a", true}, {"%/%", "a/b", true},
		{"a*", "a/b/c", true}, {"a%", "a/b", false}, {"*b", "a/b", true}, {"a", "a", true},
		{"a", "ab", false}, {"", "", true}, {"", "a", false}, {"%%**", "a/b", true}, {"a/%", "a/b/c", false},
		{"*/c", "a/b/c", true}, {"a*c*e", "abcde", true}, {"a*c*e", "abcd", false},
	} {
		if got := matches(tc.pattern, tc.name); got != tc.want {
			t.Errorf("matches(%q, %q) = %v", tc.pattern, tc.name, got)
		}
	}
	spent := effort.Since()
	matches(strings.Repeat("*a", 250), strings.Repeat("a", 254)+"b")
	if d := spent(); d > 5*time.Second {
		t.Errorf("many wildcards take %v", d)
	}
}

func TestSectionsOfHeaders(t *testing.T) {
	m := messageOf("A: 1\r\n folded\r\njunk\r\nB : 2\r\nA: 3\r\n\r\nbody")
	for _, tc := range []struct {
		item imap.FetchItemBodySection
		want string
	}{
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"a"}}, "A: 1\r\n folded\r\nA: 3\r\n\r\n"},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"b"}}, "B : 2\r\n\r\n"},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"c"}}, "\r\n"},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFieldsNot: []string{"a"}}, "junk\r\nB : 2\r\n\r\n"},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"b"},
			Partial: &imap.SectionPartial{Offset: 4, Size: 1}}, "2"},
		{imap.FetchItemBodySection{Specifier: imap.PartSpecifierText, Partial: &imap.SectionPartial{Offset: 1, Size: 1 << 62}}, "ody"},
	} {
		sec, err := m.section(&tc.item)
		if err != nil {
			t.Fatal(err)
		}
		r, size, err := m.open(sec)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || int64(len(got)) != size || string(got) != tc.want {
			t.Errorf("%+v: %q (size %d), want %q, %v", tc.item, got, size, tc.want, err)
		}
	}
}

func FuzzStructure(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\nbody"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\nContent-Type: message/rfc822\n\nA: b\n\n--b--\n"))
	f.Add([]byte("From: \"a\\\" <b@c>, g: d@e;\nDate: Mon, 2 Jan 2006 15:04:05 +0000\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		m := messageOf(string(raw))
		root, err := m.structure()
		if err != nil {
			t.Fatal(err)
		}
		checkPart(t, root, 0, int64(len(raw)))
		bs, err := m.bodyStructure(root)
		if err != nil {
			t.Fatal(err)
		}
		h, err := m.topHeader()
		if err != nil {
			t.Fatal(err)
		}
		sameByOutline(t, raw, bs, envelope(h))
		head, err := m.header()
		if err != nil || !bytes.HasPrefix(raw, head) {
			t.Fatalf("header %q, %v", head, err)
		}
		for _, path := range [][]int{{1}, {2}, {1, 1}} {
			sec, err := m.section(&imap.FetchItemBodySection{Part: path, Partial: &imap.SectionPartial{Offset: 1, Size: 2}})
			if err != nil || sec.from > sec.to || sec.to > int64(len(raw)) {
				t.Fatalf("section %v: %+v, %v", path, sec, err)
			}
		}
	})
}

func checkPart(t *testing.T, p *part, from, to int64) {
	if p.header < from || p.body < p.header || p.end < p.body || p.end > to || p.lines < 0 {
		t.Fatalf("part %d %d %d (%d lines) in %d..%d", p.header, p.body, p.end, p.lines, from, to)
	}
	for _, c := range p.children {
		checkPart(t, c, p.body, to)
	}
	if p.message != nil {
		checkPart(t, p.message, p.body, to)
	}
}
