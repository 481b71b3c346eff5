package dsn

import (
	"fmt"
	"strings"
	"testing"

	"postern/internal/testnet"
	"postern/mime"
)

// TestDN12_CP16_OddNotifications reads what agents and mail servers send, with
// white space, breaks, case, fields and senders other than they should be.
func TestDN12_CP16_OddNotifications(t *testing.T) {
	const usual = "<m1@a.example>: bob@b.example failed 5.1.1"
	odd := map[string]string{
		"odd-case":         "<m1@a.example>: BOB@b.example failed 5.1.1",
		"brackets-and-dot": "<m1@a.example>: Bob@b.example failed 5.1.1",
		"references-alone": "<m1@a.example> <m0@a.example>: bob@b.example failed 5.1.1",
		"no-status":        "<m1@a.example>: bob@b.example failed ",
		"mixed":            usual + "; ben@b.example delayed 4.4.1 until 2026-06-02; carol@b.example delivered 2.0.0",
		"no-recipient":     "",
	}
	for name, raw := range oddFiles(t) {
		t.Run(name, func(t *testing.T) {
			want, known := odd[name]
			if !known {
				want = usual
			}
			got := ""
			n, err := Parse(strings.NewReader(raw), mime.Limits{})
			if err == nil {
				got = strings.Join(n.OriginalIDs, " ") + ": " + described(n.Recipients)
			}
			if got != want {
				t.Errorf("%q, want %q, error %v", got, want, err)
			}
		})
	}
}

func described(all []Recipient) string {
	var words []string
	for _, r := range all {
		s := fmt.Sprintf("%s %s %s", r.Final, r.Action, r.Status)
		if !r.RetryUntil.IsZero() {
			s += " until " + r.RetryUntil.Format("2006-01-02")
		}
		words = append(words, s)
	}
	return strings.Join(words, "; ")
}

// oddFiles returns the messages of testdata/odd by their names.
func oddFiles(t testing.TB) map[string]string { return testnet.Messages(t, "testdata/odd", 15) }
