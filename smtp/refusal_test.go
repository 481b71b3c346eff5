package smtp

import (
	"errors"
	"fmt"
	"testing"

	"postern/trust/reason"
)

// A refusal says which field is wrong, and nothing else of what went wrong.
func TestRefusalNamesTheField(t *testing.T) {
	for want, err := range map[string]error{
		"550 5.6.0 the message's header is not valid: To\r\n": fmt.Errorf("accepting: %w", reason.New(reason.BadHeader, "reading To: %w", errors.New("secret")).In("To")),
		"550 5.6.0 the message's header is not valid\r\n":     reason.New(reason.BadHeader, "secret"),
	} {
		if got := string(refusal(err, "").appendTo(nil)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
