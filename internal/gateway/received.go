package gateway

import (
	"strings"
	"time"

	"postern/smtp"
	"postern/store"
)

// received is the value of the Received field about the session that brought a
// message (RFC 5321 §4.4). It names no recipient: each may read it.
func (c *Core) received(e smtp.Envelope, id store.TrackID, at time.Time) string {
	protocol := "ESMTP" // RFC 3848
	if e.TLS {
		protocol = "ESMTPS"
	}
	return "from " + heloOf(e) + " (" + addressLiteral(e) + ") by " + c.Hostname + " (Postern) with " + protocol +
		" id " + string(id) + "; " + at.Format(time.RFC1123Z)
}

// heloOf is what the client called itself, if that is a name or an address literal
// and no more: it is a stranger's text.
func heloOf(e smtp.Envelope) string {
	odd := func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-.:[]", c))
	}
	if e.Helo == "" || strings.ContainsFunc(e.Helo, odd) {
		return "unknown"
	}
	return e.Helo
}

// addressLiteral is the client's address (RFC 5321 §4.1.3).
func addressLiteral(e smtp.Envelope) string {
	a := e.Remote.Addr().Unmap().WithZone("")
	if a.Is6() {
		return "[IPv6:" + a.String() + "]"
	}
	return "[" + a.String() + "]"
}
