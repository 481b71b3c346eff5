package mime

import (
	"fmt"
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/ianaindex"
)

// DecodeCharset returns a reader of r in UTF-8, by the name of its character set: those
// that browsers know, and those with a name of IANA that golang.org/x/text has. What
// calls itself ISO-8859-1 is read as Windows-1252, for that is what it often is. A byte
// that means nothing is replaced by U+FFFD; where r says that it is UTF-8 or US-ASCII, or
// says nothing, it comes as it is. Little of r is held at once. A name that is not known
// is an error wrapping ErrEncoding.
func DecodeCharset(name string, r io.Reader) (io.Reader, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	switch name {
	case "", "utf-8", "utf8", "us-ascii", "ascii":
		return r, nil
	}
	e := charset(name)
	if e == nil {
		return nil, fmt.Errorf("%w: the character set %.40q", ErrEncoding, name)
	}
	return e.NewDecoder().Reader(r), nil
}

// charset finds a character set, or nil.
func charset(name string) encoding.Encoding {
	if len(name) > 40 { // RFC 2978 §2.3
		return nil
	}
	e, err := htmlindex.Get(name)
	switch {
	case err == nil && e == encoding.Replacement:
		return nil // one that browsers refuse to read, such as ISO-2022-KR
	case err == nil && name != "utf-16": // in mail with a mark of its order, or big-endian (RFC 2781 §4.3)
		return e
	}
	e, err = ianaindex.MIME.Encoding(name)
	if err != nil {
		return nil
	}
	return e
}
