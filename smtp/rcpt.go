package smtp

import (
	"errors"
	"slices"

	"postern/mime"
	"postern/trust/reason"
)

// rcpt is RCPT TO (RFC 5321 §4.1.1.3).
func (s *session) rcpt(arg string) reply {
	switch {
	case s.mustSecure():
		return errTLSFirst
	case s.envelope == nil:
		return errMailFirst
	}
	arg, ok := cutWord(arg, "TO:")
	if !ok {
		return s.wrong(errBadRcpt)
	}
	p, rest, err := cutPath(arg)
	if err != nil || p.local == "" {
		return s.wrong(errBadTo)
	}
	asked, r := s.rcptParams(rest)
	if !r.ok() {
		return s.wrong(r)
	}
	to, r := s.recipientOf(p)
	if !r.ok() {
		return r
	}
	return s.addRecipient(to, asked)
}

// recipientOf is the address of a path; <postmaster> is somebody's.
func (s *session) recipientOf(p path) (mime.Address, reply) {
	if p.isPostmaster() {
		to, err := s.policy.postmaster(s.wire.ctx)
		if err != nil {
			return to, s.refuse("RCPT", err)
		}
		return to, saidOK
	}
	to, err := p.address()
	switch {
	case errors.Is(err, errNotASCII):
		return to, s.refuse("RCPT", reason.New(reason.NotASCII, "a recipient"))
	case err != nil:
		return to, s.wrong(errNotDirectTo)
	}
	return to, saidOK
}

// addRecipient asks the backend about a recipient. One who is named again is counted
// once.
func (s *session) addRecipient(to mime.Address, asked Asked) reply {
	again := slices.ContainsFunc(s.envelope.To, to.Same)
	if !again && len(s.envelope.To) >= s.opts.Recipients {
		return s.tooMany()
	}
	err := s.policy.recipient(s.wire.ctx, *s.envelope, to)
	if err != nil {
		s.refused = append(s.refused, Refusal{to, err})
		return s.refuse("RCPT", err)
	}
	s.wire.useful()
	if !again {
		s.envelope.To = append(s.envelope.To, to)
		s.envelope.Asked = append(s.envelope.Asked, asked)
	}
	return saidRecipient
}

// freeSurplus is how many recipients of an envelope beyond the limit are no error: most
// clients name all that they have and send the rest in another message, as they may.
const freeSurplus = 1000

// tooMany refuses a recipient beyond the limit (RFC 5321 §4.5.3.1.10), which is logged
// once for an envelope.
func (s *session) tooMany() reply {
	err := reason.New(reason.TooManyRecipients, "more than %d", s.opts.Recipients)
	s.surplus++
	switch {
	case s.surplus > freeSurplus:
		return s.refuse("RCPT", err)
	case s.surplus == 1:
		s.logRefusal("RCPT", err, "")
	}
	s.wire.useful()
	return refusal(err, "")
}

// rcptParams reads the parameters of RCPT, which are those of DSN (RFC 3461 §4.1,
// §4.2).
func (s *session) rcptParams(text string) (Asked, reply) {
	var asked Asked
	all, err := parseParams(text)
	if err != nil {
		return asked, errBadRcpt
	}
	for _, p := range all {
		ok := false
		switch {
		case !s.extended || s.auth == nil:
			return asked, errParam
		case p.key == "NOTIFY":
			asked.Notify, ok = parseNotify(p.value)
		case p.key == "ORCPT":
			asked.Original, ok = parseOriginal(p.value)
		default:
			return asked, errParam
		}
		if !ok {
			return asked, errParamValue
		}
	}
	return asked, saidOK
}
