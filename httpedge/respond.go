package httpedge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"

	"postern/mime"
)

// respond answers with JSON.
func (s *Server) respond(w http.ResponseWriter, status int, v any) error {
	text, err := encode(v)
	if err != nil {
		return fmt.Errorf("writing an answer: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	out := s.newSending(w, leastPace) // for all of it is held in memory
	for piece := range slices.Chunk(text, pieceSize) {
		out.write(piece)
	}
	out.renew()
	return nil
}

// encode writes a line of JSON with the brackets of a Message-ID as they are: nobody
// reads it as HTML.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}

// pieceSize is how much of an answer is written at once.
const pieceSize = 64 << 10

// A sending is an answer on its way, as long as the client takes it. Behind the first octet
// there is no way to say that something failed but to break off.
type sending struct {
	transfer
	w       http.ResponseWriter
	control *http.ResponseController
}

func (s *Server) newSending(w http.ResponseWriter, pace int64) *sending {
	return &sending{s.newTransfer(pace), w, http.NewResponseController(w)}
}

// write sends a piece.
func (o *sending) write(piece []byte) {
	o.renew()
	_, err := o.w.Write(piece)
	if err != nil { // whoever does not read it has gone
		panic(http.ErrAbortHandler)
	}
	o.moved(len(piece))
}

// renew gives what comes next its time, which in the end is what waits in buffers.
func (o *sending) renew() { _ = o.control.SetWriteDeadline(o.deadline()) }

// stream sends what r has.
func (s *Server) stream(w http.ResponseWriter, r io.Reader) {
	out := s.newSending(w, 0)
	buf := make([]byte, pieceSize)
	for {
		n, err := r.Read(buf)
		if n > 0 {
			out.write(buf[:n])
		}
		if errors.Is(err, io.EOF) {
			out.renew()
			return
		}
		if err != nil {
			if !errors.Is(err, mime.ErrEncoding) && !errors.Is(err, context.Canceled) { // the message's fault, or the client went
				s.options.Log.Error("an HTTP answer was broken off", "err", err)
			}
			panic(http.ErrAbortHandler)
		}
	}
}

// number reads a parameter that is a number from least to most.
func number(r *request, name string, otherwise, least, most int) (int, error) {
	text := r.query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, wrong(name, "it must be a number from %d to %d", least, most)
	}
	return n, nil
}

// moment reads a parameter that is a time of RFC 3339.
func moment(r *request, name string) (time.Time, error) {
	text := r.query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, wrong(name, "it must be a time such as 2026-01-31T12:00:00Z")
	}
	return t, nil
}

// boolean reads a parameter that is true or false.
func boolean(r *request, name string) (bool, error) {
	switch r.query.Get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, wrong(name, "it must be true or false")
}
