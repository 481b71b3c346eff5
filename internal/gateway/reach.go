package gateway

import (
	"context"
	"time"

	"postern/mime"
	"postern/smtp"
	"postern/trust/reason"
)

// reachWait is how long a client waits for what may refuse its recipients, whether it
// names one, at RCPT, or all at once.
const reachWait = 5 * time.Second

// refusals are those of the recipients that can be refused at once, in their order,
// with what the sender would be told of them later.
func (s Submission) refusals(ctx context.Context, from mime.Address, all []mime.Address) ([]smtp.Refusal, error) {
	dir, err := s.Directory(ctx)
	if err != nil {
		return nil, reason.New(reason.Internal, "%w", err)
	}
	why := make(map[mime.Address]error)
	var others []mime.Address
	for _, to := range all {
		if dir.IsOurs(to.Domain()) {
			why[to] = s.checkLocal(ctx, dir, to)
		}
		if why[to] == nil {
			others = append(others, to)
		}
	}
	if s.RefuseUnreachable {
		err := s.unreachable(ctx, dir, from.Domain(), others, why)
		if err != nil {
			return nil, err
		}
	}
	var refused []smtp.Refusal
	for _, to := range all {
		if why[to] != nil {
			refused = append(refused, smtp.Refusal{Recipient: to, Err: why[to]})
		}
	}
	return refused, nil
}

// unreachable finds those to whom nothing can be sealed by what the sender's domain
// trusts. What is not known in time, or may be otherwise soon, is no refusal: the
// message is taken, and tried.
func (s Submission) unreachable(ctx context.Context, dir *Directory, from mime.Domain, all []mime.Address, why map[mime.Address]error) error {
	limited, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	routes, err := s.sideBySide(ctx, all, func(to mime.Address, known *judged) Route {
		r := s.routeBeside(limited, dir, from, to, s.Now(), known)
		r.late = limited.Err() != nil
		return r
	})
	for _, r := range routes {
		if !r.late && !r.Code.IsOK() && !r.Code.Outcome().Retry {
			why[r.Recipient] = reason.New(r.Code, "%s", r.Detail)
		}
	}
	return err
}
