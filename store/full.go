package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	bolterrors "go.etcd.io/bbolt/errors"
)

// commitError says what a failed commit means.
func commitError(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %v", ErrFull, err)
	}
	return fmt.Errorf("committing: %w", err)
}

// isFull reports whether a commit failed for a reason that passes when there is
// space, or when the disk is writable again. bbolt rolls such a commit back.
func isFull(err error) bool {
	if errors.Is(err, bolterrors.ErrMaxSizeReached) {
		return true
	}
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EFBIG} {
		// bbolt keeps only the text of errors from growing the file.
		if errors.Is(err, e) || strings.HasSuffix(err.Error(), ": "+e.Error()) {
			return true
		}
	}
	return false
}
