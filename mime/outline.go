package mime

import (
	"fmt"
	"io"
)

// A Leaf is a part of a message that has no parts: a text, or a document.
type Leaf struct {
	// Header is that of the part; of a message without parts, that of the message.
	Header *Header
	// Media is its type; of one that cannot be read, application/octet-stream.
	Media MediaType
	// From and To are where its body, in its transfer encoding, begins and ends.
	From, To int64
	// Alternative is the innermost multipart/alternative around it, by number, and Choice
	// which of its parts it is in, each from 1; both are 0 where there is none.
	Alternative, Choice int
}

// Outline reads a message to its end, in time linear in its size, and returns its
// header and its leaves in order. A message inside of it is one leaf, and so is a
// multipart that cannot be taken apart. A message with more or deeper parts than l
// allows, or with headers of more than a MiB together, is an error wrapping ErrLimit.
func Outline(r io.Reader, l Limits) (*Header, []Leaf, error) {
	o := &outline{}
	err := (&walker{limits: l.orDefaults(), v: o, whole: true}).walk(r)
	if err != nil {
		return nil, nil, err
	}
	return o.header, o.leaves, nil
}

// maxOutline bounds the headers that an outline holds, in octets.
const maxOutline = 1 << 20

// An outline counts the octets of a walk.
type outline struct {
	at           int64
	held         int
	header       *Header
	leaves       []Leaf
	around       []surrounding // what the walk is inside of
	alternatives int
}

// A surrounding is a multipart.
type surrounding struct {
	alternative, choice int  // as of a leaf
	chooses             bool // it is a multipart/alternative itself, of which choice is the latest part
}

func (o *outline) enter(e *entity) error {
	o.at += int64(len(e.raw))
	if o.header == nil {
		o.header = e.header
	}
	place := o.place(e)
	if e.kind == kindMultipart || e.kind == kindWrapped {
		o.around = append(o.around, place)
		return nil
	}
	o.held += len(e.raw)
	if o.held > maxOutline {
		return fmt.Errorf("%w: more than %d octets of headers", ErrLimit, maxOutline)
	}
	leaf := Leaf{Header: e.header, Media: e.media, From: o.at, To: o.at, Alternative: place.alternative, Choice: place.choice}
	if e.kind == kindBroken || leaf.Media.Type == "" {
		leaf.Media = MediaType{Type: "application/octet-stream", Params: map[string]string{}}
	}
	o.leaves = append(o.leaves, leaf)
	return nil
}

// place finds out where an entity stands, and what it is for those inside of it.
func (o *outline) place(e *entity) surrounding {
	o.around = o.around[:e.depth]
	var p surrounding
	if e.depth > 0 {
		parent := &o.around[e.depth-1]
		if parent.chooses {
			parent.choice++
		}
		p.alternative, p.choice = parent.alternative, parent.choice
	}
	if e.kind == kindMultipart && e.media.Is("multipart/alternative") {
		o.alternatives++
		p = surrounding{alternative: o.alternatives, chooses: true}
	}
	return p
}

func (o *outline) body(p []byte) error {
	o.at += int64(len(p))
	return nil
}

func (o *outline) leave() error {
	o.leaves[len(o.leaves)-1].To = o.at
	return nil
}

func (o *outline) other(p []byte) error {
	o.at += int64(len(p))
	return nil
}
