package store

import "fmt"

// A Space is what a file system has left.
type Space struct {
	Free     int64 // bytes that are free for us
	ReadOnly bool  // nothing can be written at all
}

// needSpace is ErrFull unless a folder has room for so many bytes.
func needSpace(dir string, bytes int64) error {
	s, err := SpaceOf(dir)
	if err != nil {
		return err
	}
	if s.ReadOnly || s.Free < bytes {
		return fmt.Errorf("%w: %d bytes are needed in %s, and %d are free", ErrFull, bytes, dir, s.Free)
	}
	return nil
}
