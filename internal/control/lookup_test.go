package control

import (
	"context"
	"testing"
	"time"

	"postern/trust/discovery"
	"postern/trust/reason"
)

// asks is a network in which a resolver refuses and another answers.
type asks struct{}

func (asks) Find(_ context.Context, r discovery.Request) discovery.Result {
	return discovery.Result{
		Err: reason.New(reason.NoCertificate, "nothing for %s", r.Address),
		Steps: []discovery.Step{{Source: discovery.DNSAddress, Questions: []discovery.Question{
			{Server: "192.0.2.1:53", Query: "x.c.example CERT", Answer: discovery.AnswerRefused, Detail: "REFUSED \x1b[1m", Duration: time.Millisecond},
			{Server: "192.0.2.2:53", Query: "x.c.example CERT", Answer: discovery.AnswerNoName},
		}}},
	}
}

// Every question is told, and what a server said cannot turn a terminal.
func TestLookupTellsEveryQuestion(t *testing.T) {
	s := ours(t, "a.example")
	s.core.Finder = asks{}
	found, err := s.Lookup(t.Context(), Lookup{Address: "x@c.example"})
	must(t, err)
	equal(t, "questions", found.Steps[0].Questions, []LookupQuestion{
		{Query: "x.c.example CERT", Server: "192.0.2.1:53", Answer: "refused", Detail: "REFUSED ?[1m", Milliseconds: 1},
		{Query: "x.c.example CERT", Server: "192.0.2.2:53", Answer: "no-such-name"},
	})
}
