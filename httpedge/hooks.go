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
	ID        string    `json:"id"`
	URL       string    `json:"url"`
	Events    []string  `json:"events"`
	Created   time.Time `json:"created"`
	Enabled   bool      `json:"enabled"`
	Secret    string    `json:"secret,omitempty"`
	Waiting   int       `json:"waiting"`
	Delivered uint64    `json:"delivered"`
	Lost      uint64    `json:"lost"`
	Last      *hookPost `json:"last,omitempty"`
}

type hookPost struct {
	At     time.Time `json:"at"`
	Status int       `json:"status"`
	Error  string    `json:"error"`
}

type hookList struct {
	Hooks []hookShown `json:"hooks"`
}

func newHookShown(h Hook) hookShown {
	out := hookShown{
		ID: h.ID, URL: h.URL, Events: h.Events, Created: h.Created.UTC(), Enabled: h.Enabled, Secret: h.Secret,
		Waiting: h.Waiting, Delivered: h.Delivered, Lost: h.Lost,
	}
	if out.Events == nil {
		out.Events = []string{}
	}
	if !h.LastAt.IsZero() {
		out.Last = &hookPost{h.LastAt.UTC(), h.LastStatus, h.LastError}
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

func (s *Server) enableHook(w http.ResponseWriter, r *request) error {
	err := s.backend.EnableHook(r.Context(), r.login, r.values["id"])
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// rotateHook tells a new secret, once.
func (s *Server) rotateHook(w http.ResponseWriter, r *request) error {
	h, err := s.backend.RotateHook(r.Context(), r.login, r.values["id"])
	if err != nil {
		return err
	}
	return s.respond(w, http.StatusOK, newHookShown(h))
}
