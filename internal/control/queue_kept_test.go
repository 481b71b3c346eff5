package control

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"postern/internal/audit"
	"postern/store"
)

// keeping is a server with two kept originals, from a.example and from c.example, of
// which the latter is held, and a message from a.example that is being opened.
func keeping(t *testing.T) (s *server, ids []store.JobID) {
	t.Helper()
	s = ours(t, "b.example")
	for _, j := range []store.Job{
		{Kind: store.KeptJob, Sender: addressOf(t, "alice@a.example"), Attempts: 3, Reason: "untrusted-anchor"},
		{Kind: store.KeptJob, Sender: addressOf(t, "carl@c.example"), Held: true},
		{Kind: store.OpenJob, Sender: addressOf(t, "alice@a.example")},
	} {
		j.Recipients = addresses(t, "bob@b.example")
		ids = append(ids, s.enqueue(t, j))
	}
	return s, ids
}

// Kept originals are judged again if they are named, or wanted alone.
func TestQueueRetryOfKept(t *testing.T) {
	for name, row := range map[string]struct {
		order  func(ids []store.JobID) QueueOrder
		judged []int // of ids
		jobs   int
	}{
		"all":             {func([]store.JobID) QueueOrder { return QueueOrder{All: true} }, nil, 1},
		"from":            {func([]store.JobID) QueueOrder { return QueueOrder{From: "a.example"} }, nil, 1},
		"kept from":       {func([]store.JobID) QueueOrder { return QueueOrder{From: "a.example", Kept: true} }, []int{0}, 1},
		"kept to":         {func([]store.JobID) QueueOrder { return QueueOrder{To: "bob@b.example", Kept: true} }, []int{0, 1}, 2},
		"all kept":        {func([]store.JobID) QueueOrder { return QueueOrder{All: true, Kept: true} }, []int{0, 1}, 2},
		"by id":           {func(ids []store.JobID) QueueOrder { return QueueOrder{IDs: []string{fmt.Sprint(ids[0])}} }, []int{0}, 1},
		"by id, held":     {func(ids []store.JobID) QueueOrder { return QueueOrder{IDs: []string{fmt.Sprint(ids[1])}} }, []int{1}, 1},
		"kept, and by id": {func(ids []store.JobID) QueueOrder { return QueueOrder{IDs: []string{fmt.Sprint(ids[1])}, Kept: true} }, []int{1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, ids := keeping(t)
			changed, err := s.RetryQueued(t.Context(), row.order(ids))
			must(t, err)
			equal(t, "changed", changed, QueueChanged{Jobs: row.jobs, Judged: len(row.judged)})
			var judged []int
			for i, id := range ids[:2] {
				if j := s.job(t, id); j.Kind == store.OpenJob {
					judged = append(judged, i)
					equal(t, "held before", j.Kept.Held, i == 1)
					equal(t, "attempts", j.Attempts, 0)
					s.isTraced(t, j.Track, fmt.Sprintf("kept job %d judged again", id))
				}
			}
			equal(t, "judged again", judged, row.judged)
		})
	}
	s, ids := keeping(t)
	_, err := s.RetryQueued(t.Context(), QueueOrder{IDs: []string{fmt.Sprint(ids[2])}, Kept: true})
	isRefused(t, "not kept", err, Negative)
}

// isTraced fails unless the audit trail and the track tell of a deed.
func (s *server) isTraced(t *testing.T, track store.TrackID, what string) {
	t.Helper()
	me := fmt.Sprintf("operator:%d", os.Getuid())
	found := ""
	must(t, s.ShowAudit(t.Context(), AuditFilter{Track: string(track)}, func(_ []byte, e *audit.Entry) error {
		found = e.Actor + " " + strings.TrimSpace(e.Object+" "+e.Detail)
		return nil
	}))
	if !strings.HasPrefix(found, me+" "+what) {
		t.Errorf("the trail says %q", found)
	}
	must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
		events, err := tx.Events(track)
		if len(events) == 0 || !strings.HasSuffix(events[len(events)-1].Detail, " by "+me) {
			t.Errorf("the track says %+v", events)
		}
		return err
	}))
}

