package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/mime/mdn"
)

// A notmuch is a message in a thread as notmuch shows it: a message and its replies.
type notmuch struct {
	Headers struct{ Subject, From string } `json:"headers"`
	ID      string                         `json:"id"`
	Replies []notmuch                      `json:"-"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *notmuch) UnmarshalJSON(data []byte) error {
	var pair [2]json.RawMessage
	err := json.Unmarshal(data, &pair)
	if err != nil {
		return err
	}
	type plain notmuch
	err = json.Unmarshal(pair[0], (*plain)(n))
	if err != nil {
		return err
	}
	return json.Unmarshal(pair[1], &n.Replies)
}

// outline is the subjects of a thread, each below what it replies to.
func (n notmuch) outline(depth int) []string {
	all := []string{strings.Repeat("  ", depth) + n.Headers.Subject}
	var below []string
	for _, r := range n.Replies {
		below = append(below, strings.Join(r.outline(depth+1), "\n"))
	}
	slices.Sort(below)
	return append(all, below...)
}

// EP-15: what a sender is told of his message stands below it in the reader's threads:
// that it was processed, delivered, and that it failed.
func TestEP15_NoticesThreadBelowTheirMessage(t *testing.T) {
	testnet.Require(t, "notmuch")
	p := newPair(t)
	id := "<thread@ehr.example>"
	message := strings.Replace(record("alice@a.example", "bob@b.example", id, 100), "To: <bob@b.example>",
		"To: <bob@b.example>, <nobody@b.example>\r\n"+mdn.NotificationOptions+": "+mdn.RequestFinalDelivery, 1)
	peer(t, "", "swaks", "--server", p.a.address("submission"), "--helo", "ehr.example", "--tls", "--tls-ca-path", p.a.tlsCert(),
		"--auth", "PLAIN", "--auth-user", "alice@a.example", "--auth-password", password,
		"--from", "alice@a.example", "--to", "bob@b.example,nobody@b.example", "--data", "@"+p.a.write("thread.eml", lf(strings.TrimSuffix(message, "\r\n"))))
	all := p.a.rawInbox("alice@a.example", 3)

	dir := t.TempDir()
	for i, m := range append(all, message) { // and what she sent, as her client keeps it
		writeFile(t, filepath.Join(mkdir(t, dir, "cur"), fmt.Sprintf("%d:2,", i)), lf(m))
	}
	t.Setenv("NOTMUCH_CONFIG", writeFile(t, filepath.Join(t.TempDir(), "config"),
		"[database]\npath="+dir+"\n[user]\nprimary_email=alice@a.example\n[new]\ntags=\n[search]\n[maildir]\n"))
	peer(t, "", "notmuch", "new")
	var threads [][]notmuch
	printed := peer(t, "", "notmuch", "show", "--format=json", "--body=false", "--entire-thread=true", "id:thread@ehr.example")
	err := json.Unmarshal([]byte(printed), &threads)
	if err != nil || len(threads) != 1 || len(threads[0]) != 1 {
		t.Fatalf("%d threads: %v\n%s", len(threads), err, printed)
	}
	want := []string{
		"Summary of care",
		"  Delivered: your message to bob@b.example",
		"  Failed: your message to nobody@b.example",
		"  Processed: your message to bob@b.example",
	}
	if diff := cmp.Diff(want, threads[0][0].outline(0)); diff != "" {
		t.Errorf("the thread (-want +got):\n%s", diff)
	}
}

func mkdir(t testing.TB, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// RFC 8601, RFC 7281: authres, a parser that others use, reads what a delivered message
// says.
func TestPythonReadsAuthenticationResults(t *testing.T) {
	const python = "/usr/bin/python3"
	err := exec.Command(python, "-c", "import authres").Run()
	if err != nil {
		testnet.Require(t, "python3-authres: "+err.Error())
	}
	p := newPair(t)
	message := record("alice@a.example", "bob@b.example", "<authres@ehr.example>", 100)
	err = p.a.submit("alice@a.example", "bob@b.example", message)
	if err != nil {
		t.Fatal(err)
	}
	raw := p.b.rawInbox("bob@b.example", 1)[0]
	const script = `
import sys, json, email, email.policy, authres, authres.smime
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
h = authres.FeatureContext(authres.smime).parse('Authentication-Results: ' + str(m['Authentication-Results']))
r = h.results[0]
v = email.message.Message(); v['Content-Type'] = 'x/' + str(m['Postern-Verified'])
print(json.dumps([h.authserv_id, r.method, r.result, r.body_smime_identifier, r.body_smime_issuer, str(m['Return-Path']), v.get_content_type(), v.get_param('sender'), v.get_param('anchor')]))
`
	var got []string
	err = json.Unmarshal([]byte(peer(t, raw, python, "-c", script)), &got)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"mail.b.example", "smime", "pass", "alice@a.example", "CN=root of a,O=Postern TEST ONLY", "<alice@a.example>",
		"x/message", "alice@a.example", "CN=root of a,O=Postern TEST ONLY",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Python reads (-want +got):\n%s", diff)
	}
}
