package pickup

import (
	"context"
	"errors"
	"log/slog"

	"github.com/emersion/go-imap/v2"
)

// outlinesAtOnce is of how many messages the outlines are read, and kept, together.
const outlinesAtOnce = 200

// An ahead reads the outlines of messages that one command goes through, some at a
// time, and keeps those that were not there.
type ahead struct {
	ctx    context.Context
	view   *view
	log    *slog.Logger
	turn   *turn             // of a search; nil: none is needed
	read   map[uint64][]byte // of the last outlinesAtOnce messages, by body
	lacked map[uint64][]byte // made meanwhile
	until  int               // the position that next has not looked at
}

// next is message for whoever goes through the view in order.
func (a *ahead) next(i int, last *parsedBody) *message {
	if a.lacked == nil || i >= a.until {
		a.until = min(i+outlinesAtOnce, len(a.view.entries))
		a.look(flatten([]span{{i, a.until}}))
	}
	return a.message(i, last)
}

// look reads the outlines of the first of the messages. Without one a message is read
// where it lies, so that nothing fails for it.
func (a *ahead) look(positions []int) {
	a.keep()
	positions = positions[:min(len(positions), outlinesAtOnce)]
	bodies := make([]uint64, len(positions))
	for k, i := range positions {
		bodies[k] = a.view.entries[i].Body
	}
	var err error
	a.read, err = a.view.box.Outlines(a.ctx, bodies)
	if err != nil && a.ctx.Err() == nil {
		a.log.Debug("imap outlines could not be read", "err", err)
	}
	a.lacked = make(map[uint64][]byte)
}

// keep has the backend keep what was made.
func (a *ahead) keep() {
	if len(a.lacked) == 0 {
		return
	}
	err := a.view.box.KeepOutlines(a.ctx, a.lacked)
	if err != nil && !errors.Is(err, ErrUnavailable) && a.ctx.Err() == nil {
		a.log.Debug("imap outlines could not be kept", "err", err)
	}
	a.lacked = nil
}

// message is a message of the view, which is not opened before it is read.
func (a *ahead) message(i int, last *parsedBody) *message {
	e := &a.view.entries[i]
	m := &message{ctx: a.ctx, uid: e.UID, last: last, outline: a.read[e.Body]}
	m.body = &lateBody{size: e.Size, turn: a.turn, open: func() (Body, error) { return a.view.box.Body(a.ctx, e.Message) }}
	if m.outline == nil && a.lacked != nil {
		body := e.Body
		m.made = func(root *part) { a.lacked[body] = encodeOutline(root) }
	}
	return m
}

// A lateBody is opened by its first reader.
type lateBody struct {
	size int64
	turn *turn
	open func() (Body, error)
	body Body
}

func (l *lateBody) Size() int64 { return l.size }

func (l *lateBody) ReadAt(p []byte, off int64) (int, error) {
	err := l.turn.hold()
	if err == nil {
		err = l.ready()
	}
	if err != nil {
		return 0, err
	}
	return l.body.ReadAt(p, off)
}

// ready opens the body.
func (l *lateBody) ready() (err error) {
	if l.body == nil {
		l.body, err = l.open()
	}
	return err
}

// lists reports whether an item needs what outlines hold.
func lists(o *imap.FetchOptions) bool { return needsBody(o) && !onlyWhole(o) }

// onlyWhole reports whether all that is asked of the body is whole messages.
func onlyWhole(o *imap.FetchOptions) bool {
	if o.Envelope || o.BodyStructure != nil || len(o.BinarySection)+len(o.BinarySectionSize) > 0 {
		return false
	}
	for _, b := range o.BodySection {
		if len(b.Part) > 0 || b.Specifier != imap.PartSpecifierNone {
			return false
		}
	}
	return true
}
