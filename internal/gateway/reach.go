package gateway

import (
	"context"
	"time"

	"postern/mime"
	"postern/trust/reason"
)

// reachWait is how long a client waits at RCPT for what may refuse the recipient.
const reachWait = 5 * time.Second

// checkReach refuses a recipient to whom nothing can be sealed, with the reason that
// the sender would be told later. What is not known in time, or may be otherwise soon,
// is no refusal: the message is taken, and tried.
func (s Submission) checkReach(ctx context.Context, dir *Directory, from, to mime.Address) error {
	limited, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	r := s.Route(limited, dir, from.Domain(), to, s.Now())
	if r.Code.IsOK() || r.Code.Outcome().Retry || limited.Err() != nil {
		return nil
	}
	return reason.New(r.Code, "%s", r.Detail)
}
