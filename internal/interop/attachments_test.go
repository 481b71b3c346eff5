package interop

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/testnet"
)

// An attachment is a file with how it is attached: its type, and its transfer encoding.
type attachment struct{ kind, encoding, name string }

// attachmentFiles are what certification attaches, by name: documents that are as they
// should be, and such as are not.
func attachmentFiles(t testing.TB) map[string][]byte {
	random := rand.NewChaCha8([32]byte{7})
	pdf := make([]byte, 200_000)
	_, _ = random.Read(pdf)
	const cda = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n%s<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\r\n" +
		"<title>R\u00e9sum\u00e9 de soins \u2013 37,5 \u00b0C</title>\r\n.\r\n..dots\r\nFrom here\r\n%s</ClinicalDocument>\r\n"
	many := strings.Repeat("<observation code=\"8867-4\" value=\"72\"/>\r\n", 2000)
	const metadata = "<lcm:SubmitObjectsRequest><rim:ExtrinsicObject mimeType=%q/></lcm:SubmitObjectsRequest>"
	return map[string][]byte{
		"ccda.xml":          fmt.Appendf(nil, cda, "<?xml-stylesheet type=\"text/xsl\" href=\"CDA.xsl\"?>\r\n", many),
		"bad_ccda.xml":      fmt.Appendf(nil, cda, "<?xml-stylesheet type=\"text/xsl\" href=\"\\\\nowhere\\broken?.xsl\"\r\n", "<unclosed>"),
		"report.pdf":        append([]byte("%PDF-1.4\n\r\n.\r\n\x00\xff"), pdf...),
		"note.txt":          []byte("Gr\u00fc\u00dfe\r\n.\r\n\r\n  indented\r\n" + strings.Repeat("x", 900) + "\r\n"),
		"xdm.zip":           xdm(t, "<html><body>ok</body></html>", fmt.Sprintf(metadata, "text/xml")),
		"xdm_bad_html.zip":  xdm(t, "<html><body><p>not closed", fmt.Sprintf(metadata, "text/xml")),
		"xdm_odd_types.zip": xdm(t, "<html/>", fmt.Sprintf(metadata, "no/such;type")),
	}
}

// xdm is an XDM package (XD-12).
func xdm(t testing.TB, index, metadata string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"INDEX.HTM": index, "README.TXT": "a record", "IHE_XDM/SUBSET01/METADATA.XML": metadata, "IHE_XDM/SUBSET01/DOC0001.XML": "<ClinicalDocument/>",
	} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	err := z.Close()
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestInteropEP19_EP20_Attachments sends what SITE's cases SMTP 25a to 29 attach, in each
// order, and has another implementation read what arrives: names, types, order and each
// octet are as they were (EP-19, EP-20).
func TestInteropEP19_EP20_Attachments(t *testing.T) {
	e := newEdges(t, "5m")
	dir := t.TempDir()
	files := attachmentFiles(t)
	for name, content := range files {
		writeFile(t, filepath.Join(dir, name), string(content))
	}
	cda := attachment{"text/xml", "base64", "ccda.xml"}
	cda8bit := attachment{"text/xml", "8bit", "ccda.xml"}
	pdf := attachment{"application/pdf", "base64", "report.pdf"}
	text := attachment{"text/plain", "quoted-printable", "note.txt"}
	text8bit := attachment{"text/plain", "8bit", "note.txt"}
	zipped := attachment{"application/zip", "base64", "xdm.zip"}
	want := make(map[string]string)
	send := func(subject string, how func(file string), attached ...attachment) {
		t.Helper()
		args := []string{filepath.Join("testdata", "compose.py"), "alice@a.example", "bob@b.example", subject}
		lines := []string{subject}
		for _, a := range attached {
			args = append(args, a.kind+":"+a.encoding+":"+filepath.Join(dir, a.name))
			lines = append(lines, fmt.Sprintf("%s %s %x", a.name, a.kind, sha256.Sum256(files[a.name])))
		}
		want[subject] = strings.Join(lines, "\n") + "\n"
		how(writeFile(t, filepath.Join(dir, "message.eml"), peer(t, "", "python3", args...)))
	}

	send("SMTP 25a: C-CDA and text", e.a.smtplib, cda, text)
	send("SMTP 25b: C-CDA and PDF", e.a.smtplib, cda8bit, pdf)
	send("SMTP 25c: XDM and text", e.a.smtplib, zipped, text8bit)
	send("SMTP 25d: text and C-CDA", e.a.smtplib, text, cda8bit)
	send("SMTP 25e: PDF and C-CDA", e.a.smtplib, pdf, cda)
	send("SMTP 25f: text and XDM", e.a.smtplib, text8bit, zipped)
	send("SMTP 26: C-CDA with a broken stylesheet", e.a.smtplib, attachment{"text/xml", "base64", "bad_ccda.xml"})
	send("SMTP 27: XDM with bad XHTML", e.a.smtplib, attachment{"application/zip", "base64", "xdm_bad_html.zip"})
	send("SMTP 28: XDM as octet-stream", e.a.smtplib, attachment{"application/octet-stream", "base64", "xdm.zip"})
	send("SMTP 29: XDM with odd types", e.a.smtplib, attachment{"application/xml", "base64", "xdm_odd_types.zip"})
	for name, how := range map[string]func(string){
		"swaks": e.a.swaksFile, "msmtp": e.a.msmtp, "curl, STARTTLS": e.a.curl("smtp", "submission"),
		"curl, TLS": e.a.curl("smtps", "submissions"), "openssl s_client": e.a.sClient,
	} {
		send("by "+name, how, text, cda8bit, pdf, zipped)
	}

	for _, message := range e.b.inbox("bob@b.example", len(want)) {
		got := peer(t, message, "python3", filepath.Join("testdata", "attachments.py"))
		subject, _, _ := strings.Cut(got, "\n")
		if got != want[subject] {
			t.Errorf("there came\n%s, not\n%s", got, want[subject])
		}
		delete(want, subject)
	}
	for subject := range want {
		t.Errorf("%s did not come", subject)
	}
	e.a.alive()
	e.b.alive()
}

