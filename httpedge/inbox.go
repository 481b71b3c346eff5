package httpedge

import (
	"context"
	"net/http"
	"time"
)

// Bounds of a list.
const (
	defaultPage = 50
	maxPage     = 500
)

// listed is a received message in a list.
type listed struct {
	ID           string    `json:"id"`
	Received     time.Time `json:"received"`
	Size         int64     `json:"size"`
	Seen         bool      `json:"seen"`
	Acknowledged bool      `json:"acknowledged"`
}

func newListed(m Received) listed {
	return listed{m.ID, m.At.UTC(), m.Size, m.Seen, m.Acknowledged}
}

// messageList is a page of received messages.
type messageList struct {
	Messages []listed `json:"messages"`
	Next     string   `json:"next"`
	More     bool     `json:"more"`
}

// listMessages lists what came, and waits for something to come if it is asked to.
func (s *Server) listMessages(w http.ResponseWriter, r *request) error {
	q := InboxQuery{After: r.query.Get("after")}
	limit, err := number(r, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return err
	}
	q.Limit = limit
	q.All, err = boolean(r, "all")
	if err != nil {
		return err
	}
	wait, err := number(r, "wait", 0, 0, int(s.options.Wait/time.Second))
	if err != nil {
		return err
	}
	page, err := s.list(r, q)
	if err == nil && len(page.Messages) == 0 && !page.More && wait > 0 {
		page, err = s.await(w, r, q, page, time.Duration(wait)*time.Second)
	}
	if err != nil {
		return err
	}
	out := messageList{Messages: []listed{}, Next: page.Next, More: page.More}
	for _, m := range page.Messages {
		out.Messages = append(out.Messages, newListed(m))
	}
	return s.respond(w, http.StatusOK, out)
}

// list makes a page, and passes over those in which everything was acknowledged, as long
// as a client waits for an answer.
func (s *Server) list(r *request, q InboxQuery) (InboxPage, error) {
	late := time.Now().Add(s.options.Silence / 2)
	for {
		page, err := s.backend.Messages(r.Context(), r.login, q)
		if err != nil || len(page.Messages) > 0 || !page.More || time.Now().After(late) {
			return page, err
		}
		q.After = page.Next
	}
}

// await lists again whenever something changed, until there is a message or the time
// is over. It is asked once more whether the login is still good.
func (s *Server) await(w http.ResponseWriter, r *request, q InboxQuery, page InboxPage, wait time.Duration) (InboxPage, error) {
	c := http.NewResponseController(w)
	late := time.Now().Add(wait + s.options.Silence)
	_ = c.SetReadDeadline(late) // the end of it would look like the client's
	_ = c.SetWriteDeadline(late)
	ctx, cancel := context.WithTimeout(r.Context(), wait)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	for len(page.Messages) == 0 && !page.More {
		err := s.backend.Wait(ctx, r.login, page)
		if ctx.Err() != nil && r.Context().Err() == nil {
			return page, nil // nothing came
		}
		if err == nil {
			err = s.backend.Check(r.Context(), r.login)
		}
		if err == nil {
			q.After = page.Next
			page, err = s.list(r, q)
		}
		if err != nil {
			return page, err
		}
	}
	return page, nil
}

func (s *Server) acknowledge(on bool) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		err := s.backend.Acknowledge(r.Context(), r.login, r.values["id"], on)
		if err == nil {
			w.WriteHeader(http.StatusNoContent)
		}
		return err
	}
}

func (s *Server) removeMessage(w http.ResponseWriter, r *request) error {
	err := s.backend.Remove(r.Context(), r.login, r.values["id"])
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}
