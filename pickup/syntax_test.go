package pickup

import (
	"strings"
	"testing"
)

// FuzzArguments reads arguments that anybody could send, in every way the front does.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{
		`RETURN (MIN ALL) CHARSET utf-8 OR (1:* UID 3) NOT HEADER x "a\"b" SINCE 1-Jan-2020`,
		"SUBJECT {3}\r\nabc TEXT {0+}\r\n", `MODSEQ "/flags/\\seen" priv 3 LARGER 9223372036854775807`,
		`1:* (FLAGS BODY.PEEK[HEADER.FIELDS ("a b" (c))]<1.2> MODSEQ) (CHANGEDSINCE 1)`,
		`"box" (MESSAGES HIGHESTMODSEQ)`, "((((((", `1 (UNCHANGEDSINCE 3) FLAGS (x)`, "{99999999999999999999}\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, args string) {
		for name := range looked {
			s := &session{front: &front{}}
			switch name {
			case "GETQUOTA", "SETQUOTA", "GETQUOTAROOT", "ENABLE": // ask who it is
				continue
			}
			answer, instead := s.take(command{tag: "a", name: name, args: []byte(args)})
			if answer != "" && instead != "" {
				t.Fatalf("%s is answered and goes on", name)
			}
			if instead != "" && !strings.Contains(args, "\n") && strings.ContainsAny(instead, "\r\n") {
				t.Fatalf("%s becomes several lines: %q", name, instead)
			}
			if _, _, literal := literalSize([]byte(instead + "\n")); literal {
				t.Fatalf("%s becomes one that waits for more: %q", name, instead)
			}
		}
		line, ok := oneLine([]byte(args))
		if ok {
			again, ok := oneLine([]byte(line))
			if !ok || again != line {
				t.Fatalf("%q becomes %q", line, again)
			}
		}
	})
}

// What is searched for is read in linear time, however it nests and however much of it
// there is.
func TestSearchKeysAreBounded(t *testing.T) {
	for name, tc := range map[string]struct{ args, want string }{
		"many":        {strings.Repeat("SEEN ", 300) + "SEEN", "NO [LIMIT]"},
		"deep":        {strings.Repeat("(", 40) + "SEEN" + strings.Repeat(")", 40), "NO [LIMIT]"},
		"deep NOT":    {strings.Repeat("NOT ", 5000) + "SEEN", "NO [LIMIT]"},
		"open":        {strings.Repeat("(", 10_000), "BAD"},
		"as many":     {strings.Repeat("SEEN ", 200) + "SEEN", ""},
		"deep enough": {strings.Repeat("(", 30) + "SEEN" + strings.Repeat(")", 30), ""},
	} {
		s := &session{front: &front{}}
		answer, _ := s.searchCommand(command{tag: "a", name: "SEARCH", args: []byte(tc.args)})
		if !strings.HasPrefix(strings.TrimPrefix(answer, "a "), tc.want) || (answer == "") != (tc.want == "") {
			t.Errorf("%s: %q, want %q", name, answer, tc.want)
		}
	}
}