func (s *site) smtplib(file string) {
	s.t.Helper()
	peer(s.t, "", "python3", filepath.Join("testdata", "smtplib_send.py"), "127.0.0.1", portOf(s.t, s.address("submission")), s.hostname(),
		s.tlsCert(), "alice@a.example", password, "alice@a.example", "bob@b.example", file)
}

func (s *site) swaksFile(file string) {
	s.t.Helper()
	peer(s.t, "", "swaks", "--server", s.address("submission"), "--tls", "--tls-ca-path", s.tlsCert(), "--auth", "LOGIN",
		"--auth-user", "alice@a.example", "--auth-password", password, "--from", "alice@a.example", "--to", "bob@b.example",
		"--data", "@"+file)
}

func (s *site) msmtp(file string) {
	s.t.Helper()
	config := s.write("msmtprc", fmt.Sprintf("defaults\nauth plain\ntls on\ntls_trust_file %s\ntls_host_override %s\naccount default\n"+
		"host 127.0.0.1\nport %s\nfrom alice@a.example\nuser alice@a.example\npassword %s\n",
		s.tlsCert(), s.hostname(), portOf(s.t, s.address("submission")), password))
	peer(s.t, string(readFile(s.t, file)), "msmtp", "-C", config, "-N", "never", "bob@b.example")
}

func (s *site) curl(scheme, listener string) func(string) {
	return func(file string) {
		s.t.Helper()
		port := portOf(s.t, s.address(listener))
		peer(s.t, "", "curl", "--silent", "--show-error", "--url", fmt.Sprintf("%s://%s:%s", scheme, s.hostname(), port), "--ssl-reqd",
			"--resolve", s.hostname()+":"+port+":127.0.0.1", "--cacert", s.tlsCert(), "--user", "alice@a.example:"+password,
			"--mail-from", "alice@a.example", "--mail-rcpt", "bob@b.example", "--upload-file", file)
	}
}

// sClient types a session as a person with openssl does, who waits for no reply.
func (s *site) sClient(file string) {
	s.t.Helper()
	message := strings.ReplaceAll(string(readFile(s.t, file)), "\r\n", "\n")
	message = strings.ReplaceAll("\n"+message, "\n.", "\n..")[1:]
	said := peer(s.t, "EHLO ehr.example\nAUTH PLAIN "+plain("alice@a.example", password)+"\n"+
		"MAIL FROM:<alice@a.example> BODY=8BITMIME\nRCPT TO:<bob@b.example>\nDATA\n"+message+".\nQUIT\n",
		"openssl", "s_client", "-starttls", "smtp", "-connect", s.address("submission"), "-CAfile", s.tlsCert(),
		"-verify_hostname", s.hostname(), "-verify_return_error", "-quiet", "-crlf")
	if !strings.Contains(said, "250 2.0.0 accepted as ") {
		s.t.Fatalf("openssl s_client: %s", said)
	}
}

// SMTP 22: clients are told that the password is wrong, and nothing else.
func TestInteropEP6_WrongPassword(t *testing.T) {
	e := newEdges(t, "5m")
	s := e.a
	for name, args := range map[string][]string{
		"swaks": {"--server", s.address("submission"), "--tls", "--tls-ca-path", s.tlsCert(), "--auth", "PLAIN",
			"--auth-user", "alice@a.example", "--auth-password", "wrong", "--to", "bob@b.example"},
		"curl": {"--silent", "--show-error", "--url", "smtp://" + s.hostname() + ":" + portOf(t, s.address("submission")), "--ssl-reqd",
			"--resolve", s.hostname() + ":" + portOf(t, s.address("submission")) + ":127.0.0.1", "--cacert", s.tlsCert(),
			"--user", "alice@a.example:wrong", "--mail-from", "alice@a.example", "--mail-rcpt", "bob@b.example", "--upload-file", s.config()},
		"python3": {filepath.Join("testdata", "smtplib_send.py"), "127.0.0.1", portOf(t, s.address("submission")), s.hostname(),
			s.tlsCert(), "alice@a.example", "wrong", "alice@a.example", "bob@b.example", s.config()},
	} {
		out, code := fails(t, name, args...)
		want := map[string]int{"swaks": 28, "curl": 67, "python3": 3}[name]
		if code != want || name != "curl" && !strings.Contains(out, "535") {
			t.Errorf("%s: exit code %d, not %d:\n%s", name, code, want, out)
		}
	}
}

// fails runs another program that may fail.
func fails(t testing.TB, program string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testnet.Require(t, program), args...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
