package interop

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/mime"
	"postern/mime/dsn"
	"postern/mime/mdn"
)

// readReport is how an EHR in Python reads a notification: with nothing but the
// library's own parser, and no thought of what wrote it.
const readReport = `
import email, email.policy, json, sys
m = email.message_from_binary_file(sys.stdin.buffer, policy=email.policy.SMTP)
parts = m.get_payload()
report = parts[1].get_payload()
out = {
    "type": m.get_content_type(), "report": m.get_param("report-type"),
    "parts": [p.get_content_type() for p in parts],
    "reply": m["In-Reply-To"], "auto": m["Auto-Submitted"],
    "groups": [dict(g.items()) for g in report] if isinstance(report, list) else report,
    "defects": [str(d) for p in m.walk() for d in p.defects],
}
json.dump(out, sys.stdout)
`

type pythonReport struct {
	Type, Report string
	Parts        []string
	Reply, Auto  string
	Groups       []map[string]string
	Defects      []string
}

func readByPython(t *testing.T, message []byte) pythonReport {
	t.Helper()
	testnet.Require(t, "python3")
	cmd := exec.Command("python3", "-c", readReport)
	cmd.Stdin = bytes.NewReader(message)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("python3: %v\n%s", err, stderr.String())
	}
	var r pythonReport
	err = json.Unmarshal(out, &r)
	if err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return r
}

func reportAddress(t *testing.T, s string) mime.Address {
	t.Helper()
	a, err := mime.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// AS-89 to AS-91, DN-5, DN-7, DN-9: our notifications as another reader has them.
func TestAS89_AS91_DN5_PythonReadsOurMDNs(t *testing.T) {
	bob := reportAddress(t, "bob@b.example")
	for d, final := range map[mdn.Disposition]bool{mdn.Processed: false, mdn.Dispatched: true, mdn.Failed: false} {
		n := mdn.Notification{
			From: bob, To: []mime.Address{reportAddress(t, "alice@a.example")}, MessageID: "<n@b.example>",
			Date: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), ReportingUA: "mx.b.example; Postern", FinalRecipient: bob,
			OriginalMessageID: "<" + strings.Repeat("long", 60) + "@a.example>", Disposition: d, FinalDestination: final,
		}
		message, err := n.Compose(nil)
		if err != nil {
			t.Fatal(err)
		}
		want := pythonReport{
			Type: "multipart/report", Report: "disposition-notification",
			Parts: []string{"text/plain", "message/disposition-notification"},
			Reply: n.OriginalMessageID, Auto: "auto-replied",
			Groups: []map[string]string{{
				"Reporting-UA": "mx.b.example; Postern", "Final-Recipient": "rfc822;bob@b.example",
				"Original-Message-ID": n.OriginalMessageID,
				"Disposition":         "automatic-action/MDN-sent-automatically; " + string(d),
			}},
			Defects: []string{},
		}
		if final {
			want.Groups[0]["X-DIRECT-FINAL-DESTINATION-DELIVERY"] = ""
		}
		if diff := cmp.Diff(want, readByPython(t, message)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d, diff)
		}
	}
}

// DN-23, DN-25: our failure notices as another reader has them.
func TestDN23_DN25_PythonReadsOurDSNs(t *testing.T) {
	n := dsn.Notification{
		From: reportAddress(t, "postmaster@a.example"), To: reportAddress(t, "alice@a.example"), MessageID: "<n@a.example>",
		Date: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), ReportingMTA: "mx.a.example", OriginalMessageID: "<m1@a.example>",
		Recipients: []dsn.Recipient{
			{Final: reportAddress(t, "bob@b.example"), Action: dsn.Failed, Status: "5.4.7", Diagnostic: "x-postern; no-processed", Sentence: "s", Hint: "h"},
			{Final: reportAddress(t, "carol@c.example"), Action: dsn.Delayed, Status: "4.4.7", RetryUntil: time.Date(2026, 6, 4, 12, 0, 0, 0, time.UTC)},
		},
	}
	message, err := n.Compose(nil)
	if err != nil {
		t.Fatal(err)
	}
	want := pythonReport{
		Type: "multipart/report", Report: "delivery-status", Parts: []string{"text/plain", "message/delivery-status"},
		Reply: "<m1@a.example>", Auto: "auto-replied",
		Groups: []map[string]string{
			{"Reporting-MTA": "dns; mx.a.example", "X-Original-Message-ID": "<m1@a.example>"},
			{"Final-Recipient": "rfc822;bob@b.example", "Action": "failed", "Status": "5.4.7", "Diagnostic-Code": "x-postern; no-processed"},
			{"Final-Recipient": "rfc822;carol@c.example", "Action": "delayed", "Status": "4.4.7", "Will-Retry-Until": "Thu, 04 Jun 2026 12:00:00 +0000"},
		},
		Defects: []string{},
	}
	if diff := cmp.Diff(want, readByPython(t, message)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
