package gateway

import (
	"testing"

	"postern/smtp"
	"postern/trust/reason"
)

// Beyond limits.queue_bytes nothing more is taken, by nobody, and what is under way
// makes room by itself.
func TestQueueBytesPushBack(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	w.site("b.example")
	a.accounts("alice@a.example")
	text := message("alice@a.example", "bob@b.example")
	a.submit(text, "alice@a.example", "bob@b.example")
	under, err := a.UnderWay(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.QueueBytes = under["seal"].Bytes + 1
	for name, ask := range map[string]func(smtp.Envelope) error{
		"submission": func(e smtp.Envelope) error { return Submission{a.Core}.Ready(t.Context(), e) },
		"backbone":   func(e smtp.Envelope) error { return Backbone{a.Core}.Ready(t.Context(), e) },
	} {
		equal(t, name+", no size told", reason.Of(ask(smtp.Envelope{})), reason.OK)
		equal(t, name+", too large", reason.Of(ask(smtp.Envelope{Size: 1000})), reason.StorageFull)
	}
	a.QueueBytes = under["seal"].Bytes - 1
	_, err = a.try(text, "alice@a.example", "bob@b.example")
	equal(t, "another message", reason.Of(err), reason.StorageFull)
	equal(t, "reply", reason.Of(err).Outcome().Reply, 452)
	a.run()
	a.submit(text, "alice@a.example", "bob@b.example")
}
