package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A Lookup asks what a send to an address would find and decide.
type Lookup struct {
	Address string    `json:"address"`
	From    string    `json:"from"` // the sending domain; "" when we have but one
	At      time.Time `json:"at"`   // zero: now
}

// A LookupAnswer is what postern lookup --json prints.
type LookupAnswer struct {
	Address      string               `json:"address"`
	From         string               `json:"from"`
	At           time.Time            `json:"at"`      // the time judged at
	Verdict      string               `json:"verdict"` // ok or a reason code
	Detail       string               `json:"detail,omitempty"`
	Hint         string               `json:"hint,omitempty"`
	Certificates []CertificateVerdict `json:"certificates"`
	Steps        []LookupStep         `json:"steps"`
}

// A LookupStep is one question that was asked.
type LookupStep struct {
	Source       string  `json:"source"`
	Query        string  `json:"query"`
	Server       string  `json:"server,omitempty"`
	Milliseconds float64 `json:"milliseconds"`
	Outcome      string  `json:"outcome"`
	Certificates int     `json:"certificates"`
}

// A MessageName names a message by its Message-ID or by our own id.
type MessageName struct {
	ID string `json:"id"`
}

// A Life is all that is known of one message.
type Life struct {
	store.Track
	Events []store.Event `json:"events"`
}

func (s *Service) handleMessages(mux *http.ServeMux) {
	handle(mux, commandBytes, "lookup", s.lookup)
	handle(mux, commandBytes, "track", s.track)
	handle(mux, commandBytes, "queue/list", s.listQueue)
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
	r := s.Core.Route(ctx, dir, from, to, at)
	t, err := s.teller(ctx, dir, at, store.Out, r.Selection.Verdicts)
	if err != nil {
		return LookupAnswer{}, err
	}
	return t.lookupAnswer(r, from), nil
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
		Hint: t.routeAdvice(r, from), Certificates: t.certificates(r, from), Steps: []LookupStep{},
	}
	if !r.Code.IsOK() {
		a.Detail = plain(r.Detail, maxDetail)
	}
	for _, st := range r.Discovery.Steps {
		a.Steps = append(a.Steps, LookupStep{
			Source: string(st.Source), Query: plain(st.Query, maxURL), Server: st.Server, Outcome: plain(st.Outcome, maxDetail),
			Milliseconds: float64(st.Duration.Microseconds()) / 1000, Certificates: st.Certificates,
		})
	}
	return a
}

// track finds a message by our own id or by its Message-ID, with or without
// angle brackets.
func (s *Service) track(ctx context.Context, in MessageName) ([]Life, error) {
	id := strings.TrimSpace(in.ID)
	var lives []Life
	err := s.Core.Store.View(ctx, func(tx store.Tx) error {
		tracks, err := findTracks(tx, id)
		if err != nil {
			return err
		}
		lives = nil
		for _, t := range tracks {
			events, err := tx.Events(t.ID)
			if err != nil {
				return err
			}
			lives = append(lives, Life{t, events})
		}
		return nil
	})
	if err == nil && len(lives) == 0 {
		err = &Error{Kind: Negative, Message: "there is no message " + id, Hint: "give the Message-ID, or the id that the server answered"}
	}
	return lives, err
}

func findTracks(tx store.Tx, id string) ([]store.Track, error) {
	t, err := tx.Track(store.TrackID(id))
	if err == nil {
		return []store.Track{t}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if !strings.HasPrefix(id, "<") {
		id = "<" + id + ">"
	}
	return tx.TracksByMessageID(id)
}

func (s *Service) listQueue(ctx context.Context, _ None) (jobs []store.Job, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		jobs = []store.Job{}
		return tx.EachJob(func(j store.Job) bool {
			jobs = append(jobs, j)
			return len(jobs) < maxListed
		})
	})
	return jobs, err
}

// maxListed bounds a listing.
const maxListed = 100_000
