package mime

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// One Message-ID in many spellings is one, and no more than a few are read.
func TestDN12_MessageIDsAreDistinctInAnyCase(t *testing.T) {
	var many strings.Builder
	for i := range 100 {
		fmt.Fprintf(&many, " <%d@a.example>", i)
	}
	for name, tt := range map[string]struct {
		references string
		want       int
	}{
		"spellings": {strings.Repeat("<ABC@a.example> <abc@A.example> <aBc@a.EXAMPLE> ", 7), 1},
		"many":      {many.String(), maxReplies},
	} {
		t.Run(name, func(t *testing.T) {
			h := new(Header)
			err := h.Set("References", tt.references)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, len(RepliesTo(h))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
