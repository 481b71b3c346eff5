package interop

import (
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/testnet"
)

// imaplibScript uses what imaplib of Python has, and prints OK.
const imaplibScript = `
import imaplib, ssl, sys
host, port, cert, user, password = sys.argv[1:]
tls = ssl.create_default_context(cafile=cert)
tls.check_hostname = False # it is reached by its address
c = imaplib.IMAP4_SSL(host, int(port), ssl_context=tls)
def ok(r):
    assert r[0] == 'OK', r
    return r[1]
assert 'IDLE' in c.capabilities # it asks once
ok(c.login(user, password))
ok(c.enable('CONDSTORE'))
assert 'CONDSTORE' in c.capability()[1][0].decode().split()
text = b'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@b.example>\r\n\r\nHello\r\n'
for _ in range(3):
    ok(c.append('INBOX', '\\Flagged', None, text))
ok(c.create('"Old things"'))
assert ok(c.select('INBOX'))[0] == b'3'
assert ok(c.search(None, 'FLAGGED', 'SMALLER', '1000', 'SINCE', '1-Jan-2020'))[0] == b'1 2 3'
c.literal = 'gr\u00fc\u00dfe'.encode()
assert ok(c.search('UTF-8', 'SUBJECT'))[0] == b'1 2 3'
assert ok(c.fetch('2', '(BODY.PEEK[])'))[0][1] == text
assert b'MODSEQ' in ok(c.fetch('1:*', '(FLAGS MODSEQ)'))[0]
ok(c.store('1', '+FLAGS', '\\Deleted'))
ok(c.copy('2', '"Old things"'))
assert ok(c.expunge()) == [b'1']
ok(c.uid('MOVE', '3', '"Old things"'))
assert b'MESSAGES 2' in ok(c.status('"Old things"', '(MESSAGES HIGHESTMODSEQ)'))[0]
assert b'MESSAGE 3 ' in ok(c.getquotaroot('INBOX'))[1][0]
ok(c.close())
c.logout()
print('OK')
`

// TestInteropEP2_EP17_EP19_Clients has imaplib, curl and openssl fetch over IMAP from the real
// program.
func TestInteropEP2_EP17_EP19_Clients(t *testing.T) {
	for _, p := range []string{"python3", "curl", "openssl"} {
		testnet.Require(t, p)
	}
	const user = "bob@b.example"
	s := newSite(t, "b.example", setup{users: []string{user}})
	s.serve()
	port := portOf(t, s.address("imaps"))
	script := writeFile(t, filepath.Join(t.TempDir(), "client.py"), imaplibScript)
	if got := peer(t, "", "python3", script, "127.0.0.1", port, s.tlsCert(), user, password); got != "OK\n" {
		t.Errorf("imaplib: %q", got)
	}
	got := peer(t, "", "curl", append(s.curlArgs(user), s.imapURL()+"/INBOX;UID=2")...)
	if !strings.HasSuffix(got, "\r\n\r\nHello\r\n") {
		t.Errorf("curl: %q", got)
	}
	got = peer(t, "a LOGIN "+user+" \""+password+"\"\nb EXAMINE INBOX\nc FETCH 1 ENVELOPE\nd LOGOUT\n", "openssl", "s_client",
		"-connect", "127.0.0.1:"+port, "-quiet", "-ign_eof", "-verify_return_error", "-CAfile", s.tlsCert(), "-crlf")
	for _, want := range []string{"b OK [READ-ONLY]", "* 1 FETCH (UID 2 ENVELOPE (", "d OK"} {
		if !strings.Contains(got, want) {
			t.Errorf("openssl: %q is not in %q", want, got)
		}
	}
	s.stop()
	s.checkStore()
}
