package httpedge

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds on what is understood of a JSON text.
const (
	maxJSONDepth = 8
	maxJSONName  = 64 // octets of a member's name
)

// A jsonReader reads a JSON text (RFC 8259) once, strictly and in pieces: a member
// that nobody asked for, one that stands twice, a value of another kind and anything
// behind the text are errors. Strings can be streamed. Every error is a *problem that
// names the member, or one of the reader below.
type jsonReader struct {
	r     *bufio.Reader
	depth int
	path  []string // names and places of where it is
}

func newJSONReader(r io.Reader) *jsonReader { return &jsonReader{r: bufio.NewReaderSize(r, 32<<10)} }

// fault says what is wrong where it is.
func (j *jsonReader) fault(format string, args ...any) error {
	p := badRequest("the JSON text: "+format, args...)
	p.Member = strings.Join(j.path, ".")
	return p
}

// lost gives an error of reading its form: a text that ends too early is at fault.
func (j *jsonReader) lost(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return j.fault("it ends too early")
	}
	return err
}

// next passes over white space and returns the next octet, which stays.
func (j *jsonReader) next() (byte, error) {
	for {
		c, err := j.r.ReadByte()
		if err != nil {
			return 0, j.lost(err)
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c, j.r.UnreadByte()
	}
}

// want passes over white space and takes an octet that must be there.
func (j *jsonReader) want(c byte, what string) error {
	got, err := j.next()
	if err != nil {
		return err
	}
	if got != c {
		return j.fault("%s was expected", what)
	}
	_, err = j.r.Discard(1)
	return err
}

// taken takes an octet if it is the next one.
func (j *jsonReader) taken(c byte) (bool, error) {
	got, err := j.next()
	if err != nil || got != c {
		return false, err
	}
	_, err = j.r.Discard(1)
	return true, err
}

// end wants nothing but white space any more.
func (j *jsonReader) end() error {
	for {
		c, err := j.r.ReadByte()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return j.fault("something stands behind it")
	}
}

func (j *jsonReader) enter() error {
	j.depth++
	if j.depth > maxJSONDepth {
		return j.fault("it is nested too deep")
	}
	return nil
}

// object reads an object whose members are all among those that are given. Null, for a
// member, is as if it were not there.
func (j *jsonReader) object(members map[string]func() error) error {
	err := j.want('{', "an object")
	if err == nil {
		err = j.enter()
	}
	if err != nil {
		return err
	}
	defer func() { j.depth-- }()
	done, err := j.taken('}')
	seen := make(map[string]bool, len(members))
	for err == nil && !done {
		err = j.member(members, seen)
		if err != nil {
			return err
		}
		done, err = j.more('}')
	}
	return err
}

// more reports whether what is being read has ended; otherwise there is a comma.
func (j *jsonReader) more(closing byte) (done bool, err error) {
	done, err = j.taken(closing)
	if err != nil || done {
		return done, err
	}
	return false, j.want(',', "a comma or the end")
}

func (j *jsonReader) member(members map[string]func() error, seen map[string]bool) error {
	name, err := j.text(maxJSONName)
	if err != nil {
		return err
	}
	j.path = append(j.path, name)
	read, known := members[name]
	switch {
	case !known:
		return j.fault("there is no member of that name")
	case seen[name]:
		return j.fault("the member stands twice")
	}
	seen[name] = true
	err = j.want(':', "a colon")
	if err == nil {
		err = j.orNull(read)
	}
	if err == nil {
		j.path = j.path[:len(j.path)-1]
	}
	return err
}

func (j *jsonReader) orNull(read func() error) error {
	c, err := j.next()
	if err != nil || c != 'n' {
		if err == nil {
			err = read()
		}
		return err
	}
	return j.word("null")
}

// array reads an array of at most so many elements.
func (j *jsonReader) array(most int, element func() error) error {
	err := j.want('[', "an array")
	if err == nil {
		err = j.enter()
	}
	if err != nil {
		return err
	}
	defer func() { j.depth-- }()
	done, err := j.taken(']')
	for i := 0; err == nil && !done; i++ {
		if i == most {
			return j.fault("more than %d elements", most)
		}
		j.path = append(j.path, fmt.Sprint(i))
		err = element()
		if err != nil {
			return err
		}
		j.path = j.path[:len(j.path)-1]
		done, err = j.more(']')
	}
	return err
}

// boolean reads true or false.
func (j *jsonReader) boolean() (bool, error) {
	c, err := j.next()
	if err != nil {
		return false, err
	}
	if c == 't' {
		return true, j.word("true")
	}
	if c == 'f' {
		return false, j.word("false")
	}
	return false, j.fault("true or false was expected")
}

func (j *jsonReader) word(w string) error {
	for i := range len(w) {
		c, err := j.r.ReadByte()
		if err != nil {
			return j.lost(err)
		}
		if c != w[i] {
			return j.fault("%s was expected", w)
		}
	}
	return nil
}

// text reads a string of at most so many octets.
func (j *jsonReader) text(most int) (string, error) {
	var b strings.Builder
	err := j.stringTo(&limitedWriter{w: &b, left: most})
	if errors.Is(err, errLong) {
		err = j.fault("a string of more than %d octets", most)
	}
	if err != nil {
		return "", err
	}
	if !utf8.ValidString(b.String()) {
		return "", j.fault("a string that is not UTF-8")
	}
	return b.String(), nil
}

var errLong = errors.New("too long")

// A limitedWriter refuses what goes beyond.
type limitedWriter struct {
	w    io.Writer
	left int
}

func (l *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errLong
	}
	l.left -= len(p)
	return l.w.Write(p)
}