// What is done with many leaves kept originals as they are, such as one that is held
// for a dispute, unless they are wanted alone.
func TestQueueDeedsOfManyLeaveWhatIsKept(t *testing.T) {
	s, ids := keeping(t)
	held := func() (held []bool) {
		for _, id := range ids {
			held = append(held, s.job(t, id).Held)
		}
		return held
	}
	for _, row := range []struct {
		name  string
		do    func(context.Context, QueueOrder) (QueueChanged, error)
		order QueueOrder
		want  []bool
	}{
		{"release all", s.ReleaseQueued, QueueOrder{All: true}, []bool{false, true, false}},
		{"release to", s.ReleaseQueued, QueueOrder{To: "b.example"}, []bool{false, true, false}},
		{"hold to", s.HoldQueued, QueueOrder{To: "b.example"}, []bool{false, true, true}},
		{"hold kept", s.HoldQueued, QueueOrder{From: "a.example", Kept: true}, []bool{true, true, true}},
		{"release from", s.ReleaseQueued, QueueOrder{From: "a.example"}, []bool{true, true, false}},
		{"release kept", s.ReleaseQueued, QueueOrder{From: "a.example", Kept: true}, []bool{false, true, false}},
		{"release by id", s.ReleaseQueued, QueueOrder{IDs: []string{fmt.Sprint(ids[1])}}, []bool{false, false, false}},
	} {
		changed, err := row.do(t.Context(), row.order)
		must(t, err)
		equal(t, row.name, held(), row.want)
		equal(t, row.name, changed.Judged, 0)
	}
}

// Many are dropped only of what an operator holds, or is kept: their senders are told
// as by id. What is kept and held goes only where it is named, or --held is given.
func TestQueueDropOfMany(t *testing.T) {
	for name, row := range map[string]struct {
		order   QueueOrder
		left    []int // of the jobs below
		notices int
	}{
		"held from":         {QueueOrder{From: "alice@a.example", Held: true}, []int{2, 3, 4, 5, 6}, 2},
		"held to, silently": {QueueOrder{To: "b.example", Held: true, Silent: true}, []int{2, 3, 4, 5}, 0},
		"kept from":         {QueueOrder{From: "z.example", Kept: true}, []int{0, 1, 2, 3, 5, 6}, 0},
		"kept and held":     {QueueOrder{From: "z.example", Kept: true, Held: true}, []int{0, 1, 2, 3, 4, 6}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := ours(t, "a.example")
			must(t, s.AddAccount(t.Context(), "alice@a.example", []byte("correct horse battery")))
			var ids []store.JobID
			for _, j := range []store.Job{
				{Kind: store.RelayJob, Sender: addressOf(t, "alice@a.example"), Destination: "b.example", Held: true},
				{Kind: store.SealJob, Sender: addressOf(t, "alice@a.example"), Held: true},
				{Kind: store.SealJob, Sender: addressOf(t, "alice@a.example")},
				{Kind: store.SealJob, Sender: addressOf(t, "alice@a.example"), Waits: true},
				{Kind: store.KeptJob, Sender: addressOf(t, "zoe@z.example")},
				{Kind: store.KeptJob, Sender: addressOf(t, "zoe@z.example"), Held: true},
				{Kind: store.RelayJob, Sender: addressOf(t, "carl@a.example"), Destination: "b.example", Held: true},
			} {
				j.Recipients = addresses(t, "bob@b.example")
				ids = append(ids, s.enqueue(t, j))
			}
			changed, err := s.DropQueued(t.Context(), row.order)
			must(t, err)
			equal(t, "dropped", changed.Jobs, len(ids)-len(row.left))
			jobs, err := s.Queue(t.Context())
			must(t, err)
			var left []int
			for _, j := range jobs {
				left = append(left, slices.Index(ids, j.ID))
			}
			equal(t, "left", left, row.left)
			notices := 0
			must(t, s.core.Store.View(t.Context(), func(tx store.Tx) error {
				notices = 0
				inbox, err := tx.MailboxByName(addressOf(t, "alice@a.example"), store.Inbox)
				must(t, err)
				return tx.EachMessage(inbox.ID, 1, func(store.Message) bool { notices++; return true })
			}))
			equal(t, "notices", notices, row.notices)
			report, err := s.Check(t.Context())
			must(t, err)
			equal(t, "problems", len(report.Problems), 0)
		})
	}
	k, kept := keeping(t)
	changed, err := k.DropQueued(t.Context(), QueueOrder{IDs: []string{fmt.Sprint(kept[1])}})
	must(t, err)
	equal(t, "a held one by its id", changed.Jobs, 1)
	s, _ := queued(t)
	for name, order := range map[string]QueueOrder{
		"all": {All: true, Held: true}, "from": {From: "a.example"}, "nobody": {Held: true},
	} {
		_, err := s.DropQueued(t.Context(), order)
		isRefused(t, name, err, Invalid)
	}
}

