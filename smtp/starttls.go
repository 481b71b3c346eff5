package smtp

import (
	"bufio"
	"crypto/tls"
)

// startTLS is STARTTLS (RFC 3207). All that was said in clear is forgotten.
func (s *session) startTLS() reply {
	switch {
	case s.opts.TLS == nil:
		return errNotOffered
	case s.tls != nil:
		return errTLSAlready
	case s.isAhead() || len(s.wire.unread) > 0:
		// It came in clear and could pass for part of the protected session (§6).
		s.gone, s.midway = true, true
		return errAhead
	}
	s.reset()
	s.helo, s.extended = "", false
	s.answer(saidReadyTLS)
	s.flush()
	_ = s.wire.expect() // the handshake's first read says the same
	s.handshake()
	return reply{}
}

// handshake begins TLS. When it fails the connection ends: there is nobody who could
// be told.
func (s *session) handshake() bool {
	secure := tls.Server(s.wire, s.opts.TLS)
	err := secure.HandshakeContext(s.wire.ctx)
	if err != nil {
		s.log.Info("smtp connection", "event", "TLS handshake", "err", err)
		s.gone = true
		return false
	}
	s.tls, s.in = secure, bufio.NewReader(secure)
	return true
}
