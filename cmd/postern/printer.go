package main

import (
	"errors"
	"fmt"
	"io"
)

// A printer is standard output. It remembers the first error, behind which it writes
// nothing: no list that was cut looks like a whole one, though those that print lines do
// not look at each.
type printer struct {
	out io.Writer
	err error
}

// Write implements io.Writer.
func (p *printer) Write(b []byte) (int, error) {
	if p.err != nil {
		return 0, p.err
	}
	n, err := p.out.Write(b)
	if err != nil {
		p.err = fmt.Errorf("writing what was asked for: %w", err)
	}
	return n, p.err
}

// outcome is how a command ended, of which err is its own word. One that was to have said
// all by what it printed has not, if that could not be written.
func (p *printer) outcome(err error) error {
	if p.err != nil && (err == nil || errors.Is(err, errNegative) || errors.Is(err, errLater)) {
		return p.err
	}
	return err
}
