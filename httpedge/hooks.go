package httpedge

import (
	"net/http"
	"time"
)

// Bounds on a hook that is asked for.
const (
	maxHookBody   = 16 << 10
	maxHookURL    = 2000
	maxHookEvents = 16
	maxEventName  = 64
)

type hookShown struct {
	ID      string      `json:"id"`
	URL     string      `json:"url"`
	Events  []string    `json:"events"`
	Created time.Time   `json:"created"`
	Enabled bool        `json:"enabled"`
	Secret  string      `json:"secret,omitempty"`
	Last    *resultView `json:"last,omitempty"`
}

type resultView struct {
	At   time.Time `json:"at"`
	Code string    `json:"code"`
}

type hookList struct {
	Hooks []hookShown `json:"hooks"`
}

func newHookShown(h Hook) hookShown {
	out := hookShown{h.ID, h.URL, h.Events, h.Created.UTC(), h.Enabled, h.Secret, nil}
	if out.Events == nil {
		out.Events = []string{}
	}
	if h.Last.Code != "" {
		out.Last = &resultView{h.Last.At.UTC(), h.Last.Code}
	}
	return out
}

func (s *Server) listHooks(w http.ResponseWriter, r *request) error {
	all, err := s.backend.Hooks(r.Context(), r.login)
	if err != nil {
		return err
	}
	out := hookList{Hooks: []hookShown{}}
	for _, h := range all {
		h.Secret = "" // told once
		out.Hooks = append(out.Hooks, newHookShown(h))
	}
	return s.respond(w, http.StatusOK, out)
}

func (s *Server) readHook(w http.ResponseWriter, r *request) error {
	h, err := s.backend.Hook(r.Context(), r.login, r.values["id"])
	if err != nil {
		return err
	}
	h.Secret = ""
	return s.respond(w, http.StatusOK, newHookShown(h))
}

func (s *Server) addHook(w http.ResponseWriter, r *request) error {
	if contentType(r) != "application/json" {
		w.Header().Set("Accept-Post", "application/json")
		return newProblem(http.StatusUnsupportedMediaType, codeMediaType, "the content must be application/json")
	}
	in, err := s.newBody(w, r, maxHookBody)
	if err != nil {
		return err
	}
	url, events, err := readHook(newJSONReader(in))
	if err != nil {
		return err
	}
	h, err := s.backend.AddHook(r.Context(), r.login, url, events)
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/hooks/"+h.ID)
	return s.respond(w, http.StatusCreated, newHookShown(h))
}

func readHook(j *jsonReader) (url string, events []string, err error) {
	err = j.object(map[string]func() error{
		"url": func() (err error) {
			url, err = j.text(maxHookURL)
			return err
		},
		"events": func() error {
			return j.array(maxHookEvents, func() error {
				e, err := j.text(maxEventName)
				events = append(events, e)
				return err
			})
		},
	})
	if err == nil {
		err = j.end()
	}
	return url, events, err
}

func (s *Server) removeHook(w http.ResponseWriter, r *request) error {
	err := s.backend.RemoveHook(r.Context(), r.login, r.values["id"])
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}
