package smtp

import (
	"fmt"
	"strings"

	"postern/mime"
	"postern/trust/reason"
)

// hello is HELO, which ends a transaction and offers no extensions (RFC 5321
// §4.1.1.1).
func (s *session) hello(arg string) reply {
	if !isHello(arg) {
		return errBadHello
	}
	s.reset()
	s.helo, s.extended = arg, false
	return saidHello
}

// ehlo is EHLO. What it lists is true of this session at this moment (RFC 5321
// §4.1.1.1).
func (s *session) ehlo(arg string) reply {
	r := s.hello(arg)
	if !r.ok() {
		return r
	}
	s.extended = true
	return say(250, reason.Enhanced{}, append([]string{s.opts.Hostname}, s.extensions()...)...)
}

// isHello reports whether a client's name is one word of ASCII. Its form is not
// looked at, for many clients have none that is a domain name (RFC 5321 §4.1.4).
func isHello(s string) bool {
	return s != "" && len(s) <= mime.MaxDomain+2 && printable(s, len(s)) == s && !strings.Contains(s, " ")
}

// extensions are what EHLO lists. How to get in comes first: there are clients that do
// not see what they look for on the last line, such as libgsasl's with STARTTLS.
func (s *session) extensions() []string {
	var all []string
	if s.opts.TLS != nil && s.tls == nil {
		all = append(all, "STARTTLS")
	}
	if s.auth != nil && s.tls != nil { // EP-4
		mechanisms := s.auth.mechanisms()
		if len(mechanisms) > 0 {
			all = append(all, "AUTH "+strings.Join(mechanisms, " "))
		}
	}
	all = append(all, "PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING")
	if s.auth != nil {
		all = append(all, "DSN", "SMTPUTF8")
	}
	return append(all,
		fmt.Sprintf("SIZE %d", s.opts.MessageBytes),         // RFC 1870
		fmt.Sprintf("LIMITS RCPTMAX=%d", s.opts.Recipients), // RFC 9422
	)
}
