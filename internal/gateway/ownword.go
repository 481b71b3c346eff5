package gateway

import (
	"bytes"
	"context"
	"io"

	"postern/mime"
	"postern/mime/mdn"
	"postern/store"
	"postern/trust/reason"
)

// spoolReport is spool for a notification that an account hands in. It may only be
// the account's own word, an MDN about what came to itself (AS-93), or to an alias of its
// own: far sides believe
// our domain's signature, and would take any user's word for that of a colleague. DSNs
// are the word of agents, and no user's.
func (c *Core) spoolReport(ctx context.Context, account mime.Address, header *mime.Header, rest io.Reader) (store.BodyWriter, error) {
	dir, err := c.Directory(ctx)
	if err != nil {
		return nil, reason.New(reason.Internal, "%w", err)
	}
	body, err := c.Store.NewBody(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	err = copyReport(body, dir, account, header, rest)
	if err != nil {
		body.Discard()
		return nil, err
	}
	return body, nil
}

func copyReport(body io.Writer, dir *Directory, account mime.Address, header *mime.Header, rest io.Reader) error {
	var head bytes.Buffer
	_, err := header.WriteTo(io.MultiWriter(body, &head))
	if err != nil {
		return acceptError(err, "spooling")
	}
	n, err := mdn.Parse(io.MultiReader(&head, io.TeeReader(rest, body)), mime.Limits{})
	if unreadable(err) {
		return reason.New(reason.BadHeader, "a notification that users may send is an MDN: %w", err)
	}
	if err != nil {
		return acceptError(err, "reading a notification")
	}
	for _, a := range []mime.Address{n.From, n.FinalRecipient, n.OriginalRecipient} {
		if !a.IsZero() && !dir.find(a).belongsTo(account) {
			return reason.New(reason.SenderNotAllowed, "%s may not notify for %s", account, a)
		}
	}
	_, err = io.Copy(body, rest)
	if err != nil {
		return acceptError(err, "spooling")
	}
	return nil
}
