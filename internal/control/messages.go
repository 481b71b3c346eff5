package control

import "net/http"

func (s *Service) handleMessages(mux *http.ServeMux) {
	handle(mux, commandBytes, "lookup", s.lookup)
	s.handleTracks(mux)
}
