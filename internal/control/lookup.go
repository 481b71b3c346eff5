package control

import (
	"context"
	"fmt"
	"time"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
	"postern/trust/discovery"
)

// A Lookup asks what a send to an address would find and decide.
type Lookup struct {
	Address string    `json:"address"`
	From    string    `json:"from"`  // the sending domain; "" when we have but one
	At      time.Time `json:"at"`    // zero: now
	Fresh   bool      `json:"fresh"` // ask everything anew
}

// A LookupAnswer is what postern lookup --json prints.
type LookupAnswer struct {
	Address      string               `json:"address"`
	From         string               `json:"from"`
	At           time.Time            `json:"at"`      // the time judged at
	Verdict      string               `json:"verdict"` // ok or a reason code
	Detail       string               `json:"detail,omitempty"`
	Hint         string               `json:"hint,omitempty"`
	Cached       bool                 `json:"cached"`    // an earlier answer, of certificates or of none, had a part in it
	Questions    int                  `json:"questions"` // that went to the network
	Certificates []CertificateVerdict `json:"certificates"`
	Steps        []LookupStep         `json:"steps"`
}

// A LookupStep is one question of discovery.
type LookupStep struct {
	Source       string  `json:"source"`
	Query        string  `json:"query"`
	Server       string  `json:"server,omitempty"`
	Milliseconds float64 `json:"milliseconds"`
	Answer       string  `json:"answer"` // one of discovery's Answers
	Outcome      string  `json:"outcome"`
	Certificates int     `json:"certificates"`
	// Cached says that nobody was asked now; the answer is Age old.
	Cached bool   `json:"cached"`
	Age    int64  `json:"age_seconds"`
	Left   int64  `json:"left_seconds"`   // how long the answer may still be used without asking
	Then   string `json:"then,omitempty"` // why the search ended here or went on
	// Questions are those that were sent for it now, each to one server.
	Questions []LookupQuestion `json:"questions"`
}

// A LookupQuestion is one that was sent to one server.
type LookupQuestion struct {
	Query        string  `json:"query"`
	Server       string  `json:"server"`
	Answer       string  `json:"answer"`
	Detail       string  `json:"detail,omitempty"` // of a failure
	Milliseconds float64 `json:"milliseconds"`
}

func (s *Service) lookup(ctx context.Context, in Lookup) (LookupAnswer, error) {
	to, err := mime.ParseAddress(in.Address)
	if err != nil {
		return LookupAnswer{}, err
	}
	from, err := s.sendingDomain(ctx, in.From)
	if err != nil {
		return LookupAnswer{}, err
	}
	dir, err := s.Core.Directory(ctx)
	if err != nil {
		return LookupAnswer{}, err
	}
	at := s.moment(in.At)
	route := s.Core.Route
	if in.Fresh {
		route = s.Core.FreshRoute
	}
	r := route(ctx, dir, from, to, at)
	return s.teller(ctx, dir, at, store.Out).lookupAnswer(r, from), nil
}

// sendingDomain is the domain whose anchors judge: the one asked for, or the
// only one we have.
func (s *Service) sendingDomain(ctx context.Context, asked string) (mime.Domain, error) {
	if asked != "" {
		_, name, err := parseOwner(asked)
		if err != nil {
			return "", err
		}
		return name, s.Core.Store.View(ctx, func(tx store.Tx) error { return requireOurs(tx, name) })
	}
	all, err := s.listDomains(ctx, None{})
	if err != nil {
		return "", err
	}
	if len(all) != 1 {
		return "", &Error{Kind: Invalid, Message: fmt.Sprintf("there are %d domains here", len(all)), Hint: "say which one sends with --from"}
	}
	return all[0].Name, nil
}

func (t teller) lookupAnswer(r gateway.Route, from mime.Domain) LookupAnswer {
	a := LookupAnswer{
		Address: r.Recipient.String(), From: string(from), At: t.at, Verdict: r.Code.String(),
		Hint: t.routeAdvice(r, from), Cached: r.Discovery.Cached, Questions: r.Discovery.Questions,
		Certificates: t.certificates(r, from), Steps: []LookupStep{},
	}
	if !r.Code.IsOK() {
		a.Detail = plain(r.Detail, maxDetail)
	}
	for _, st := range r.Discovery.Steps {
		a.Steps = append(a.Steps, lookupStep(st))
	}
	return a
}

func lookupStep(st discovery.Step) LookupStep {
	questions := []LookupQuestion{}
	for _, q := range st.Questions {
		questions = append(questions, LookupQuestion{
			Query: plain(q.Query, maxURL), Server: plain(q.Server, maxURL), Answer: string(q.Answer), Detail: plain(q.Detail, maxDetail),
			Milliseconds: float64(q.Duration.Microseconds()) / 1000,
		})
	}
	return LookupStep{
		Source: string(st.Source), Query: plain(st.Query, maxURL), Server: plain(st.Server, maxURL),
		Milliseconds: float64(st.Duration.Microseconds()) / 1000,
		Answer:       string(st.Answer), Outcome: plain(st.Outcome, maxDetail), Certificates: st.Certificates,
		Cached: st.Cached, Age: int64(st.Age / time.Second), Left: int64(st.Left / time.Second),
		Then: plain(st.Then, maxDetail), Questions: questions,
	}
}
