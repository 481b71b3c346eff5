package mdn

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
	"postern/mime"
)

// An oddity is what is to be read from a file of testdata/odd.
type oddity struct {
	ids, recipient string
	disposition    Disposition
	final, failure bool
}

const m1 = "<m1@a.example>"

// TestDN12_CP14_CP16_OddNotifications reads what agents send, and validators, with
// white space, breaks, case, fields and senders other than they should be.
func TestDN12_CP14_CP16_OddNotifications(t *testing.T) {
	usual := oddity{m1, "bob@b.example", Processed, false, false}
	but := func(change func(*oddity)) oddity { o := usual; change(&o); return o }
	is := func(d Disposition, failure bool) oddity {
		return but(func(o *oddity) { o.disposition, o.failure = d, failure })
	}
	odd := map[string]oddity{
		"odd-case":                 but(func(o *oddity) { o.recipient = "BOB@b.example" }),
		"references-alone":         but(func(o *oddity) { o.ids = m1 + " <m0@a.example>" }),
		"other-original-id":        but(func(o *oddity) { o.ids = "<unknown@x.example> " + m1 }),
		"no-final-recipient":       but(func(o *oddity) { o.recipient = "" }),
		"original-recipient-alone": but(func(o *oddity) { o.recipient = "original bob@b.example" }),
		"failure":                  is("failure", true),
		"error-modifier":           is(Processed, true),
		"denied":                   is("denied", true),
		"dispatched-plain":         is(Dispatched, false),
		"displayed":                is(Displayed, false),
		"dispatched":               but(func(o *oddity) { o.disposition, o.final = Dispatched, true }),
		"dispatched-odd-extension": but(func(o *oddity) { o.disposition, o.final = Dispatched, true }),
		"no-disposition":           {}, // it is none
	}
	for name, raw := range oddFiles(t) {
		t.Run(name, func(t *testing.T) {
			want, known := odd[name]
			if !known {
				want = usual
			}
			var got oddity
			n, err := Parse(strings.NewReader(raw), mime.Limits{})
			if err == nil {
				got = oddity{strings.Join(n.OriginalIDs, " "), n.FinalRecipient.String(), n.Disposition, n.FinalDestination, n.Failure()}
				if n.FinalRecipient.IsZero() && !n.OriginalRecipient.IsZero() {
					got.recipient = "original " + n.OriginalRecipient.String()
				}
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(oddity{})); diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// oddFiles returns the messages of testdata/odd by their names.
func oddFiles(t testing.TB) map[string]string { return testnet.Messages(t, "testdata/odd", 30) }
