package pop3

import (
	"errors"
	"fmt"
	"io"

	"postern/pickup"
)

// retr sends a message (RFC 1939 §5).
func (s *session) retr(args []string) error {
	e, _, ok := s.message(args[0])
	if !ok {
		return nil
	}
	return s.send(e, nil)
}

// top sends the header of a message and some lines of its body (RFC 1939 §7).
func (s *session) top(args []string) error {
	lines, ok := number(args[1])
	if !ok {
		return s.wrong("That is no number")
	}
	e, _, ok := s.message(args[0])
	if !ok {
		return nil
	}
	return s.send(e, &topReader{lines: lines})
}

// send sends a message, or the top of it. Everything that may fail for a reason which
// the client can be told is done before the first octet.
func (s *session) send(e *entry, top *topReader) error {
	var body pickup.Body
	err := s.note(e, top)
	if err == nil {
		body, err = s.drop.open(s.ctx, e)
	}
	if err != nil {
		return s.fail("retr", err)
	}
	if top == nil {
		size, err := s.size(e)
		if err != nil {
			return s.fail("retr", err)
		}
		s.say("+OK %d octets", size)
	} else {
		s.say("+OK")
	}
	whole, err := s.copyText(body, top)
	if err != nil {
		// The response is broken in the middle: nothing more may follow it, not even
		// its end.
		s.Cut()
		if !errors.Is(err, pickup.ErrNoMessage) && s.ctx.Err() == nil {
			s.log.Debug("pop3 message broke off", "err", err)
		}
		return errors.Join(errGone, err)
	}
	if whole && (top == nil || top.body) {
		s.drop.sent.Add(e.uid)
	}
	return nil
}

// note has the backend note that a message is about to be read. It was there then if it
// can be opened afterwards: no other message ever has its UID. The header, by which
// clients make their lists, is not reading.
func (s *session) note(e *entry, top *topReader) error {
	if top != nil && top.lines == 0 {
		return nil
	}
	all := []*entry{e}
	if top == nil {
		all = s.ahead(e)
	}
	if !e.noted || top == nil && !e.seen {
		err := s.read(all, top == nil)
		if err != nil {
			return fmt.Errorf("noting what is read: %w", err)
		}
	}
	return nil
}

// read notes messages together.
func (s *session) read(all []*entry, see bool) error {
	uids, seen := make([]uint32, len(all)), false
	for i, e := range all {
		uids[i] = e.uid
		seen = seen || see && !e.seen
	}
	err := s.drop.box.Read(s.ctx, uids, seen)
	if err != nil {
		return err
	}
	for _, e := range all {
		e.noted, e.seen = true, e.seen || see
	}
	return nil
}

// copyText sends a body as text, and says whether that was all of it.
func (s *session) copyText(body pickup.Body, top *topReader) (whole bool, err error) {
	all := io.NewSectionReader(body, 0, body.Size())
	var from io.Reader = all
	if top != nil {
		top.from = all
		from = top
	}
	buf := pieces.Get().(*[]byte)
	defer pieces.Put(buf)
	text := &textWriter{out: s.out}
	sent, err := io.CopyBuffer(text, onlyReader{from}, *buf)
	if err == nil {
		err = text.end()
	}
	if err == nil {
		err = s.finish()
	}
	if err == nil {
		err = s.out.Flush() // what was not sent was not read
	}
	return sent == body.Size(), err
}

// onlyReader keeps io.CopyBuffer from finding a way around its buffer.
type onlyReader struct{ io.Reader }
