package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxOutside bounds the checkpoints that are compared at once: one an hour for
// fifteen years.
const maxOutside = 1 << 17

// MaxOutside is how many octets their lines have at most, with what JSON adds.
const MaxOutside = maxOutside * 400

// ReadCheckpoints finds the checkpoints in a log, or in any text: at most one a
// line, wherever it stands in it, and each once, however often it is there. Lines
// of more than 64 KiB are passed over.
func ReadCheckpoints(r io.Reader) ([]Checkpoint, error) {
	in := bufio.NewReaderSize(r, maxLine)
	reader := newCheckpointReader()
	var all []Checkpoint
	seen := make(map[string]bool)
	for {
		line, long, err := in.ReadLine()
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading checkpoints: %w", err)
		}
		for long && err == nil {
			line = nil
			_, long, err = in.ReadLine()
		}
		c, text, err := reader.find(bytes.TrimSpace(line))
		if err == nil && !seen[text] {
			seen[text] = true
			all = append(all, c)
		}
		if len(all) > maxOutside {
			return nil, errors.New("reading checkpoints: there are more than can be compared at once")
		}
	}
}
