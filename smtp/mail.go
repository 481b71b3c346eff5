package smtp

import (
	"errors"
	"strconv"
	"strings"

	"postern/mime"
	"postern/trust/reason"
)

// mail is MAIL FROM (RFC 5321 §4.1.1.2).
func (s *session) mail(arg string) reply {
	switch {
	case s.mustSecure():
		return errTLSFirst
	case s.helo == "":
		return errHelloFirst
	case s.envelope != nil:
		return errMailAlready
	}
	arg, ok := cutWord(arg, "FROM:")
	if !ok {
		return s.wrong(errBadMail)
	}
	p, rest, err := cutPath(arg)
	if err != nil || p.isPostmaster() {
		return s.wrong(errBadSender)
	}
	e := Envelope{Remote: s.wire.remote, Helo: printable(s.helo, mime.MaxDomain), TLS: s.tls != nil}
	r := s.mailParams(&e, rest)
	if !r.ok() {
		return s.wrong(r)
	}
	return s.beginMail(e, p)
}

// beginMail asks the backend whether a message may come.
func (s *session) beginMail(e Envelope, from path) reply {
	if from != (path{ascii: true}) {
		var err error
		e.From, err = from.address()
		if errors.Is(err, errNotASCII) {
			return s.refuse("MAIL", reason.New(reason.NotASCII, "the sender")) // RFC 6531 §3.5
		}
		if err != nil {
			return s.wrong(errNotDirectBy)
		}
	}
	err := s.policy.sender(s.wire.ctx, e.From)
	if err != nil {
		return s.refuseSender(err)
	}
	if e.Size > s.opts.MessageBytes { // RFC 1870 §6.1
		return s.refuse("MAIL", reason.New(reason.TooLarge, "SIZE=%d", e.Size))
	}
	login := s.policy.login()
	e.Account, e.Proof = login.Account, login.Proof
	err = s.policy.ready(s.wire.ctx, e)
	if err != nil {
		return s.refuse("MAIL", err)
	}
	s.wire.useful()
	s.envelope, s.unsure = &e, false
	return saidSender
}

// refuseSender refuses a sender. A login that is over cannot be renewed on the same
// connection (RFC 4954 §4), which therefore ends.
func (s *session) refuseSender(err error) reply {
	known := !s.policy.login().Account.IsZero()
	r := s.refuse("MAIL", err)
	if known && reason.Of(err) == reason.AuthRequired {
		s.gone = true
	}
	return r
}

// mailParams reads the parameters of MAIL. None is offered to who said HELO.
func (s *session) mailParams(e *Envelope, text string) reply {
	all, err := parseParams(text)
	if err != nil {
		return errBadMail
	}
	if len(all) > 0 && !s.extended {
		return errParam
	}
	for _, p := range all {
		known, ok := s.mailParam(e, p)
		if !known {
			return errParam
		}
		if !ok {
			return errParamValue
		}
	}
	return saidOK
}

// mailParam reads one parameter. It is not known where its extension is not offered.
func (s *session) mailParam(e *Envelope, p param) (known, ok bool) {
	submission := s.auth != nil
	switch p.key {
	case "SIZE": // RFC 1870 §3
		e.Size, ok = parseSize(p.value)
		return true, ok
	case "BODY": // RFC 6152 §2; BINARYMIME is not offered
		body := strings.ToUpper(p.value)
		return body != "BINARYMIME", body == "7BIT" || body == "8BITMIME"
	case "SMTPUTF8": // RFC 6531 §3.4
		return submission, p.value == ""
	case "AUTH": // RFC 4954 §5
		return submission, isAuthParam(p.value)
	case "RET": // RFC 3461 §4.3
		what := strings.ToUpper(p.value)
		return submission, what == "FULL" || what == "HDRS"
	case "ENVID": // RFC 3461 §4.4
		e.EnvelopeID, ok = fromXtext(p.value)
		return submission, ok && e.EnvelopeID != "" && len(p.value) <= maxEnvelopeID
	}
	return false, false
}

// parseSize reads up to twenty digits (RFC 1870 §3). What does not fit is more than
// any limit.
func parseSize(s string) (int64, bool) {
	if s == "" || len(s) > 20 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 1<<63 - 1, true
	}
	return n, true
}
