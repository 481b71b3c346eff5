package mime

import "io"

// LimitReader returns a reader of r that fails with err when more than most octets come.
func LimitReader(r io.Reader, most int64, err error) io.Reader {
	return &limitReader{r: r, left: most, over: err}
}

type limitReader struct {
	r    io.Reader
	left int64
	over error
}

// Read implements io.Reader.
func (l *limitReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, l.over
	}
	return n, err
}