// stringTo reads a string and writes what it says, in pieces. The octets above ASCII
// are as they came.
func (j *jsonReader) stringTo(w io.Writer) error {
	err := j.want('"', "a string")
	if err != nil {
		return err
	}
	for {
		n, err := j.plain(w)
		if err != nil {
			return err
		}
		c, err := j.r.ReadByte()
		if err != nil {
			return j.lost(err)
		}
		switch {
		case c == '"':
			return nil
		case c == '\\':
			err = j.escaped(w)
			if err != nil {
				return err
			}
		case n == 0:
			return j.fault("a control character in a string") // RFC 8259 §7
		default:
			err = j.r.UnreadByte()
			if err != nil {
				return err
			}
		}
	}
}

// plain writes what is in the buffer up to the next octet that means something.
func (j *jsonReader) plain(w io.Writer) (int, error) {
	_, err := j.r.Peek(1)
	if err != nil {
		return 0, j.lost(err)
	}
	piece, err := j.r.Peek(j.r.Buffered())
	if err != nil {
		return 0, j.lost(err)
	}
	n := 0
	for n < len(piece) && piece[n] >= ' ' && piece[n] != '"' && piece[n] != '\\' {
		n++
	}
	if n == 0 {
		return 0, nil
	}
	_, err = w.Write(piece[:n])
	if err != nil {
		return n, err
	}
	return n, discard(j.r, n)
}

func discard(r *bufio.Reader, n int) error {
	_, err := r.Discard(n)
	return err
}

// escaped reads what stands behind a backslash.
func (j *jsonReader) escaped(w io.Writer) error {
	c, err := j.r.ReadByte()
	if err != nil {
		return j.lost(err)
	}
	simple := strings.IndexByte(`"\/bfnrt`, c)
	if simple >= 0 {
		_, err = w.Write([]byte{"\"\\/\b\f\n\r\t"[simple]})
		return err
	}
	if c != 'u' {
		return j.fault("an escape that there is not")
	}
	r, err := j.unit()
	if err != nil {
		return err
	}
	if utf16.IsSurrogate(r) {
		r, err = j.pair(r)
		if err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, string(r))
	return err
}

// pair reads the second half of a surrogate pair.
func (j *jsonReader) pair(first rune) (rune, error) {
	err := j.word(`\u`)
	if err != nil {
		return 0, err
	}
	second, err := j.unit()
	if err != nil {
		return 0, err
	}
	r := utf16.DecodeRune(first, second)
	if r == utf8.RuneError {
		return 0, j.fault("half a surrogate pair")
	}
	return r, nil
}

// unit reads four hexadecimal digits.
func (j *jsonReader) unit() (rune, error) {
	var r rune
	for range 4 {
		c, err := j.r.ReadByte()
		if err != nil {
			return 0, j.lost(err)
		}
		d := 0
		switch {
		case c >= '0' && c <= '9':
			d = int(c - '0')
		case c >= 'a' && c <= 'f':
			d = int(c-'a') + 10
		case c >= 'A' && c <= 'F':
			d = int(c-'A') + 10
		default:
			return 0, j.fault("an escape that is not four digits")
		}
		r = r<<4 | rune(d)
	}
	return r, nil
}
