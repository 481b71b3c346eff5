package audit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// maxOutside bounds the checkpoints that are compared at once.
const maxOutside = 1 << 20

// ReadCheckpoints finds the checkpoints in a log, or in any text: at most one a
// line, wherever it stands in it. Lines of more than 64 KiB are passed over.
func ReadCheckpoints(r io.Reader) ([]Checkpoint, error) {
	in := bufio.NewReaderSize(r, maxLine)
	reader := newCheckpointReader()
	var all []Checkpoint
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
		c, _, err := reader.find(bytes.TrimSpace(line))
		if err == nil {
			all = append(all, c)
		}
		if len(all) > maxOutside {
			return nil, errors.New("reading checkpoints: there are more than can be compared at once")
		}
	}
}
