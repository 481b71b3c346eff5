package ldapd

import (
	"context"
	"net/netip"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A session answers the requests of one client, one after the other. It knows no
// sockets.
type session struct {
	server *Server
	client netip.Prefix // whom its requests are counted for
	secure bool         // under TLS
	busy   int          // requests answered busy in a row
}

// maxBusy is how many requests in a row a client may have turned down before it
// is hung up on.
const maxBusy = 100

// A reply is what is sent for a request, and what happens afterwards.
type reply struct {
	octets []byte
	then   next
}

type next int

const (
	readOn next = iota
	hangUp
	startTLS
)

// answer handles one frame.
func (s *session) answer(ctx context.Context, frame []byte) reply {
	s.server.stats.requests.Add(1)
	m, err := parseMessage(frame)
	if err != nil {
		return s.server.malformed(err)
	}
	if m.op == opUnbind {
		return reply{then: hangUp}
	}
	if !s.afford(1) {
		return s.turnDown(m)
	}
	s.busy = 0
	switch {
	case m.op == opAbandon:
		return reply{} // what it is about has been answered already (RFC 4511 §4.11)
	case m.critical:
		return answerWith(m, unavailableCriticalExtension, "no controls are known here")
	}
	return s.dispatch(ctx, m)
}

func (s *session) dispatch(ctx context.Context, m *message) reply {
	switch m.op {
	case opBind:
		return bind(m)
	case opSearch:
		return reply{octets: s.search(ctx, m)}
	case opExtended:
		return s.extended(m)
	}
	return answerWith(m, unwillingToPerform, "this directory is read-only and answers searches alone")
}

// afford takes the cost of a request from what the client may do now.
func (s *session) afford(cost int) bool {
	ok := s.server.limiter.Take(s.client, cost, time.Now())
	if !ok {
		s.server.stats.limited.Add(1)
	}
	return ok
}

// turnDown answers busy, and hangs up on who does not listen.
func (s *session) turnDown(m *message) reply {
	r := result{busy, "too many requests from your address, try again later"}
	s.busy++
	switch {
	case s.busy > maxBusy:
		return reply{notice(r), hangUp}
	case m.op == opAbandon:
		return reply{}
	}
	return answerWith(m, r.code, r.text)
}

// answerWith answers a request with a result alone.
func answerWith(m *message, c code, text string, more ...*ber.Packet) reply {
	return reply{octets: encodeResult(m.id, response(m.op), result{c, text}, more...)}
}

// bind answers a BindRequest (RFC 4511 §4.2). Only the anonymous one succeeds
// (CD-26); any other leaves the session anonymous as well.
func bind(m *message) reply {
	f := fieldsOf(m.request, application(opBind))
	version := f.integer(idInteger)
	name := f.octets(idOctetString)
	simple := f.has(contextPrimitive)
	password := f.next()
	switch {
	case f.err != nil:
		return answerWith(m, protocolError, "the bind makes no sense")
	case version != 3:
		return answerWith(m, protocolError, "version 3 alone is spoken here")
	case !simple:
		return answerWith(m, authMethodNotSupported, "bind anonymously")
	case password.Data.Len() > 0:
		return answerWith(m, invalidCredentials, "nobody has a password here, bind anonymously")
	case name != "": // RFC 4513 §5.1.2
		return answerWith(m, unwillingToPerform, "a name without a password: bind anonymously")
	}
	return answerWith(m, success, "")
}

// extended answers an ExtendedRequest (RFC 4511 §4.12).
func (s *session) extended(m *message) reply {
	f := fieldsOf(m.request, application(opExtended))
	switch name := f.octets(contextPrimitive); {
	case f.err != nil:
		return answerWith(m, protocolError, "the request makes no sense")
	case name == oidWhoAmI:
		return answerWith(m, success, "", responseValue("")) // RFC 4532 §2.2: anonymous
	case name == oidStartTLS && s.server.opts.TLS != nil:
		return s.startTLS(m)
	}
	return answerWith(m, protocolError, "no such operation here")
}

// startTLS lets TLS begin once (RFC 4511 §4.14).
func (s *session) startTLS(m *message) reply {
	if s.secure {
		return answerWith(m, operationsError, "this is under TLS already", responseName(oidStartTLS))
	}
	r := answerWith(m, success, "", responseName(oidStartTLS))
	r.then = startTLS
	return r
}
