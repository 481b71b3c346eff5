package httpedge

import "postern/mime"

// A form is in what form a text stands.
type form int

const (
	inText form = 1 << iota
	inHTML
	inBoth = inText | inHTML
)

// A place is where in a message a text stands: in which of its alternatives, and which
// choice of it; zero for none.
type place struct{ alternative, choice int }

// forms are the texts of a message, by their places.
type forms map[place]form

func (f forms) add(l mime.Leaf, as form) { f[place{l.Alternative, l.Choice}] |= as }

// differ reports whether who reads the text of a message may learn something else than who
// reads its HTML. That they say the same is known of the choices of one alternative alone
// (RFC 2046 §5.1.4), of which each is in one form.
func (f forms) differ() bool {
	var all form
	of := make(map[int]form) // an alternative
	for p, as := range f {
		all |= as
		of[p.alternative] |= as
	}
	if all != inBoth {
		return false // there is one form of everything
	}
	for p, as := range f {
		if p.alternative == 0 || as == inBoth || of[p.alternative] != inBoth {
			return true
		}
	}
	return false
}
