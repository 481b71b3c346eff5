package interop

import (
	"bufio"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/mime"
	"postern/mime/dsn"
	"postern/store"
)

// smtplibDSN sends by smtplib with parameters and returns the replies by command.
func (s *site) smtplibDSN(mail, rcpt, message string, to ...string) map[string]string {
	s.t.Helper()
	args := append([]string{
		filepath.Join("testdata", "smtplib_dsn.py"), "127.0.0.1", portOf(s.t, s.address("submission")), s.hostname(), s.tlsCert(),
		"alice@a.example", password, mail, rcpt, s.write("dsn.eml", message),
	}, to...)
	replies := make(map[string]string)
	for line := range strings.Lines(peer(s.t, "", "python3", args...)) {
		command, reply, _ := strings.Cut(strings.TrimSpace(line), " ")
		replies[command] = reply
	}
	return replies
}

// TestInteropDSN: what RFC 3461 and RFC 6531 let a client say, by smtplib to the real
// server, and what comes of it in the sender's mailbox and at the other side.
func TestInteropDSN(t *testing.T) {
	e := newEdges(t, "5m")
	const header = "From: J\u00fcrgen <alice@a.example>\r\nTo: <bob@b.example>\r\nSubject: M\u00fcller, %s\r\nMessage-ID: <%s@ehr.example>\r\n\r\nbody\r\n"
	text := func(id string) string { return fmt.Sprintf(header, id, id) }

	replies := e.a.smtplibDSN("SMTPUTF8 RET=HDRS ENVID=order+2B7", "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+40clinic.example", text("success"), "bob@b.example", "b\u00f6b@b.example")
	for command, want := range map[string]string{"MAIL": "250 2.1.0", "bob@b.example": "250 2.1.5", "b\u00f6b@b.example": "553 5.6.7", "DATA": "250"} {
		if !strings.HasPrefix(replies[command], want) {
			t.Errorf("%s: %q, not %s", command, replies[command], want)
		}
	}
	got := e.b.inbox("bob@b.example", 1)[0]
	h, err := mime.ReadHeader(bufio.NewReader(strings.NewReader(got)), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if subject, from := mime.DecodeText(h.Get("Subject")), mime.DecodeText(h.Get("From")); subject != "M\u00fcller, success" || from != "J\u00fcrgen <alice@a.example>" {
		t.Errorf("there came %q from %q", subject, from)
	}
	notice := e.a.dsnAbout("<success@ehr.example>")
	if notice.Recipients[0].Action != dsn.Relayed || notice.Recipients[0].Original.String() != "Bob@clinic.example" {
		t.Errorf("the notice says %+v", notice.Recipients)
	}

	e.a.smtplibDSN("", "NOTIFY=NEVER", text("never"), "nobody@bare.example")
	e.a.smtplibDSN("", "NOTIFY=FAILURE", text("failure"), "nobody@bare.example")
	notice = e.a.dsnAbout("<failure@ehr.example>")
	if notice.Recipients[0].Action != dsn.Failed {
		t.Errorf("the notice says %+v", notice.Recipients)
	}
	life := e.a.waitTrack("<never@ehr.example>", time.Minute, func(l control.Life) bool { return l.Recipients[0].State == store.TrackFailed })
	if life.Recipients[0].Told != store.ToldUnasked {
		t.Errorf("the sender was told %q", life.Recipients[0].Told)
	}
	for _, m := range e.a.inbox("alice@a.example", 2) {
		if strings.Contains(m, "never@ehr.example") {
			t.Error("a notice came though none was wanted")
		}
	}
	e.a.must("", "audit", "verify")
}

// dsnAbout waits for the notice about a message.
func (s *site) dsnAbout(id string) *dsn.Notification {
	s.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for n := 1; time.Now().Before(deadline); n++ {
		for _, m := range s.inbox("alice@a.example", n) {
			notice, err := dsn.Parse(strings.NewReader(m), mime.Limits{})
			if err == nil && notice.OriginalMessageID == id {
				return notice
			}
		}
	}
	s.t.Fatalf("no notice about %s", id)
	return nil
}

// TestInteropRefuseUnreachable: submission.refuse_unreachable, by the real server over
// the real DNS: who cannot be reached is refused with the reason, others are taken.
func TestInteropRefuseUnreachable(t *testing.T) {
	e := newEdges(t, "5m")
	message := record("alice@a.example", "bob@b.example", "<reach@a.example>", 100)
	everybody := []string{"bob@b.example", "who@bare.example", "alice@a.example", "nobody@a.example"}
	for on, want := range map[bool][]string{
		false: {"250", "250", "250", "550 5.1.1"},
		true:  {"250", "550 5.7.5", "550 5.7.1", "550 5.1.1"}, // a trusts b and not itself
	} {
		e.a.stop()
		e.a.more["submission"] = fmt.Sprintf("refuse_unreachable = %v\n", on)
		e.a.configure(e.a.dns, e.a.relayPort)
		e.a.serve()
		replies := e.a.smtplibDSN("", "", message, everybody...)
		for i, to := range everybody {
			if !strings.HasPrefix(replies[to], want[i]) {
				t.Errorf("refuse_unreachable = %v, %s: %q, not %s", on, to, replies[to], want[i])
			}
		}
	}
	out := e.a.must("", "track", "--reason", "no-certificate")
	if !strings.Contains(out, "who@bare.example") {
		t.Errorf("track does not know of the refusal:\n%s", out)
	}
}
