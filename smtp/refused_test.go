package smtp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The backend is told of the recipients that it refused once for an envelope, however
// that ends.
func TestRefusedRecipientsAreTold(t *testing.T) {
	const hello = "< 220\n> EHLO far.test\n< 250\n> MAIL FROM:<carol@far.test>\n< 250\n"
	const twoRefused = "> RCPT TO:<dave@near.test>\n< 550 5.1.1\n> RCPT TO:<erin@near.test>\n< 550 5.1.1\n"
	const both = "from carol@far.test, accepted [], refused dave@near.test unknown-recipient erin@near.test unknown-recipient"
	for name, row := range map[string]struct {
		script string
		want   []string
	}{
		"RSET, and another": {hello + twoRefused + "> RSET\n< 250\n> MAIL FROM:<frank@far.test>\n< 250\n> RCPT TO:<x@other.test>\n< 550\n> RSET\n< 250\n> RSET\n< 250\n",
			[]string{both, "from frank@far.test, accepted [], refused x@other.test not-our-domain"}},
		"taken for another": {hello + "> RCPT TO:<bob@near.test>\n< 250\n> RCPT TO:<dave@near.test>\n< 550\n> DATA\n< 354\n> x: y\n> \n> .\n< 250\n> NOOP\n< 250\n",
			[]string{"from carol@far.test, accepted [bob@near.test], refused dave@near.test unknown-recipient"}},
		"QUIT":       {hello + twoRefused + "> QUIT\n< 221\neof\n", []string{both}},
		"EHLO":       {hello + twoRefused + "> EHLO far.test\n< 250\n", []string{both}},
		"none":       {hello + "> RCPT TO:<bob@near.test>\n< 250\n> RSET\n< 250\n", nil},
		"no address": {hello + "> RCPT TO:<a@b@near.test>\n< 501\n> RSET\n< 250\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			h, addr := startBackbone(t)
			dial(t, addr).play(row.script)
			h.mu.Lock()
			defer h.mu.Unlock()
			if diff := cmp.Diff(row.want, h.refused); diff != "" {
				t.Error(diff)
			}
		})
	}
}
