package mime

import "errors"

// ErrLimit is wrapped by every error that says a bound of Limits was passed.
var ErrLimit = errors.New("over the limit")

// Defaults of Limits.
const (
	DefaultHeaderBytes = 256 << 10
	DefaultFields      = 1000
	DefaultHeaderLine  = 64 << 10
	DefaultDepth       = 50
	DefaultParts       = 10_000
)

// Limits bound what a reader takes from hostile input. A field that is zero or
// less means its default.
type Limits struct {
	HeaderBytes int // octets of one header
	Fields      int // fields of one header
	HeaderLine  int // octets of one line of a header, its line break included
	Depth       int // entities inside of entities: multiparts and message/rfc822
	Parts       int // entities of one message, all levels together
}

func (l Limits) orDefaults() Limits {
	return Limits{
		HeaderBytes: positive(l.HeaderBytes, DefaultHeaderBytes),
		Fields:      positive(l.Fields, DefaultFields),
		HeaderLine:  positive(l.HeaderLine, DefaultHeaderLine),
		Depth:       positive(l.Depth, DefaultDepth),
		Parts:       positive(l.Parts, DefaultParts),
	}
}

func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}
