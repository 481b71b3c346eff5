package pop3

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// capa tells what there is, in this state and to this connection (RFC 2449 §5).
func (s *session) capa([]string) error {
	s.say("+OK Capabilities follow")
	for _, line := range s.capabilities(s.ctx) {
		s.say("%s", line)
	}
	return s.finish()
}

// capabilities are the lines of CAPA. Before TLS there is no way to log in, so that
// none is announced (RFC 2595 §4). EXPIRE is a user's, and IMPLEMENTATION is not for
// those whom nobody knows.
func (s *session) capabilities(ctx context.Context) []string {
	all := []string{"TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING"}
	switch {
	case s.secure == nil && s.options.TLS != nil:
		all = append(all, "STLS")
	case s.secure != nil:
		all = append(all, "USER", "SASL "+strings.Join(s.mechanisms(ctx), " "))
	}
	if s.drop != nil {
		keep, err := s.user.Retention(ctx)
		if err == nil {
			all = append(all, expire(keep))
		}
		all = append(all, "IMPLEMENTATION Postern")
	}
	return all
}

// expire says for how many days messages stay at least (RFC 2449 §6.7).
func expire(keep time.Duration) string {
	if keep <= 0 {
		return "EXPIRE NEVER"
	}
	return fmt.Sprintf("EXPIRE %d", int(keep/(24*time.Hour)))
}
