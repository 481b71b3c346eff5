package fetch

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A Post is a document that is handed over, and not asked for.
type Post struct {
	URL    string // https, as Parse takes it
	Header http.Header
	Body   []byte
	// Time bounds the whole, from the first look-up to the answer's header; 0 is 30
	// seconds.
	Time time.Duration
	// Connect bounds each connection that is tried; 0 is 10 seconds.
	Connect time.Duration
}

// A Reply is what a server answered to a Post.
type Reply struct {
	Status int // of HTTP
	// RetryAfter is how long the server wants to be left alone (RFC 9110 §10.2.3); 0 if
	// it does not say so in seconds.
	RetryAfter time.Duration
}

// ParseHTTPS is Parse for URLs of https alone.
func ParseHTTPS(raw string) error {
	u, err := Parse(raw)
	if err == nil && u.Scheme != "https" {
		err = fmt.Errorf("%w: its scheme is %.20q, and not https", ErrURL, u.Scheme)
	}
	return err
}

// Post hands a document over, by HTTPS alone. It follows no redirection, for that is a
// status like any other, and reads nothing of what the answer has below its header.
// Errors are those of a server that did not answer, which ErrUnanswered and ErrBroken
// tell apart.
func (c *Client) Post(ctx context.Context, p Post) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.Time, fetchTime))
	defer cancel()
	err := ParseHTTPS(p.URL)
	if err != nil {
		return Reply{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL, bytes.NewReader(p.Body))
	if err != nil {
		return Reply{}, fmt.Errorf("%w: %w", ErrURL, err)
	}
	if p.Header != nil {
		request.Header = p.Header.Clone()
	}
	request.Header.Set("User-Agent", "postern")
	var way course
	transport := c.transport(&way, cmp.Or(p.Connect, stepTimeout))
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request = way.trace(request)
	response, err := client.Do(request)
	if err != nil {
		return Reply{}, way.failed(request, err)
	}
	_ = response.Body.Close() // what it says is not asked for
	if ended := ctx.Err(); ended != nil {
		return Reply{}, way.failed(request, ended) // as of a document
	}
	return Reply{Status: response.StatusCode, RetryAfter: retryAfter(response.Header)}, nil
}

// retryAfter reads the seconds of Retry-After, of at most a day. Dates are not taken:
// whose clock they are by is not known.
func retryAfter(h http.Header) time.Duration {
	seconds, err := strconv.ParseUint(strings.TrimSpace(h.Get("Retry-After")), 10, 32)
	if err != nil {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, 24*time.Hour)
}
