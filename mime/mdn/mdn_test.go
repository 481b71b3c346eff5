package mdn

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

func header(t testing.TB, s string) *mime.Header {
	t.Helper()
	h, err := mime.ReadHeader(bufio.NewReader(strings.NewReader(s+"\r\n")), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func notification(t testing.TB, d Disposition) Notification {
	t.Helper()
	original := header(t, "From: Dr. A <a@a.example>\r\nTo: b@b.example\r\nMessage-ID: <1@a.example>\r\nSubject: Jane Doe\r\n")
	n, err := Answer(original, addr(t, "b@b.example"), d)
	if err != nil {
		t.Fatal(err)
	}
	n.MessageID = "<2@b.example>"
	n.Date = time.Date(2026, 11, 22, 4, 5, 6, 0, time.UTC)
	n.ReportingUA = "mx.b.example; Postern"
	n.FinalDestination = d == Dispatched
	return n
}

func compose(t testing.TB, n Notification) string {
	t.Helper()
	message, err := n.Compose(strings.NewReader(strings.Repeat("\x01", 16)))
	if err != nil {
		t.Fatal(err)
	}
	return string(message)
}

const dispatched = "From: b@b.example\r\n" +
	"To: a@a.example\r\n" +
	"Date: Sun, 22 Nov 2026 04:05:06 +0000\r\n" +
	"Message-ID: <2@b.example>\r\n" +
	"In-Reply-To: <1@a.example>\r\n" +
	"References: <1@a.example>\r\n" +
	"Subject: Delivered: your message to b@b.example\r\n" +
	"Auto-Submitted: auto-replied\r\n" +
	"MIME-Version: 1.0\r\n" +
	"Content-Type: multipart/report; report-type=disposition-notification;\r\n" +
	" boundary=\"postern-01010101010101010101010101010101\"\r\n" +
	"\r\n" +
	"--postern-01010101010101010101010101010101\r\n" +
	"Content-Type: text/plain; charset=us-ascii\r\n" +
	"Content-Transfer-Encoding: 7bit\r\n" +
	"\r\n" +
	"Your message was delivered to the mailbox of b@b.example.\r\n" +
	"This does not say that it was read.\r\n" +
	"\r\n" +
	"--postern-01010101010101010101010101010101\r\n" +
	"Content-Type: message/disposition-notification\r\n" +
	"\r\n" +
	"Reporting-UA: mx.b.example; Postern\r\n" +
	"Final-Recipient: rfc822;b@b.example\r\n" +
	"Original-Message-ID: <1@a.example>\r\n" +
	"Disposition: automatic-action/MDN-sent-automatically; dispatched\r\n" +
	"X-DIRECT-FINAL-DESTINATION-DELIVERY:\r\n" +
	"\r\n" +
	"--postern-01010101010101010101010101010101--\r\n"

func TestDN5_DN7_DispatchedAsWritten(t *testing.T) {
	if diff := cmp.Diff(dispatched, compose(t, notification(t, Dispatched))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAS88_AS89_AS90_AS91_CP30_ComposedForms(t *testing.T) {
	long := strings.Repeat("l", 64) + "@" + strings.Repeat(strings.Repeat("d", 60)+".", 3) + "example"
	for d, line := range map[Disposition]string{
		Processed:  "\r\nDisposition: automatic-action/MDN-sent-automatically; processed\r\n",
		Dispatched: "\r\nDisposition: automatic-action/MDN-sent-automatically; dispatched\r\n",
		Failed:     "\r\nDisposition: automatic-action/MDN-sent-automatically; failed\r\n",
	} {
		n := notification(t, d)
		n.OriginalMessageID = "<" + strings.Repeat("i", 200) + "@a.example>"
		n.FinalRecipient = addr(t, long)
		n.OriginalRecipient = addr(t, "B@b.example")
		message := compose(t, n)
		for _, want := range []string{line, "\r\nOriginal-Message-ID: " + n.OriginalMessageID + "\r\n",
			"\r\nFinal-Recipient: rfc822;" + long + "\r\n", "\r\nOriginal-Recipient: rfc822;B@b.example\r\n"} {
			if !strings.Contains(message, want) {
				t.Errorf("%s lacks %q", d, want)
			}
		}
		if strings.Contains(message, NotificationTo) || strings.Contains(message, "Jane Doe") {
			t.Errorf("%s asks for a notification or names the patient", d)
		}
		got, err := Parse(strings.NewReader(message), mime.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		n.OriginalIDs = []string{n.OriginalMessageID}
		if diff := cmp.Diff(n, *got, cmp.AllowUnexported(mime.Address{})); diff != "" {
			t.Errorf("%s read again (-want +got):\n%s", d, diff)
		}
		if got.Failure() != (d == Failed) {
			t.Errorf("%s: Failure is %t", d, got.Failure())
		}
	}
}

func TestComposeRefusesWhatIsIncomplete(t *testing.T) {
	tests := map[string]func(*Notification){
		"no sender":              func(n *Notification) { n.From = mime.Address{} },
		"nobody to tell":         func(n *Notification) { n.To = nil },
		"no recipient":           func(n *Notification) { n.FinalRecipient = mime.Address{} },
		"no date":                func(n *Notification) { n.Date = time.Time{} },
		"bare Message-ID":        func(n *Notification) { n.MessageID = "2@b.example" },
		"no original Message-ID": func(n *Notification) { n.OriginalMessageID = "" },
		"smuggled field":         func(n *Notification) { n.OriginalMessageID = "<1@a>\r\nX: y" },
		"smuggled in the agent":  func(n *Notification) { n.ReportingUA = "x\r\nDisposition: y" },
		"displayed":              func(n *Notification) { n.Disposition = Displayed },
		"DN-6":                   func(n *Notification) { n.FinalDestination = true },
	}
	for name, spoil := range tests {
		n := notification(t, Processed)
		spoil(&n)
		_, err := n.Compose(nil)
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	n := notification(t, Processed)
	if _, err := n.Compose(strings.NewReader("")); err == nil {
		t.Error("no randomness, no error")
	}
}

func TestAS86_AS92_AnswersGoOnceToWhoAsked(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string
		err      bool
	}{
		{"From", "From: a@a.example\r\nMessage-ID: <1@a>\r\n", []string{"a@a.example"}, false},
		{"the request wins", "From: a@a.example\r\nDisposition-Notification-To: <n@a.example>, N@a.example\r\nMessage-ID: <1@a>\r\n", []string{"n@a.example"}, false},
		{"empty request", "From: a@a.example\r\nDisposition-Notification-To:\r\nMessage-ID: <1@a>\r\n", []string{"a@a.example"}, false},
		{"an MDN", "From: a@a.example\r\nMessage-ID: <1@a>\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\r\n", nil, true},
		{"automatic", "From: a@a.example\r\nMessage-ID: <1@a>\r\nAuto-Submitted: auto-generated\r\n", []string{"a@a.example"}, false}, // AS-85
		{"no id", "From: a@a.example\r\n", nil, true},
		{"nobody", "Message-ID: <1@a>\r\n", nil, true},
		{"no address", "From: nobody\r\nMessage-ID: <1@a>\r\n", nil, true},
		{"unreadable request", "From: a@a.example\r\nDisposition-Notification-To: Dr. A\r\nMessage-ID: <1@a>\r\n", []string{"a@a.example"}, false},
		{"a crowd", "From: a@a.example, b@a.example, c@a.example, d@a.example, e@a.example, f@a.example, g@a.example, h@a.example, i@a.example, j@a.example, k@a.example\r\nMessage-ID: <1@a>\r\n", nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := Answer(header(t, tt.in), addr(t, "b@b.example"), Processed)
			if tt.err != errors.Is(err, ErrUnanswerable) || tt.err != (err != nil) {
				t.Fatalf("error %v", err)
			}
			var got []string
			for _, a := range n.To {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDN3_CP18_WantsFinalDelivery(t *testing.T) {
	for value, want := range map[string]bool{
		"X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,true":                    true,
		"x-direct-final-destination-delivery = Optional , TRUE":                true,
		"other=required,1; X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,true;": true,
		"X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,false":                   false,
		"X-DIRECT-FINAL-DESTINATION-DELIVERY=required,true":                    false,
		"X-DIRECT-FINAL-DESTINATION-DELIVERY=true":                             false,
		"X-DIRECT-FINAL-DESTINATION-DELIVERY":                                  false,
		"X-XXXX-FINAL-X-DELXXXX=optional,true":                                 false,
		"":                                                                     false,
	} {
		if got := WantsFinalDelivery(header(t, NotificationOptions+": "+value+"\r\n")); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
	if WantsFinalDelivery(header(t, "A: b\r\n")) {
		t.Error("wanted without the field")
	}
}

func TestCP14_CP16_ParseOfOddForms(t *testing.T) {
	top := "From: B <b@b.example>\nIn-Reply-To: <1@a.example>\nContent-Type: multipart/report; boundary=x\n\n--x\n\ntext\n"
	end := "\n--x--\n"
	tests := []struct {
		name, in    string
		id, final   string
		disposition Disposition
		failure     bool
	}{
		{"fields in the header of the part", top + "--x\nContent-Type: message/disposition-notification\nFinal-Recipient: b@b.example\nOriginal-Message-ID: <9@a>\nDisposition: x/y;processed\n\n" + end,
			"<9@a>", "b@b.example", Processed, false},
		{"no id, other case, odd space", top + "--x\nContent-Type: Message/Disposition-Notification\n\nFINAL-RECIPIENT :  RFC822 ; <B@b.example> \nDisposition: automatic-action/MDN-sent-automatically;Processed" + end,
			"<1@a.example>", "B@b.example", Processed, false},
		{"blank lines between", top + "--x\nContent-Type: message/disposition-notification\n\n\n \nFinal-Recipient: rfc822;b@b.example\n\n\nOriginal-Message-ID: 9@a\n\nDisposition: a/b;\n dispatched\n" + end,
			"<9@a>", "b@b.example", Dispatched, false},
		{"base64", top + "--x\nContent-Type: message/disposition-notification\nContent-Transfer-Encoding: base64\n\nRGlzcG9zaXRpb246IGEvYjsgZGlzcGxheWVk\n" + end,
			"<1@a.example>", "", Displayed, false},
		{"modifier", top + "--x\nContent-Type: message/disposition-notification\n\nDisposition: a/b; processed/Error, x\nnot a field\n" + end,
			"<1@a.example>", "", Processed, true},
		{"failure", top + "--x\nContent-Type: message/disposition-notification\n\nDisposition: failure\n" + end,
			"<1@a.example>", "", "failure", true},
		{"bare report", "Content-Type: message/disposition-notification\n\nDisposition: a/b; denied\n", "", "", "denied", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, in := range []string{tt.in, strings.ReplaceAll(tt.in, "\n", "\r\n")} {
				n, err := Parse(strings.NewReader(in), mime.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if n.OriginalMessageID != tt.id || n.FinalRecipient.String() != tt.final || n.Disposition != tt.disposition || n.Failure() != tt.failure {
					t.Errorf("got %+v", n)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	report := "Content-Type: multipart/report; boundary=x\r\n\r\n--x\r\n"
	attached := strings.Replace(dispatched, "X-", "Y-", 1)
	for name, tt := range map[string]struct {
		in   string
		want error
	}{
		"plain mail":          {"From: a@b.example\r\n\r\nDisposition: a/b; processed\r\n", mime.ErrNotReport},
		"an attached MDN":     {report + "Content-Type: message/rfc822\r\n\r\n" + attached + "\r\n--x--\r\n", mime.ErrNotReport},
		"multipart/mixed":     {strings.Replace(dispatched, "multipart/report", "multipart/mixed", 1), mime.ErrNotReport},
		"no disposition":      {report + "Content-Type: message/disposition-notification\r\n\r\nFinal-Recipient: b@b.example\r\n--x--", mime.ErrNotReport},
		"a DSN":               {report + "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\n--x--", mime.ErrNotReport},
		"a report too long":   {report + "Content-Type: message/disposition-notification\r\n\r\n" + strings.Repeat("X: y\r\n", 1<<17), mime.ErrLimit},
		"too many fields":     {report + "Content-Type: message/disposition-notification\r\n\r\n" + strings.Repeat("X: y\r\n", 2000), mime.ErrLimit},
		"an unknown encoding": {report + "Content-Type: message/disposition-notification\r\nContent-Transfer-Encoding: x\r\n\r\nX: y\r\n", mime.ErrEncoding},
	} {
		_, err := Parse(strings.NewReader(tt.in), mime.Limits{})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
}

func FuzzMDN(f *testing.F) {
	f.Add([]byte(dispatched))
	for _, raw := range oddFiles(f) {
		f.Add([]byte(raw))
	}
	f.Add([]byte("Content-Type: message/disposition-notification\n\nDisposition: a/b; x/y,z\n"))
	f.Fuzz(func(t *testing.T, message []byte) {
		n, err := Parse(bytes.NewReader(message), mime.Limits{})
		if err != nil {
			return
		}
		n.Failure()
		n.Date = time.Unix(0, 0)
		again, err := n.Compose(nil)
		if err != nil {
			return
		}
		m, err := Parse(bytes.NewReader(again), mime.Limits{})
		if err != nil {
			t.Fatalf("composed %q: %v", again, err)
		}
		if m.OriginalMessageID != n.OriginalMessageID || m.FinalRecipient != n.FinalRecipient || m.Disposition != n.Disposition {
			t.Fatalf("%+v became %+v", n, m)
		}
	})
}
