package main

import (
	"bytes"
	"context"
	"strings"
	"syscall"
	"testing"
)

// A shortDisk takes so many octets, has one moment without space, and has it again then.
type shortDisk struct {
	bytes.Buffer
	room int
	full bool
}

func (d *shortDisk) Write(b []byte) (int, error) {
	if !d.full && d.Len()+len(b) > d.room {
		d.full = true
		return 0, syscall.ENOSPC
	}
	return d.Buffer.Write(b)
}

// What was cut ends with an error, and with where it was cut.
func TestWhatCannotBePrintedIsAnError(t *testing.T) {
	env := environment{stdin: strings.NewReader(""), getenv: func(string) string { return "" }}
	for _, args := range [][]string{{"help"}, {"help", "queue"}, {"config", "describe"}} {
		for _, room := range []int{0, 100} {
			disk, said := &shortDisk{room: room}, &bytes.Buffer{}
			env.stdout, env.stderr = disk, said
			code := run(context.Background(), args, env)
			if !disk.full || code != exitTemporary || strings.Count(said.String(), "no space left on device") != 1 {
				t.Errorf("%q, room for %d: exit code %d, %q", args, room, code, said)
			}
			if disk.Len() > room {
				t.Errorf("%q goes on behind what was cut: %d octets", args, disk.Len())
			}
		}
	}
}
