package control

import (
	"bytes"
	"fmt"
	"io"
	"os"
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
