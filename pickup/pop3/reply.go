package pop3

import (
	"context"
	"errors"

	"postern/pickup"
)

// wrong answers what is no good, which is counted. The answer goes out before what
// it costs is waited for.
func (s *session) wrong(text string) error {
	s.Wrong()
	s.say("-ERR %s", text)
	return s.flush()
}

// replies are the answers to the backend's errors. Response codes are of RFC 2449 §8
// and RFC 3206.
var replies = [...]struct {
	err  error
	text string
}{
	{ErrInUse, "[IN-USE] Another session has the mailbox"},
	{pickup.ErrNoMessage, "The message is gone"},
	{pickup.ErrNoMailbox, "[SYS/PERM] There is no mailbox"},
	{pickup.ErrRevoked, "[AUTH] The login is no longer good"},
	{pickup.ErrUnavailable, "[SYS/TEMP] Try again later"},
	{context.Canceled, "[SYS/TEMP] The server is going down"},
}

// fail answers an error. What it cannot name it logs, and tells only that the server
// is at fault.
func (s *session) fail(what string, err error) error {
	for _, r := range replies {
		if errors.Is(err, r.err) {
			s.say("-ERR %s", r.text)
			return nil
		}
	}
	s.log.Error("pop3 command failed", "op", what, "err", err)
	s.say("-ERR [SYS/TEMP] Trouble of the server")
	return nil
}
