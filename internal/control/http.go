package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"
)

// commandBytes bounds a command, apart from a message that it carries.
const commandBytes = 16 << 20

// expectTime is how long a client waits to be asked for a message before it sends it
// unasked.
const expectTime = 10 * time.Second

// None is the request or the answer of a command that has none.
type None struct{}

// handle serves one command as POST with a JSON request and a JSON answer.
func handle[Request, Answer any](mux *http.ServeMux, limit int64, name string, do func(context.Context, Request) (Answer, error)) {
	mux.HandleFunc("POST /"+name, func(w http.ResponseWriter, r *http.Request) {
		var request Request
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, limit))
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&request)
		if err != nil {
			writeError(w, unreadable(err))
			return
		}
		answer, err := do(r.Context(), request)
		if err != nil {
			writeError(w, refusal(err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // a client that went away needs no answer
	})
}

// unreadable is the refusal of a request that cannot be read.
func unreadable(err error) *Error {
	err = fmt.Errorf("reading the request: %w", err)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return &Error{Kind: Negative, Message: err.Error(), Hint: "the limit of messages is limits.message_bytes of the configuration"}
	}
	return invalid(err, "use the postern command of the same version as the server")
}

func writeError(w http.ResponseWriter, e *Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusUnprocessableEntity)
	_ = json.NewEncoder(w).Encode(e)
}

// call sends one command and reads its answer.
func call[Request, Answer any](ctx context.Context, c *Client, name string, request Request) (Answer, error) {
	var answer Answer
	text, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	response, err := c.send(ctx, name, bytes.NewReader(text), nil)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	err = json.NewDecoder(response.Body).Decode(&answer)
	if err != nil {
		return answer, fmt.Errorf("%s: reading the answer: %w", name, err)
	}
	return answer, nil
}

// send posts a command and returns the answer to it, or the *Error it got.
func (c *Client) send(ctx context.Context, name string, body io.Reader, header http.Header) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://postern/"+name, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, header)
	response, err := c.http.Do(request)
	if err != nil {
		var sending *url.Error // repeats the command, which needs no telling
		if errors.As(err, &sending) {
			err = sending.Err
		}
		return nil, fmt.Errorf("the server did not answer: %w", notServing(err))
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	var e Error
	err = json.NewDecoder(io.LimitReader(response.Body, commandBytes)).Decode(&e)
	if err != nil || e.Message == "" {
		return nil, errors.New(name + ": the server answered " + response.Status)
	}
	return nil, &e
}
