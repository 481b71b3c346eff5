package pickup

import (
	"bytes"
)

// An amendment changes the next response of the library that begins so, for what the
// library does not know. It is made where that response is the next but for those of
// other beginnings, and forgotten with the command.
type amendment struct {
	begins string
	change func(response []byte) []byte // of one line, or the beginning of a long one
	tail   string                       // what goes before the end of the response
}

// amend has a response changed.
func (f *front) amend(a amendment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.amends = append(f.amends, a)
}

// insert puts text behind the beginning of a response.
func (f *front) insert(begins, text string) {
	f.amend(amendment{begins: begins, change: func(r []byte) []byte {
		return append([]byte(begins+text), r[len(begins):]...)
	}})
}

// before puts whole responses in front of another.
func (f *front) before(begins, responses string) {
	f.amend(amendment{begins: begins, change: func(r []byte) []byte { return append([]byte(responses), r...) }})
}

// amended makes the changes. mu is held.
func (f *front) amended(p []byte) []byte {
	if f.ending == "" {
		for i, a := range f.amends {
			if !bytes.HasPrefix(p, []byte(a.begins)) {
				continue
			}
			f.amends = append(f.amends[:i:i], f.amends[i+1:]...)
			f.ending = a.tail
			if a.change != nil {
				p = a.change(p)
			}
			break
		}
	}
	if f.ending == "" {
		return p
	}
	return f.tailed(p)
}

// tailed looks for the end of a response that may come in pieces.
func (f *front) tailed(p []byte) []byte {
	p = append(f.held, p...)
	f.held = nil
	if body, ended := bytes.CutSuffix(p, []byte("\r\n")); ended {
		p = append(append(body[:len(body):len(body)], f.ending...), '\r', '\n')
		f.ending = ""
		return p
	}
	if bytes.HasSuffix(p, []byte("\r")) {
		f.held = []byte("\r")
		p = p[:len(p)-1]
	}
	return p
}
