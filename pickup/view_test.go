package pickup

import (
	"context"
	"fmt"
	"testing"

	"github.com/emersion/go-imap/v2"
	"github.com/google/go-cmp/cmp"
)

// A listing is a mailbox that has forgotten its changes.
type listing struct {
	Mailbox
	info     MailboxInfo
	messages []Message
}

func (l *listing) Snapshot(context.Context) (MailboxInfo, []Message, error) {
	return l.info, append([]Message(nil), l.messages...), nil
}

func (l *listing) Changes(context.Context, uint64) (Changes, error) {
	return Changes{}, fmt.Errorf("asking: %w", ErrPruned)
}

// told collects what a client is told.
type told []string

func (t *told) add(format string, args ...any) error {
	*t = append(*t, fmt.Sprintf(format, args...))
	return nil
}
func (t *told) WriteExpunge(n uint32) error               { return t.add("%d EXPUNGE", n) }
func (t *told) WriteNumMessages(n uint32) error           { return t.add("%d EXISTS", n) }
func (t *told) WriteMailboxFlags(flags []imap.Flag) error { return t.add("FLAGS %d", len(flags)) }
func (t *told) WriteMessageFlags(n uint32, uid imap.UID, flags []imap.Flag) error {
	return t.add("%d FETCH %d %v", n, uid, flags)
}

// When changes are no longer recorded, listings are compared.
func TestPrunedChanges(t *testing.T) {
	ctx := context.Background()
	box := &listing{info: MailboxInfo{ModSeq: 4}, messages: []Message{
		{UID: 2, ModSeq: 1}, {UID: 4, ModSeq: 2}, {UID: 5, ModSeq: 3}, {UID: 9, ModSeq: 4},
	}}
	v, err := openView(ctx, box, false)
	if err != nil {
		t.Fatal(err)
	}
	box.info.ModSeq = 40
	box.messages = []Message{
		{UID: 4, ModSeq: 30, Flags: []string{`\Seen`}}, {UID: 5, ModSeq: 3}, {UID: 12, ModSeq: 40, Flags: []string{"new"}},
	}
	var got told
	err = v.refresh(ctx)
	if err == nil {
		err = v.tell(&got, false)
	}
	if err == nil {
		err = v.tell(&got, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	want := told{"5 EXISTS", "FLAGS 6", "2 FETCH 4 [\\Seen]", "4 EXPUNGE", "1 EXPUNGE"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(v.entries) != 3 || v.told != 3 || v.modSeq != 40 {
		t.Errorf("%d entries, %d told, modseq %d", len(v.entries), v.told, v.modSeq)
	}
}

func TestResolve(t *testing.T) {
	v := &view{saved: []uint32{4, 7, 9}}
	for _, uid := range []uint32{2, 4, 5, 9} {
		v.entries = append(v.entries, entry{Message: Message{UID: uid}})
	}
	for _, tc := range []struct {
		set  imap.NumSet
		want []int
	}{
		{imap.SeqSet{{Start: 1, Stop: 2}}, []int{0, 1}},
		{imap.SeqSet{{Start: 0, Stop: 0}}, []int{3}},
		{imap.SeqSet{{Start: 3, Stop: 0}}, []int{2, 3}},
		{imap.SeqSet{{Start: 9, Stop: 0}}, []int{3}},
		{imap.SeqSet{{Start: 5, Stop: 9}}, nil},
		{imap.SeqSet{{Start: 2, Stop: 4}, {Start: 1, Stop: 3}}, []int{0, 1, 2, 3}},
		{imap.SeqSet{{Start: 1, Stop: 4294967295}}, []int{0, 1, 2, 3}},
		{imap.UIDSet{{Start: 3, Stop: 5}}, []int{1, 2}},
		{imap.UIDSet{{Start: 100, Stop: 0}}, []int{3}},
		{imap.UIDSet{{Start: 6, Stop: 8}}, nil},
		{imap.SearchRes(), []int{1, 3}},
	} {
		if diff := cmp.Diff(tc.want, v.resolve(tc.set)); diff != "" {
			t.Errorf("%v: %s", tc.set, diff)
		}
	}
	empty := &view{}
	if got := empty.resolve(imap.SeqSet{{Start: 1, Stop: 0}}); len(got) != 0 {
		t.Errorf("1:* of an empty mailbox: %v", got)
	}
}
