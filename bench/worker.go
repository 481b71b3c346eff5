package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// A program is a Go implementation that can be a peer: it reads its keys in the
// working directory and does the operations that the protocol of peer names.
type program interface {
	// prepare returns op over a message: every call does it once, whole, and
	// writes the result.
	prepare(op string, message *os.File, recipients int) (func(io.Writer) error, error)
	// privates is how often a private key has been used so far.
	privates() int
}

// serve answers the lines of r until it ends.
func serve(p program, r io.Reader, w io.Writer) error {
	lines := bufio.NewScanner(r)
	answers := json.NewEncoder(w)
	for lines.Scan() {
		t, err := answer(p, strings.Fields(lines.Text()))
		if err != nil {
			t.Error = err.Error()
		}
		err = answers.Encode(t)
		if err != nil {
			return fmt.Errorf("answering: %w", err)
		}
	}
	return lines.Err()
}

func answer(p program, words []string) (turn, error) {
	if len(words) != 5 {
		return turn{}, fmt.Errorf("%d words", len(words))
	}
	recipients, err := strconv.Atoi(words[3])
	if err != nil {
		return turn{}, fmt.Errorf("the number of recipients: %w", err)
	}
	message, err := os.Open(words[2])
	if err != nil {
		return turn{}, err
	}
	defer message.Close()
	do, err := p.prepare(words[1], message, recipients)
	if err != nil {
		return turn{}, err
	}
	if words[0] == "make" {
		var result bytes.Buffer
		err := do(&result)
		if err != nil {
			return turn{}, err
		}
		return turn{N: 1}, os.WriteFile(words[4], result.Bytes(), 0o600)
	}
	millis, err := strconv.Atoi(words[4])
	if err != nil {
		return turn{}, fmt.Errorf("the time to work: %w", err)
	}
	before := p.privates()
	t, err := local(func() error { return do(io.Discard) })(time.Duration(millis) * time.Millisecond)
	t.Private = p.privates() - before
	return t, err
}
