package ldapd

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/publish"
	"postern/internal/testnet"
)

// TestCD32_H3_H4_ldapsearch has OpenLDAP's client find what we publish.
func TestCD32_H3_H4_ldapsearch(t *testing.T) {
	program := testnet.Require(t, "ldapsearch")
	s := newSite(t)
	config, _ := serverTLS(t)
	_, addr := start(t, s.source, Options{TLS: config})
	run := func(arguments ...string) (string, int) {
		cmd := exec.Command(program, append([]string{"-x", "-LLL", "-o", "ldif-wrap=no", "-o", "nettimeout=10", "-H", "ldap://" + addr}, arguments...)...)
		cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LDAPCONF="+os.DevNull, "LDAPTLS_REQCERT=never")
		out, err := cmd.CombinedOutput()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	const contexts = "dn:\nnamingContexts: dc=b,dc=example\nnamingContexts: dc=sub,dc=b,dc=example\nnamingContexts: dc=bare,dc=example\n\n"
	entry := func(mail string, values ...string) string {
		text := "dn: " + publish.EntryDN(mail, "b.example") + "\n"
		for _, v := range values {
			text += "userCertificate;binary:: " + v + "\n"
		}
		return text + "\n"
	}
	base64Of := base64.StdEncoding.EncodeToString
	alice := entry("Alice@b.example", base64Of(s.alice[0].Raw), base64Of(s.alice[1].Raw))
	domain := entry("b.example", base64Of(s.domain.Raw))
	dcdt := "(&(mail=%s)(|(userCertificate;binary=*)(userCertificate=*)))"
	for _, c := range []struct {
		name      string
		arguments []string
		want      string
		code      int
	}{
		{"root DSE", []string{"-b", "", "-s", "base", "(objectClass=*)", "namingContexts"}, contexts, 0},
		{"H3 address", []string{"-b", suffix, "(mail=alice@b.example)", "userCertificate;binary"}, alice, 0},
		{"H3 address, plain attribute", []string{"-b", suffix, "(mail=ALICE@b.example)", "userCertificate"}, alice, 0},
		{"H3 address, DCDT form", []string{"-b", suffix, fmt.Sprintf(dcdt, "alice@b.example"), "userCertificate"}, alice, 0},
		{"H4 domain", []string{"-b", suffix, "(mail=b.example)", "userCertificate"}, domain, 0},
		{"H4 domain, DCDT form", []string{"-b", suffix, fmt.Sprintf(dcdt, "b.example"), "userCertificate;binary"}, domain, 0},
		{"below the root", []string{"-b", "", "(mail=b.example)", "userCertificate"}, domain, 0},
		{"by its DN", []string{"-b", "mail=b.example," + suffix, "-s", "base", "userCertificate"}, domain, 0},
		{"nobody", []string{"-b", suffix, "(mail=nobody@b.example)"}, "", 0},
		{"paged", []string{"-E", "pr=10/noprompt", "-b", suffix, "(mail=b.example)", "userCertificate"}, domain, 0},
		{"no browsing", []string{"-b", suffix, "(objectClass=*)"}, "Administrative limit exceeded (11)", 11},
		{"no browsing by letters", []string{"-b", suffix, "(mail=a*)"}, "Administrative limit exceeded (11)", 11},
		{"a password", []string{"-D", "cn=admin", "-w", "hunter2", "-b", suffix, "(mail=b.example)"}, "Invalid credentials (49)", 49},
		{"a critical control", []string{"-E", "!pr=10/noprompt", "-b", suffix, "(mail=b.example)"}, "Critical extension is unavailable (12)", 12},
		{"a foreign base", []string{"-b", "dc=c,dc=example", "(mail=b.example)"}, "No such object (32)", 32},
		{"StartTLS", []string{"-ZZ", "-b", suffix, "(mail=b.example)", "userCertificate"}, domain, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := run(c.arguments...)
			if code != c.code {
				t.Fatalf("exit %d, want %d: %s", code, c.code, out)
			}
			if code == 0 {
				out = strings.TrimPrefix(out, "# pagedresults: cookie=\n")
				if diff := cmp.Diff(c.want, out); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			} else if !strings.Contains(out, c.want) {
				t.Errorf("%s, want %s", out, c.want)
			}
		})
	}
}
