package httpedge

import (
	_ "embed"
	"net/http"
	"strconv"
)

//go:embed openapi.json
var openAPI []byte

// document serves the description of all of this (OpenAPI 3.1). It says nothing that
// depends on who asks, and may be kept for a while.
func (s *Server) document(w http.ResponseWriter, _ *request) error {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Content-Length", strconv.Itoa(len(openAPI)))
	_, _ = w.Write(openAPI) // whoever does not read it has gone
	return nil
}
