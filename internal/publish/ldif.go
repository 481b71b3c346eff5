package publish

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"

	"postern/mime"
)

// maxLDIFLine is where lines are folded (RFC 2849 note 10).
const maxLDIFLine = 76

// WriteLDIF writes one domain's part of the directory, its suffix first, as
// ldapadd and slapadd read it (RFC 2849), but for the line with the version, which
// slapadd does not take. The server needs the schemas core, cosine and
// inetorgperson. What is written for several domains may follow one another.
func WriteLDIF(w io.Writer, s *Set, domain mime.Domain) error {
	if !slices.Contains(s.Domains, domain) {
		return fmt.Errorf("writing the directory of %s: %w", domain, ErrNotPublished)
	}
	b := bufio.NewWriter(w)
	for _, e := range s.Entries() {
		if e.Domain != domain {
			continue
		}
		writeAttribute(b, "dn", []byte(e.DN))
		for _, a := range e.Attributes {
			for _, v := range a.Values {
				writeAttribute(b, a.Name, v)
			}
		}
		fmt.Fprintln(b)
	}
	err := b.Flush() // it kept the first error
	if err != nil {
		return fmt.Errorf("writing the directory of %s: %w", domain, err)
	}
	return nil
}

func writeAttribute(w io.Writer, name string, value []byte) {
	line := name + ": " + string(value)
	if !isSafe(value) {
		line = name + ":: " + base64.StdEncoding.EncodeToString(value)
	}
	for len(line) > maxLDIFLine {
		fmt.Fprintln(w, line[:maxLDIFLine])
		line = " " + line[maxLDIFLine:]
	}
	fmt.Fprintln(w, line)
}

// isSafe reports a SAFE-STRING of RFC 2849 that does not end in a space (note 8).
func isSafe(value []byte) bool {
	for _, c := range value {
		if c == 0 || c == '\n' || c == '\r' || c > '~' {
			return false
		}
	}
	return len(value) == 0 || !strings.ContainsRune(" :<", rune(value[0])) && value[len(value)-1] != ' '
}
