package mailbox_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/audit"
	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/pickup"
	"postern/store"
)

// What the owner removes is recorded once for each command, and by a number where
// the name of the mailbox could be a patient's.
func TestAuditOfWhatTheOwnerRemoves(t *testing.T) {
	r := newReading(t, 5)
	auth := letIn(r.account)
	b := mailbox.New(r, auth, mailbox.Options{Now: func() time.Time { return r.now }})
	u, err := b.Login(t.Context(), login.Attempt{Client: login.Client{Remote: netip.MustParseAddr("192.0.2.7")}})
	r.must(err)
	r.must(u.Create(t.Context(), "Jane Doe"))
	inbox := open(t, u, store.Inbox)
	_, err = inbox.Copy(t.Context(), []uint32{5}, "Jane Doe")
	r.must(err)
	_, err = inbox.SetFlags(t.Context(), []uint32{1, 2, 4}, pickup.FlagChange{Op: pickup.AddFlags, Flags: []string{`\Deleted`}})
	r.must(err)
	r.must(inbox.Expunge(t.Context(), []uint32{1, 2, 3, 4, 5}))
	r.must(inbox.Expunge(t.Context(), []uint32{3, 5})) // neither is to go
	r.must(u.Delete(t.Context(), "Jane Doe"))
	var got []audit.Record
	for _, rec := range r.trail {
		if rec.Action == audit.Removed {
			got = append(got, rec)
		}
	}
	want := []audit.Record{
		{At: r.now, Actor: "account:alice@a.example", Action: audit.Removed, Object: "INBOX", Detail: "3 messages, over IMAP from 192.0.2.7, UID 1:2,4"},
		{At: r.now, Actor: "account:alice@a.example", Action: audit.Removed, Object: "mailbox 2", Detail: "the mailbox with 1 messages, over IMAP from 192.0.2.7"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