func TestQueueListOfKept(t *testing.T) {
	s, _ := keeping(t)
	sum, err := s.QueueSummary(t.Context(), QueueFilter{Kept: true})
	must(t, err)
	kept := 0
	for _, g := range sum.Groups {
		equal(t, "kind", g.Kind, store.KeptJob)
		kept += g.Jobs
	}
	equal(t, "kept", kept, 2)
}

// A sealed message is handed out octet by octet, to whom is written down.
func TestQueueOriginal(t *testing.T) {
	s, ids := keeping(t)
	const sealed = "Message-ID: <m1@a.example>\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\n"
	text := sealed + strings.Repeat("x", 3*maxPart) + "\r\n"
	s.rewrite(t, ids[0], text)
	var out bytes.Buffer
	taken, err := s.TakeOriginal(t.Context(), fmt.Sprint(ids[0]), &out)
	must(t, err)
	if out.String() != text || taken.Bytes != int64(len(text)) {
		t.Errorf("%d octets of %d, and %d are told", out.Len(), len(text), taken.Bytes)
	}
	j := s.job(t, ids[0])
	equal(t, "track", taken.Track, j.Track)
	equal(t, "sender", taken.Sender.String(), "alice@a.example")
	s.isTraced(t, j.Track, fmt.Sprintf("sealed message of kept job %d", ids[0]))
	for name, id := range map[string]string{"in clear": fmt.Sprint(ids[2]), "nothing": "999"} {
		out.Reset()
		_, err = s.TakeOriginal(t.Context(), id, &out)
		isRefused(t, name, err, Negative)
		equal(t, name, out.Len(), 0)
	}
}

// A message to several destinations is sealed for each.
func TestQueueOriginalIsOne(t *testing.T) {
	s, ids := keeping(t)
	j := s.job(t, ids[0])
	second := s.enqueue(t, store.Job{Kind: store.RelayJob, Recipients: addresses(t, "cid@c.example"), Destination: "c.example"})
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		other, err := tx.Job(second)
		must(t, err)
		other.Track = j.Track
		return tx.Reschedule(other)
	}))
	_, err := s.TakeOriginal(t.Context(), string(j.Track), io.Discard)
	isRefused(t, "two", err, Invalid)
}

// rewrite gives a job another message.
func (s *server) rewrite(t *testing.T, id store.JobID, text string) {
	t.Helper()
	body, err := s.core.Store.NewBody(t.Context())
	must(t, err)
	defer body.Discard()
	_, err = io.WriteString(body, text)
	must(t, err)
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		j, err := tx.Job(id)
		must(t, err)
		j.Body, err = tx.PutBody(body)
		must(t, err)
		j.Size = int64(len(text))
		return tx.Reschedule(j)
	}))
}
