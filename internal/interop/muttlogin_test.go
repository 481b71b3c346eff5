package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/testnet"
)

// TestInteropEP5_MuttByItself has mutt choose its mechanism: Debian's is built on GNU
// SASL, takes the strongest one that it sees, and tries no other. It sends over both
// doors, and fetches over POP3 and IMAP.
func TestInteropEP5_MuttByItself(t *testing.T) {
	const user = "nurse@b.example"
	s := newSite(t, "b.example", setup{
		users: []string{user}, listeners: 2,
		more: map[string]string{"listen": "submissions = \"127.0.0.1:0\"\npop3s = \"127.0.0.1:0\"\n"},
	})
	s.serve()
	rc := writeFile(t, filepath.Join(t.TempDir(), "muttrc"), fmt.Sprintf(`
set from="%s" use_envelope_from=yes smtp_pass="%s" pop_pass="%[2]s" imap_pass="%[2]s"
set certificate_file="%s" ssl_verify_host=no ssl_force_tls=yes # it is reached by its address
set folder="%s" record="" quit=yes pop_delete=no pop_last=no help=no
`, user, password, s.tlsCert(), t.TempDir()))
	url := func(scheme, listener string) string { return scheme + "://" + user + "@" + s.address(listener) + "/" }
	testnet.Require(t, "mutt")
	atTerminal := testnet.Require(t, "script")
	for _, row := range []struct{ protocol, command string }{
		{"smtp", fmt.Sprintf("mutt -F %s -e 'set smtp_url=%q' -s one -- %s </dev/null", rc, url("smtp", "submission"), user)},
		{"smtp", fmt.Sprintf("mutt -F %s -e 'set smtp_url=%q' -s two -- %s </dev/null", rc, url("smtps", "submissions"), user)},
		{"pop3", fmt.Sprintf("TERM=xterm mutt -F %s -e 'push <quit>' -f %s", rc, url("pops", "pop3s"))},
		{"imap", fmt.Sprintf("TERM=xterm mutt -F %s -e 'push <quit>' -f %sINBOX", rc, url("imaps", "imaps"))},
	} {
		before := s.must("", "audit", "show")
		ok, out := succeeds(t, "", atTerminal, "-qec", row.command, os.DevNull)
		after := s.must("", "audit", "show")
		logged := strings.TrimPrefix(after, before)
		if !ok || !strings.Contains(logged, "over "+row.protocol+" by SCRAM") {
			t.Errorf("%s: %s\n%s", row.command, terminalCodes.ReplaceAllString(out, ""), logged)
		}
	}
	s.stop()
	s.checkStore()
}
