package discovery_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// The steps of a search tell what was asked, what came of it, and why the search
// went on or ended there (CD-40 to CD-43).
func TestCD43_StepsTellTheStory(t *testing.T) {
	ca := newAuthority(t)
	const (
		domainNext  = "the domain's certificate is next"
		dirsNext    = "the domain's directories are next"
		nothingNext = "nowhere is left to look"
		taken       = "taken: the search ends here"
		unusable    = "unreadable: an unusable certificate ends the search (CD-41)"
	)
	for _, c := range []struct {
		name string
		set  func(t *testing.T, w *world)
		addr string
		code reason.Code
		want [][2]string // answer and then
	}{
		{"D1 address", func(t *testing.T, w *world) { w.cert(t, "alice.b.example", 1, ca.leaf("alice").Raw) }, alice, reason.OK,
			[][2]string{{"found", taken}}},
		{"D2 domain", func(t *testing.T, w *world) { w.cert(t, "b.example", 1, ca.leaf("domain").Raw) }, alice, reason.OK,
			[][2]string{{"no-such-name", "nothing here: " + domainNext}, {"found", taken}}},
		{"D5 garbage at the address", func(t *testing.T, w *world) {
			w.cert(t, "alice.b.example", 1, []byte("garbage"))
			w.cert(t, "b.example", 1, ca.leaf("domain").Raw)
		}, alice, reason.NoCertificate, [][2]string{{"found", unusable}}},
		{"records of other kinds", func(t *testing.T, w *world) {
			w.cert(t, "alice.b.example", 3, []byte("PGP"))
			w.cert(t, "b.example", 1, ca.leaf("domain").Raw)
		}, alice, reason.OK, [][2]string{{"found", "nothing here: " + domainNext}, {"found", taken}}},
		{"no name in DNS", func(t *testing.T, w *world) { w.cert(t, "b.example", 1, ca.leaf("domain").Raw) }, `"a b"@b.example`, reason.OK,
			[][2]string{{"not-asked", domainNext}, {"found", taken}}},
		{"CD-9 a failure", func(t *testing.T, w *world) {
			w.fail("alice.b.example. CERT", dns.RcodeServerFailure)
			w.cert(t, "b.example", 1, ca.leaf("domain").Raw)
		}, alice, reason.OK, [][2]string{{"servfail", "failed: " + domainNext}, {"found", taken}}},
		{"D11 nothing", func(*testing.T, *world) {}, alice, reason.NoCertificate,
			[][2]string{{"no-such-name", "nothing here: " + domainNext}, {"no-such-name", "nothing here: " + dirsNext},
				{"no-such-name", "nothing here: " + nothingNext}}},
		{"CD-25 no service", func(t *testing.T, w *world) { w.put(t, "_ldap._tcp.b.example. 60 IN SRV 0 0 389 .") }, alice, reason.NoCertificate,
			[][2]string{{"no-such-name", "nothing here: " + domainNext}, {"no-such-name", "nothing here: " + dirsNext},
				{"no-service", "nothing here: " + nothingNext}}},
		{"D12 a dead directory", func(t *testing.T, w *world) { w.ldap(t, 0, testnet.DeadPort(t)) }, alice, reason.NoCertificate,
			[][2]string{{"no-such-name", "nothing here: " + domainNext}, {"no-such-name", "nothing here: " + dirsNext},
				{"found", "they are asked in this order, until one has certificates"},
				{"unreachable", "failed: the directories are asked for the domain's next"},
				{"unreachable", "failed: " + nothingNext}}},
		{"D4 domain in LDAP", func(t *testing.T, w *world) {
			w.ldap(t, 0, (&server{entries: map[string][]string{"b.example": raw(ca.leaf("domain"))}}).start(t).addr)
		}, alice, reason.OK,
			[][2]string{{"no-such-name", "nothing here: " + domainNext}, {"no-such-name", "nothing here: " + dirsNext},
				{"found", "they are asked in this order, until one has certificates"},
				{"no-entry", "nothing here: the directories are asked for the domain's next"}, {"found", taken}}},
		{"D7 garbage in LDAP", func(t *testing.T, w *world) {
			w.ldap(t, 0, (&server{entries: map[string][]string{alice: {"garbage"}, "b.example": raw(ca.leaf("domain"))}}).start(t).addr)
		}, alice, reason.NoCertificate,
			[][2]string{{"no-such-name", "nothing here: " + domainNext}, {"no-such-name", "nothing here: " + dirsNext},
				{"found", "they are asked in this order, until one has certificates"}, {"found", unusable}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.set(t, w)
			got := ask(t, w.resolver(t), c.addr)
			if code := codeOf(got); code != c.code {
				t.Errorf("code %s (%v)", code, got.Err)
			}
			var story [][2]string
			for _, s := range got.Steps {
				story = append(story, [2]string{string(s.Answer), s.Then})
				if s.Outcome == "" || s.Query == "" || s.Cached || s.Answer != "" && s.Answer != discovery.AnswerNotAsked && s.Server == "" {
					t.Errorf("step %+v", s)
				}
				if failed := strings.HasPrefix(s.Then, "failed"); failed != (s.Err != nil) {
					t.Errorf("%s: err %v", s.Then, s.Err)
				}
			}
			if d := cmp.Diff(c.want, story); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func codeOf(r discovery.Result) reason.Code {
	if r.Err == nil {
		return reason.OK
	}
	return r.Err.Code
}

// CD-1: what goes on the wire has the labels of the address and no others,
// whatever characters are in them.
func TestCD1_NamesOnTheWire(t *testing.T) {
	for local, want := range map[string]string{ // labels, in presentation form
		"alice": "alice.", "a.b.c": "a.b.c.", "*": "*.", "*.x": "*.x.", "o'brien": `o\'brien.`, "a+b": "a+b.", "_x": "_x.", "x-": "x-.",
		"#": "#.", "$x": `$x.`, "`x`": "`x`.", "{x|y}": "{x|y}.", "a/b=c?d": "a/b=c?d.", "UPPER": "UPPER.",
	} {
		w := newWorld(t)
		var names []string
		d := client(t, fake(t, func(out dns.ResponseWriter, q *dns.Msg) {
			w.mu.Lock()
			names = append(names, q.Question[0].Name)
			w.mu.Unlock()
			code(dns.RcodeNameError)(out, q)
		}))
		r := &discovery.Resolver{DNS: d}
		ask(t, r, local+"@b.example")
		r.Close()
		d.Close()
		w.mu.Lock()
		first := names[0]
		w.mu.Unlock()
		if !strings.EqualFold(first, want+"b.example.") && dns.CanonicalName(unescaped(first)) != dns.CanonicalName(unescaped(want+"b.example.")) {
			t.Errorf("%s: asked for %q, want %q", local, first, want+"b.example.")
		}
		if got, wanted := dns.CountLabel(first), strings.Count(local, ".")+3; got != wanted {
			t.Errorf("%s: %d labels, want %d", local, got, wanted)
		}
	}
}

// unescaped drops the backslashes before single characters.
func unescaped(name string) string { return strings.ReplaceAll(name, `\`, "") }

// CD-1: local parts that would be other names have none, and the domain's
// certificate serves (CD-2).
func TestCD1_LocalPartsWithoutAName(t *testing.T) {
	ca := newAuthority(t)
	w := newWorld(t)
	w.cert(t, "b.example", discovery.CertPKIX, ca.leaf("domain").Raw)
	r := w.resolver(t)
	for _, local := range []string{`"a\\.b"`, `"a\\b"`, `"\\046"`, `"a b"`, `"a@b"`, `"a..b"`, `".a"`, `"a."`, `"evil.example."`,
		strings.Repeat("x", 64), `"(a)"`, `"a;b"`, `"a,b"`, `"<a>"`, `"a\"b"`} {
		got := ask(t, r, local+"@b.example")
		check(t, got, reason.OK, place{"domain", discovery.DNSDomain})
		if s := got.Steps[0]; s.Answer != discovery.AnswerNotAsked {
			t.Errorf("%s: %s at %s", local, s.Answer, s.Query)
		}
	}
	if n := w.count(".b.example. CERT"); n != 0 {
		t.Errorf("%d names below the domain were asked for", n)
	}
}
