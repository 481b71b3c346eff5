package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
)

// A course is how far a fetch came with the server that it asked first.
type course struct {
	stage      atomic.Int32 // of the connection made last
	redirected atomic.Bool
}

// The stages of a fetch.
const (
	dialing   int32 = iota
	connected       // and perhaps in TLS
	asked           // the question can be sent
	answering       // an octet came
)

func (w *course) reach(stage int32) { w.stage.Store(stage) }

// trace has a request tell how far it comes.
func (w *course) trace(r *http.Request) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn:              func(httptrace.GotConnInfo) { w.reach(asked) },
		GotFirstResponseByte: func() { w.reach(answering) },
	}))
}

// follow takes note of a redirection and judges it.
func (w *course) follow(next *http.Request, via []*http.Request) error {
	w.redirected.Store(true)
	return mayFollow(next, via)
}

// silent reports whether the server that was asked gave no answer: not one that
// it sent us on to, and none that was there and spoke of something else.
func (w *course) silent(r *http.Request) bool {
	if w.redirected.Load() {
		return false
	}
	switch w.stage.Load() {
	case dialing, asked:
		return true
	case answering:
		return r.Context().Err() != nil // a header without end
	}
	return false
}

// failed says which server did not answer, without repeating the URL, which the
// error of net/http has in it.
func (w *course) failed(r *http.Request, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	kind := ErrBroken
	switch {
	case errors.Is(err, ErrRedirect):
		return fmt.Errorf("fetching from %s: %w", r.URL.Host, err)
	case w.silent(r):
		kind = ErrUnanswered
	}
	return fmt.Errorf("fetching from %s: %w: %w", r.URL.Host, kind, err)
}
