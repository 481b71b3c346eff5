package httpedge

import (
	"net/http"
	"time"

	"postern/trust/reason"
)

// maxID bounds the ids of messages that are asked for.
const maxID = 1000

// sentShown is a message that was sent, in JSON.
type sentShown struct {
	ID         string           `json:"id"`
	MessageID  string           `json:"message_id"`
	From       string           `json:"from"`
	Accepted   time.Time        `json:"accepted"`
	Size       int64            `json:"size"`
	Recipients []recipientShown `json:"recipients"`
}

type recipientShown struct {
	Address string    `json:"address"`
	State   string    `json:"state"`
	Code    string    `json:"code"`
	Detail  string    `json:"detail"`
	Advice  string    `json:"advice"`
	Said    string    `json:"said"`
	Updated time.Time `json:"updated"`
}

type sentList struct {
	Messages []sentShown `json:"messages"`
	Next     string      `json:"next"`
}

func newSentShown(m SentMessage) sentShown {
	out := sentShown{m.ID, m.MessageID, m.From.String(), m.Received.UTC(), m.Size, []recipientShown{}}
	for _, r := range m.Recipients {
		code := reason.Code(r.Code)
		shown := recipientShown{Address: r.Address.String(), State: r.State, Code: code.String(), Said: r.Said, Updated: r.Updated.UTC()}
		if !code.IsOK() {
			shown.Detail, shown.Advice = code.Outcome().Public, code.Advice()
		}
		out.Recipients = append(out.Recipients, shown)
	}
	return out
}

// readSent says where a message stands for each recipient.
func (s *Server) readSent(w http.ResponseWriter, r *request) error {
	id := r.values["id"]
	if len(id) > maxID {
		return notFound()
	}
	m, err := s.backend.SentMessage(r.Context(), r.login, id)
	if err != nil {
		return err
	}
	return s.respond(w, http.StatusOK, newSentShown(m))
}

func (s *Server) listSent(w http.ResponseWriter, r *request) error {
	q := SentQuery{After: r.query.Get("after"), State: r.query.Get("state")}
	limit, err := number(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	q.Limit = limit
	q.Since, err = moment(r, "since")
	if err != nil {
		return err
	}
	q.Until, err = moment(r, "until")
	if err != nil {
		return err
	}
	if r.query.Has("to") {
		q.To, err = parameterAddress("to", r.query.Get("to"))
		if err != nil {
			return err
		}
	}
	page, err := s.backend.SentMessages(r.Context(), r.login, q)
	if err != nil {
		return err
	}
	out := sentList{Messages: []sentShown{}, Next: page.Next}
	for _, m := range page.Messages {
		out.Messages = append(out.Messages, newSentShown(m))
	}
	return s.respond(w, http.StatusOK, out)
}

// verdictShown says whether an address can be sent to.
type verdictShown struct {
	Address string `json:"address"`
	CanSend bool   `json:"can_send"`
	Retry   bool   `json:"retry"` // ask again: it is not known now
	Code    string `json:"code"`
	Detail  string `json:"detail"`
	Advice  string `json:"advice"`
}

// lookup asks what sending to an address would come to.
func (s *Server) lookup(w http.ResponseWriter, r *request) error {
	if r.query.Get("address") == "" {
		return wrong("address", "it is needed")
	}
	a, err := parameterAddress("address", r.query.Get("address"))
	if err != nil {
		return err
	}
	if !s.lookups.Take(time.Now(), r.login.Account.Key()) {
		p := problemFor(reason.RateLimited)
		p.Detail = "too many look-ups in too short a time"
		return p
	}
	v, err := s.backend.Lookup(r.Context(), r.login, a)
	if err != nil {
		return err
	}
	code := reason.Code(v.Code)
	o := code.Outcome()
	out := verdictShown{Address: a.String(), CanSend: code.IsOK(), Retry: o.Retry, Code: code.String(), Detail: o.Public}
	if code.IsOK() {
		out.Detail = "a message can be sealed for this address"
	} else {
		out.Advice = code.Advice()
	}
	return s.respond(w, http.StatusOK, out)
}
