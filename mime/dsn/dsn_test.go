package dsn

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/mime"
)

var addr = testnet.Address

func notification(t testing.TB) Notification {
	t.Helper()
	original, err := mime.ReadHeader(bufio.NewReader(strings.NewReader(
		"Subject: Jane Doe\r\nFrom: A <a@a.example>\r\nTo: b@b.example,\r\n c@c.example\r\nMessage-ID: <1@a.example>\r\nX-Other: Jane Doe\r\n\r\n")), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return Notification{
		From:              addr(t, "postmaster@a.example"),
		To:                addr(t, "a@a.example"),
		MessageID:         "<2@a.example>",
		Date:              time.Date(2026, 11, 22, 4, 5, 6, 0, time.UTC),
		ReportingMTA:      "mx.a.example",
		OriginalMessageID: "<1@a.example>",
		Original:          original,
		Recipients: []Recipient{
			{Final: addr(t, "b@b.example"), Action: Failed, Status: "5.7.1", Diagnostic: "x-postern; untrusted-anchor",
				Sentence: "The certificate is not trusted.", Said: "550 5.7.1 no", Hint: "Ask your administrator."},
			{Final: addr(t, "c@c.example"), Original: addr(t, "C@c.example"), Action: Delayed, Status: "4.4.1"},
		},
	}
}

const failed = "From: postmaster@a.example\r\n" +
	"To: a@a.example\r\n" +
	"Date: Sun, 22 Nov 2026 04:05:06 +0000\r\n" +
	"Message-ID: <2@a.example>\r\n" +
	"Subject: Failed: your message to 2 recipients\r\n" +
	"Auto-Submitted: auto-replied\r\n" +
	"In-Reply-To: <1@a.example>\r\n" +
	"References: <1@a.example>\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/report; report-type=delivery-status;\r\n" +
	" boundary=\"postern-01010101010101010101010101010101\"\r\n" +
	"\r\n" +
	"--postern-01010101010101010101010101010101\r\n" +
	"Content-Type: text/plain; charset=us-ascii\r\n" +
	"Content-Transfer-Encoding: 7bit\r\n" +
	"\r\n" +
	"Your message could not be delivered to all of these recipients.\r\n" +
	"\r\n" +
	"b@b.example: failed (5.7.1)\r\n" +
	"    The certificate is not trusted.\r\n" +
	"    The other side said: 550 5.7.1 no\r\n" +
	"    Ask your administrator.\r\n" +
	"\r\n" +
	"c@c.example: delayed, we keep trying (4.4.1)\r\n" +
	"\r\n" +
	"--postern-01010101010101010101010101010101\r\n" +
	"Content-Type: message/delivery-status\r\n" +
	"\r\n" +
	"Reporting-MTA: dns; mx.a.example\r\n" +
	"X-Original-Message-ID: <1@a.example>\r\n" +
	"\r\n" +
	"Final-Recipient: rfc822;b@b.example\r\n" +
	"Action: failed\r\n" +
	"Status: 5.7.1\r\n" +
	"Diagnostic-Code: x-postern; untrusted-anchor\r\n" +
	"\r\n" +
	"Original-Recipient: rfc822;C@c.example\r\n" +
	"Final-Recipient: rfc822;c@c.example\r\n" +
	"Action: delayed\r\n" +
	"Status: 4.4.1\r\n" +
	"\r\n" +
	"--postern-01010101010101010101010101010101\r\n" +
	"Content-Type: text/rfc822-headers\r\n" +
	"\r\n" +
	"Message-ID: <1@a.example>\r\n" +
	"From: A <a@a.example>\r\n" +
	"To: b@b.example, c@c.example\r\n" +
	"\r\n" +
	"--postern-01010101010101010101010101010101--\r\n"

func TestDN23_DN24_AsWrittenAndReadAgain(t *testing.T) {
	n := notification(t)
	message, err := n.Compose(strings.NewReader(strings.Repeat("\x01", 16)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(failed, string(message)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err := Parse(bytes.NewReader(message), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if got.Original.MessageID() != "<1@a.example>" {
		t.Error("the original is not read")
	}
	got.Original, n.Original = nil, nil
	n.OriginalIDs = []string{n.OriginalMessageID}
	n.Recipients[0].Sentence, n.Recipients[0].Said, n.Recipients[0].Hint = "", "", ""
	if diff := cmp.Diff(n, *got, cmp.AllowUnexported(mime.Address{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What a nurse reads first must be true of her message.
func TestFirstLineOfTheText(t *testing.T) {
	b, c := addr(t, "b@b.example"), addr(t, "c@c.example")
	lost := Recipient{Final: b, Action: Failed, Status: "5.7.1"}
	late := Recipient{Final: b, Action: Delayed, Status: "4.4.7"}
	silent := Recipient{Final: c, Action: Failed, Status: "5.4.7", Unconfirmed: true}
	for want, recipients := range map[string][]Recipient{
		"Your message could not be delivered.\n\nb@b.example: failed (5.7.1)\n":                        {lost},
		"Your message could not be delivered to all of these recipients.\n":                            {lost, silent},
		"We have no confirmation that your message arrived.\n\nc@c.example: no confirmation (5.4.7)\n": {silent},
		"Your message is late. It has not failed.\n\nb@b.example: delayed, we keep trying (4.4.7)\n":   {late},
	} {
		n := Notification{Recipients: recipients}
		if got := n.text(); !strings.HasPrefix(got, want) {
			t.Errorf("%q does not begin with %q", got, want)
		}
	}
}

func TestTextMayLeaveASCII(t *testing.T) {
	n := notification(t)
	n.OriginalMessageID, n.Original = "", nil
	n.Recipients[0].Sentence = "Zertifikat\r\n--postern ungültig"
	message, err := n.Compose(nil)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(message, []byte("    Zertifikat --postern ung=C3=BCltig\r\n")) {
		t.Errorf("%s", message)
	}
}

func TestComposeRefusesWhatIsIncomplete(t *testing.T) {
	tests := map[string]func(*Notification){
		"no sender":            func(n *Notification) { n.From = mime.Address{} },
		"nobody to tell":       func(n *Notification) { n.To = mime.Address{} },
		"no date":              func(n *Notification) { n.Date = time.Time{} },
		"no Message-ID":        func(n *Notification) { n.MessageID = "" },
		"smuggled field":       func(n *Notification) { n.OriginalMessageID = "<1@a>\r\nX: y" },
		"no host":              func(n *Notification) { n.ReportingMTA = "" },
		"no recipients":        func(n *Notification) { n.Recipients = nil },
		"no address":           func(n *Notification) { n.Recipients[0].Final = mime.Address{} },
		"delivered":            func(n *Notification) { n.Recipients[0].Action = Delivered },
		"status of delay":      func(n *Notification) { n.Recipients[0].Status = "4.7.1" },
		"no status":            func(n *Notification) { n.Recipients[0].Status = "" },
		"odd status":           func(n *Notification) { n.Recipients[0].Status = "5.x.1" },
		"smuggled diagnostics": func(n *Notification) { n.Recipients[0].Diagnostic = "smtp; 550 no\r\nAction: x" },
	}
	for name, spoil := range tests {
		n := notification(t)
		spoil(&n)
		_, err := n.Compose(nil)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCP16_ParseOfOddForms(t *testing.T) {
	top := "From: postmaster@b.example\nIn-Reply-To: <1@a.example>\nContent-Type: multipart/report; boundary=x\n\n--x\n\ntext\n--x\nContent-Type: message/delivery-status\n\n"
	end := "\n--x\nContent-Type: message/rfc822\n\nMessage-ID: <7@a>\n\nbody\n--x--\n"
	one := func(s string, a Action, status string) []Recipient {
		return []Recipient{{Final: addr(t, s), Action: a, Status: status}}
	}
	tests := []struct {
		name, in, id string
		want         []Recipient
	}{
		{"usual", top + "Reporting-MTA: dns;x\nX-Original-Message-ID: <9@a>\n\nFinal-Recipient: rfc822; b@b.example\nAction: failed\nStatus: 5.1.1\n" + end,
			"<9@a>", one("b@b.example", Failed, "5.1.1")},
		{"one group for all", top + "Reporting-MTA: x\nfinal-recipient: B@b.example\nACTION: Failed (x)\nStatus: 5.1.1 (unknown)" + end,
			"<1@a.example>", one("B@b.example", Failed, "5.1.1")},
		{"blank lines within", top + "\n\nReporting-MTA: x\n \n\nFinal-Recipient: RFC822;<b@b.example>\n\nAction: failed\n\nStatus: 5.0.0\n\n" + end,
			"<1@a.example>", one("b@b.example", Failed, "5.0.0")},
		{"no action", top + "Final-Recipient: b@b.example\nStatus: 4.4.7" + end, "<1@a.example>", one("b@b.example", Delayed, "4.4.7")},
		{"original alone", strings.Replace(top, "In-Reply-To", "X", 1) + "Original-Recipient: rfc822;b@b.example\nAction: relayed" + end,
			"<7@a>", []Recipient{{Final: addr(t, "b@b.example"), Original: addr(t, "b@b.example"), Action: Relayed}}},
		{"unreadable recipient", top + "Final-Recipient: x400;/S=b\nAction: failed\nStatus: 5.1.1" + end, "<1@a.example>", []Recipient{{Action: Failed, Status: "5.1.1"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []string{tt.in, strings.ReplaceAll(tt.in, "\n", "\r\n")} {
				n, err := Parse(strings.NewReader(in), mime.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if n.OriginalMessageID != tt.id {
					t.Errorf("original %s, want %s", n.OriginalMessageID, tt.id)
				}
				if diff := cmp.Diff(tt.want, n.Recipients, cmp.AllowUnexported(mime.Address{})); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, in := range []string{
		"From: a@b.example\r\n\r\nFinal-Recipient: b@b.example\r\n",
		"Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n--x--",
	} {
		_, err := Parse(strings.NewReader(in), mime.Limits{})
		if !errors.Is(err, mime.ErrNotReport) {
			t.Errorf("%q: error %v", in, err)
		}
	}
}

func FuzzDSN(f *testing.F) {
	f.Add([]byte(failed))
	for _, raw := range oddFiles(f) {
		f.Add([]byte(raw))
	}
	f.Add([]byte("Content-Type: message/delivery-status\n\nFinal-Recipient: a@b.example\n\nStatus: 5.1.1\n"))
	f.Fuzz(func(t *testing.T, message []byte) {
		n, err := Parse(bytes.NewReader(message), mime.Limits{})
		if err != nil {
			return
		}
		n.Date = time.Unix(0, 0)
		again, err := n.Compose(nil)
		if err != nil {
			return
		}
		m, err := Parse(bytes.NewReader(again), mime.Limits{})
		if err != nil {
			t.Fatalf("composed %q: %v", again, err)
		}
		if len(m.Recipients) != len(n.Recipients) || n.OriginalMessageID != "" && m.OriginalMessageID != n.OriginalMessageID {
			t.Fatalf("%+v became %+v", n, m)
		}
	})
}
