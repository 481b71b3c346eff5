package gateway

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"postern/trust/reason"
)

// New mail is refused below the reserve and while the disk is read-only; it is
// logged once each way, and ends by itself.
func TestDiskReserve(t *testing.T) {
	var log bytes.Buffer
	var space Space
	var trouble error
	c := &Core{Log: slog.New(slog.NewTextHandler(&log, nil)), DiskReserve: 100, DiskSpace: func() (Space, error) { return space, trouble }}
	for _, step := range []struct {
		what    string
		space   Space
		err     error
		refused bool
		lines   int // of the log, so far
	}{
		{"enough", Space{Free: 100}, nil, false, 0},
		{"short", Space{Free: 99}, nil, true, 1},
		{"still short", Space{Free: 0}, nil, true, 1},
		{"not to be seen", Space{}, errors.New("statfs"), true, 2},
		{"still not", Space{}, errors.New("statfs"), true, 2},
		{"enough again", Space{Free: 1000}, nil, false, 3},
		{"read-only", Space{Free: 1000, ReadOnly: true}, nil, true, 4},
		{"writable", Space{Free: 1000}, nil, false, 5},
	} {
		space, trouble = step.space, step.err
		c.lookAtDisk()
		err := c.roomOnDisk()
		if got := reason.Of(err) == reason.StorageFull; got != step.refused || got != (err != nil) {
			t.Errorf("%s: %v", step.what, err)
		}
		if n := strings.Count(log.String(), "\n"); n != step.lines {
			t.Errorf("%s: %d lines in the log, want %d:\n%s", step.what, n, step.lines, log.String())
		}
	}
}

func TestSpaceOfAFolder(t *testing.T) {
	space, err := spaceOf(t.TempDir())()
	if err != nil || space.Free <= 0 || space.ReadOnly {
		t.Errorf("%+v, %v", space, err)
	}
	_, err = spaceOf(t.TempDir() + "/absent")()
	if err == nil {
		t.Error("a folder that is not there has space")
	}
}
