package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

// commitError says what a failed commit means.
func commitError(err error) error {
	err = ofDisk(err)
	if errors.Is(err, ErrFull) {
		return err
	}
	return fmt.Errorf("committing: %w", err)
}

// ofDisk is ErrFull for an error of writing that passes when there is space, or when
// the disk is writable again; it then is ErrUnwritable as well. bbolt rolls such a
// commit back. Other errors are what they are.
func ofDisk(err error) error {
	switch {
	case isErrno(err, syscall.EROFS):
		return &readOnlyDisk{err}
	case errors.Is(err, bolterrors.ErrMaxSizeReached), isErrno(err, syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		return fmt.Errorf("%w: %v", ErrFull, err)
	}
	return err
}

// isErrno knows errors of growing the file as well, of which bbolt keeps only the text.
func isErrno(err error, all ...syscall.Errno) bool {
	return err != nil && slices.ContainsFunc(all, func(e syscall.Errno) bool {
		return errors.Is(err, e) || strings.HasSuffix(err.Error(), ": "+e.Error())
	})
}

// A readOnlyDisk is a full one to whoever writes, and another thing to the operator.
type readOnlyDisk struct{ err error }

func (e *readOnlyDisk) Error() string { return ErrUnwritable.Error() + ": " + e.err.Error() }

func (e *readOnlyDisk) Is(target error) bool { return target == ErrFull || target == ErrUnwritable }
