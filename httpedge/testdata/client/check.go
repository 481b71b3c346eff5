package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	invalid "github.com/pb33f/libopenapi-validator/errors"
)

// A checker validates against one document, which is valid itself.
type checker struct{ validator.Validator }

func newChecker(file string) (*checker, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	document, err := libopenapi.NewDocument(text)
	if err != nil {
		return nil, fmt.Errorf("reading the document: %w", err)
	}
	v, errs := validator.NewValidator(document)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	valid, problems := v.ValidateDocument()
	if !valid {
		return nil, described("the document", problems)
	}
	return &checker{v}, nil
}

func described(what string, problems []*invalid.ValidationError) error {
	var all []error
	for _, p := range problems {
		all = append(all, fmt.Errorf("%s: %s: %s", what, p.Message, p.Reason))
		for _, s := range p.SchemaValidationErrors {
			all = append(all, fmt.Errorf("  at %s: %s", s.FieldPath, s.Reason))
		}
	}
	return errors.Join(all...)
}

// pair validates an answer, and its request unless that was refused.
func (c *checker) pair(q *http.Request, a *http.Response) error {
	what := fmt.Sprintf("%s %s: %d", q.Method, q.URL.Path, a.StatusCode)
	if a.StatusCode < 300 {
		ok, problems := c.ValidateHttpRequest(q)
		if !ok {
			return described("the request of "+what, problems)
		}
	}
	ok, problems := c.ValidateHttpResponse(q, a)
	if !ok {
		return described("the answer to "+what, problems)
	}
	return nil
}

// RoundTripper validates what a client does with the server.
type checking struct {
	next  http.RoundTripper
	check *checker
	count int
}

func (t *checking) RoundTrip(q *http.Request) (*http.Response, error) {
	sent, err := bodyOf(&q.Body)
	if err != nil {
		return nil, err
	}
	a, err := t.next.RoundTrip(q)
	if err != nil {
		return nil, err
	}
	got, err := bodyOf(&a.Body)
	if err != nil {
		return nil, err
	}
	t.count++
	if !strings.HasSuffix(q.URL.Path, "/raw") && !strings.Contains(q.URL.Path, "/parts/") { // octets
		q.Body = io.NopCloser(bytes.NewReader(sent))
		err = t.check.pair(q, a)
		a.Body = io.NopCloser(bytes.NewReader(got))
	}
	return a, err
}

// bodyOf reads a body, and leaves it as it was.
func bodyOf(b *io.ReadCloser) ([]byte, error) {
	if *b == nil {
		return nil, nil
	}
	all, err := io.ReadAll(*b)
	if err == nil {
		err = (*b).Close()
	}
	*b = io.NopCloser(bytes.NewReader(all))
	return all, err
}

// An exchange is one that was recorded.
type exchange struct {
	Method, URL   string
	RequestHeader http.Header
	Request       string
	Status        int
	Header        http.Header
	Answer        string
}

// exchanges validates those of a file.
func (c *checker) exchanges(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	n := 0
	for lines.Scan() {
		var e exchange
		err = json.Unmarshal(lines.Bytes(), &e)
		if err != nil {
			return err
		}
		q, err := http.NewRequest(e.Method, e.URL, strings.NewReader(e.Request))
		if err != nil {
			return err
		}
		q.Header = e.RequestHeader
		a := &http.Response{StatusCode: e.Status, Header: e.Header, Body: io.NopCloser(strings.NewReader(e.Answer)), Request: q}
		err = c.pair(q, a)
		if err != nil {
			return fmt.Errorf("%w\nthe answer was %s", err, e.Answer)
		}
		n++
	}
	fmt.Println(n, "exchanges are as the document says")
	return lines.Err()
}
