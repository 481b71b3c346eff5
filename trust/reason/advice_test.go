package reason_test

import (
	"regexp"
	"testing"

	"postern/trust/reason"
)

// Whoever gets a failure notice is no operator: no command, no key of the
// configuration and no word of the trade may be in it.
func TestAdviceIsForSenders(t *testing.T) {
	trade := regexp.MustCompile(`(?i)postern|\b[a-z]+\.[a-z]+_|\b(DNS|LDAP|CRL|OCSP|MX|SMTP|S/MIME|certificate|anchor|bundle|key|queue|server|log)\b`)
	own := make(map[string]bool)
	for _, c := range reason.Codes() {
		text := c.Advice()
		if c.IsOK() {
			continue
		}
		if text == "" || len(text) > 200 {
			t.Errorf("%s: %q", c, text)
		}
		if found := trade.FindString(text); found != "" {
			t.Errorf("%s: %q is for operators", c, found)
		}
		own[text] = true
	}
	if len(own) < 15 {
		t.Errorf("%d sentences for all codes: some got none of their own", len(own))
	}
	if reason.Code("no-such-code").Advice() != reason.Internal.Advice() {
		t.Error("an unknown code has no advice")
	}
}
