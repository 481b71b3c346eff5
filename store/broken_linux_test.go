package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// descriptor finds the open file of a path.
func descriptor(t *testing.T, path string) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err == nil && target == path {
			var fd int
			_, err := fmt.Sscan(e.Name(), &fd)
			if err != nil {
				t.Fatal(err)
			}
			return fd
		}
	}
	t.Fatalf("%s is not open", path)
	return 0
}

// The file turns unwritable under the store. After such an error nothing more
// is written until the store is opened again, which reads all of it; reading goes on.
func TestAfterAnErrorOfTheDiskNothingIsWritten(t *testing.T) {
	s := newTestStore(t, Options{})
	ctx := context.Background()
	put := func(name int) error {
		return s.Update(ctx, func(tx Tx) error { return tx.PutDomain(Domain{Name: domainNumber(name)}) })
	}
	err := put(1)
	if err != nil {
		t.Fatal(err)
	}
	fd := descriptor(t, s.path)
	readOnly, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
	writable, err := unix.Dup(fd)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.Dup3(int(readOnly.Fd()), fd, 0)
	if err != nil {
		t.Fatal(err)
	}
	err = put(2)
	if err == nil || errors.Is(err, ErrFull) {
		t.Errorf("on a file that cannot be written: %v", err)
	}
	err = unix.Dup3(writable, fd, unix.O_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	err = unix.Close(writable)
	if err != nil {
		t.Fatal(err)
	}
	err = put(3)
	if err == nil || !strings.Contains(err.Error(), "opened again") {
		t.Errorf("after an error of the disk: %v", err)
	}
	err = s.View(ctx, func(tx Tx) error {
		_, err := tx.Domain(domainNumber(1))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	s.reopen(t)
	if !s.checked {
		t.Error("what is on the disk was not read as a whole")
	}
	err = put(4)
	if err != nil {
		t.Error(err)
	}
	s.sound(t)
}
