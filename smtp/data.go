package smtp

import (
	"io"
	"strings"
	"unicode"

	"postern/trust/reason"
)

// data is DATA (RFC 5321 §4.1.1.4).
func (s *session) data() reply {
	r := s.mayTake()
	if !r.ok() {
		s.refusedData()
		return r
	}
	s.wire.begin()
	s.answer(saidGoAhead)
	s.flush()
	message := newUndotted(s.in, s.wire)
	r = s.take(message)
	_, err := io.Copy(io.Discard, message)
	switch {
	case err != nil:
		s.gone, s.midway = true, true
	case message.oddStart:
		// Whoever takes CR CR LF for no line end has not ended his message there, and
		// what follows may be the rest of it.
		s.gone, s.midway = true, true
	}
	s.reset()
	return r
}

// refusedData sees to it that a message which the client sends though DATA was refused
// is not read as commands, of which it may hold some (RFC 2920 §3.1): not what is here
// already, and what is still to come only up to its first line that is no command.
func (s *session) refusedData() {
	s.unsure = true
	if s.hasSentMore() {
		s.gone, s.midway = true, true
	}
}

// looksLikeData reports whether a client may take a line for DATA that is not.
func looksLikeData(line string) bool {
	letters := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) {
			return r
		}
		return -1
	}, line)
	return len(letters) >= 4 && strings.EqualFold(letters[:4], "DATA")
}

// mayTake says whether the envelope is complete.
func (s *session) mayTake() reply {
	switch {
	case s.mustSecure():
		return errTLSFirst
	case s.envelope == nil:
		return errMailFirst
	case len(s.envelope.To) > 0:
		return saidOK
	case len(s.refused) > 0:
		return errNobody
	}
	return errRcptFirst
}

// take hands a message to the backend and says what became of it. Some of it may be
// left to read.
func (s *session) take(message io.Reader) (r reply) {
	defer func() {
		v := recover()
		if v != nil {
			s.panicked(v)
			r = errPanicked
		}
	}()
	in := newIntake(message, s.opts.MessageBytes)
	id, err := s.policy.accept(s.wire.ctx, *s.envelope, in)
	err = verdict(in, err)
	if err != nil {
		s.logRefusal("DATA", err, id)
		if s.wire.wrong() { // not before this answer
			s.gone = true
		}
		return refusal(err, id)
	}
	s.wire.worthwhile()
	s.log.Debug("message accepted", "id", id, "recipients", len(s.envelope.To), "tls", s.tls != nil)
	return accepted(id)
}

// verdict joins how reading went with what the backend said. Only a message read
// to its end without fault and accepted by the backend is accepted. Of the same fault
// the backend knows more: in which field it is.
func verdict(in *intake, err error) error {
	if in.err != nil && in.err != io.EOF && reason.Of(err) != reason.Of(in.err) {
		return in.err
	}
	if err != nil {
		return err
	}
	if in.err == nil {
		return reason.New(reason.Internal, "the backend did not read the message to its end")
	}
	return nil
}
