package evidence

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// AS-71: what a certificate names is asked over HTTP alone, and only where the
// name leads to a server.
func TestAS71_URLsThatAreNotAsked(t *testing.T) {
	long := "http://a.example/" + strings.Repeat("a", maxURL)
	for name, c := range map[string]struct{ url, passed string }{
		"http":                 {"http://a.example/a.crl?b", ""},
		"https":                {"HTTPS://a.example", ""},
		"as long as it may be": {long[:maxURL], ""},
		"too long":             {long[:maxURL+1], "more than 900 octets"},
		"LDAP":                 {"ldap://a.example/cn=a", `its scheme is "ldap"`},
		"a file":               {"file:///etc/passwd", `its scheme is "file"`},
		"no host":              {"http:///x", "no host"},
		"a password":           {"http://u:p@a.example/", "a user's name"},
		"a space":              {"http://a.example/a b", "visible ASCII"},
		"a line end":           {"http://a.example/a\r\nb", "http://a.example/a??b: "},
		"a port that is none":  {"http://a.example:x/", "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			use, passed := urls([]string{c.url}, maxURLs)
			if c.passed == "" {
				if len(use) != 1 || use[0] != c.url || passed != nil {
					t.Errorf("%q, %q", use, passed)
				}
				return
			}
			if use != nil || len(passed) != 1 || !strings.Contains(passed[0], c.passed) {
				t.Errorf("%q, %q", use, passed)
			}
		})
	}
}

// AS-70: a few are asked, each once, and those that are passed over do not hide
// them.
func TestAS70_URLsOfOneCertificateAreFew(t *testing.T) {
	var all []string
	for i := range 10 {
		all = append(all, fmt.Sprintf("ldap://a.example/%d", i))
	}
	for i := range 10 {
		all = append(all, fmt.Sprintf("http://a.example/%d", i/2))
	}
	use, passed := urls(all, maxURLs)
	want := []string{"http://a.example/0", "http://a.example/1", "http://a.example/2", "http://a.example/3"}
	if diff := cmp.Diff(want, use); diff != "" || len(passed) != maxURLs {
		t.Errorf("%s, passed over %q", diff, passed)
	}
}
