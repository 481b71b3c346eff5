package pop3

import (
	"errors"
	"fmt"
	"io"

	"postern/pickup"
)

// noSuch answers a number that no message has.
func (s *session) noSuch() error {
	s.say("-ERR No such message")
	return nil
}

// message finds the message that an argument names. Otherwise that is answered.
func (s *session) message(arg string) (*entry, int, bool) {
	n, ok := number(arg)
	if !ok {
		_ = s.wrong("That is no number")
		return nil, 0, false
	}
	e, ok := s.drop.find(n)
	if !ok {
		_ = s.noSuch()
	}
	return e, n, ok
}

// stat counts what is not marked (RFC 1939 §5).
func (s *session) stat([]string) error {
	count, octets, err := s.count()
	if err != nil {
		return s.fail("stat", err)
	}
	s.say("+OK %d %d", count, octets)
	return nil
}

// count returns the messages that are not marked and their octets.
func (s *session) count() (n int, octets int64, err error) {
	for i := range s.drop.entries {
		e := &s.drop.entries[i]
		if e.deleted {
			continue
		}
		size, err := s.size(e)
		if err != nil {
			return 0, 0, err
		}
		n++
		octets += size
	}
	return n, octets, nil
}

// size is how long a message is as sent (RFC 1939 §11). It is looked for once: the
// message is read for it, but nothing of it is told.
func (s *session) size(e *entry) (int64, error) {
	if e.text >= 0 {
		return e.text, nil
	}
	n, known := s.server.sizes.get(e.body)
	if !known {
		var err error
		n, err = s.measure(e)
		if err != nil {
			return 0, err
		}
	}
	e.text = n
	return n, nil
}

func (s *session) measure(e *entry) (int64, error) {
	err := s.ctx.Err()
	if err != nil {
		return 0, err
	}
	body, err := s.drop.open(s.ctx, e)
	if err == nil {
		var n int64
		n, err = textSize(io.NewSectionReader(body, 0, body.Size()))
		if err == nil {
			s.server.sizes.put(e.body, n)
			return n, nil
		}
	}
	if !errors.Is(err, pickup.ErrNoMessage) {
		// One message that cannot be read keeps nobody from the others.
		s.log.Error("pop3 message could not be measured", "err", err)
	}
	return e.size, nil
}

// list tells the sizes of messages (RFC 1939 §5).
func (s *session) list(args []string) error {
	if len(args) == 1 {
		e, n, ok := s.message(args[0])
		if !ok {
			return nil
		}
		size, err := s.size(e)
		if err != nil {
			return s.fail("list", err)
		}
		s.say("+OK %d %d", n, size)
		return nil
	}
	count, octets, err := s.count()
	if err != nil {
		return s.fail("list", err)
	}
	s.say("+OK %d messages (%d octets)", count, octets)
	return s.each(func(n int, e *entry) string { return fmt.Sprintf("%d %d", n, e.text) })
}

// each writes a line for each message that is not marked.
func (s *session) each(line func(n int, e *entry) string) error {
	for i := range s.drop.entries {
		if s.drop.entries[i].deleted {
			continue
		}
		_, err := io.WriteString(s.out, line(i+1, &s.drop.entries[i])+"\r\n")
		if err != nil {
			return errors.Join(errGone, err)
		}
	}
	return s.finish()
}

// uidl tells the names of messages that stay the same for ever (RFC 1939 §7).
func (s *session) uidl(args []string) error {
	if len(args) == 1 {
		e, n, ok := s.message(args[0])
		if ok {
			s.say("+OK %d %s", n, s.drop.id(e))
		}
		return nil
	}
	s.say("+OK")
	return s.each(func(n int, e *entry) string { return fmt.Sprintf("%d %s", n, s.drop.id(e)) })
}

// dele marks a message, which QUIT will remove.
func (s *session) dele(args []string) error {
	e, n, ok := s.message(args[0])
	if !ok {
		return nil
	}
	e.deleted = true
	s.drop.marked++
	s.say("+OK Message %d is marked", n)
	return nil
}

// rset takes all marks away.
func (s *session) rset([]string) error {
	for i := range s.drop.entries {
		s.drop.entries[i].deleted = false
	}
	s.drop.marked = 0
	s.say("+OK %d messages", len(s.drop.entries))
	return nil
}

func (s *session) noop([]string) error {
	s.say("+OK")
	return nil
}

// quit removes what is marked (RFC 1939 §6) and ends the session. The mailbox is free
// before the client hears of it.
func (s *session) quit([]string) error {
	if s.drop == nil {
		s.say("+OK Goodbye")
		return errQuit
	}
	marked := s.drop.toRemove()
	s.drop.sent.Flush()
	gone, err := 0, error(nil)
	if len(marked) > 0 {
		gone, err = s.drop.box.Remove(s.ctx, marked)
	}
	s.drop.box.Release()
	if err != nil {
		s.log.Error("pop3 messages could not be removed", "marked", len(marked), "removed", gone, "err", err)
		s.say("-ERR [SYS/TEMP] %d of %d marked messages were not removed", len(marked)-gone, len(marked))
		return errQuit
	}
	s.say("+OK %d messages removed", gone)
	return errQuit
}
