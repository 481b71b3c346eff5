package pickup

import (
	"context"
	"errors"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
)

func no(code imap.ResponseCode, text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeNo, Code: code, Text: text}
}

func bad(text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeBad, Code: imap.ResponseCodeClientBug, Text: text}
}

func bye(text string) *imap.Error {
	return &imap.Error{Type: imap.StatusResponseTypeBye, Text: text}
}

// replies are the answers to the backend's errors (RFC 9051 §7.1).
var replies = [...]struct {
	err  error
	code imap.ResponseCode
	text string
}{
	{ErrNoMailbox, imap.ResponseCodeNonExistent, "No such mailbox"},
	{ErrNoMessage, codeExpungeIssued, "The message is gone"},
	{ErrExists, imap.ResponseCodeAlreadyExists, "There is a mailbox of that name"},
	{ErrHasChildren, imap.ResponseCodeHasChildren, "There are mailboxes below that one"},
	{ErrRefused, imap.ResponseCodeCannot, "Not possible for that mailbox"},
	{ErrLimit, imap.ResponseCodeLimit, "A limit was reached"},
	{ErrOverQuota, imap.ResponseCodeOverQuota, "Your mailboxes are full"},
	{ErrRevoked, imap.ResponseCodeAuthorizationFailed, "The login is no longer good"},
	{ErrUnavailable, imap.ResponseCodeUnavailable, "Try again later"},
	{errHungUp, imap.ResponseCodeUnavailable, "You have hung up"},
	{context.Canceled, imap.ResponseCodeUnavailable, "The server is going down"},
}

// codeExpungeIssued is of RFC 5530 §3: some messages are gone, and the client
// will learn which.
const codeExpungeIssued imap.ResponseCode = "EXPUNGEISSUED"

// reply turns an error into what the client is told. What it cannot name it
// logs, and tells only that the server is at fault.
func (s *session) reply(op string, err error) error {
	var known *imap.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrAuthFailed):
		return imapserver.ErrAuthFailed
	}
	if errors.Is(err, errUnwritten) || errors.Is(err, errBrokeOff) {
		s.log.Debug("imap client went away", "op", op)
		return err
	}
	for _, r := range replies {
		if errors.Is(err, r.err) {
			return no(r.code, r.text)
		}
	}
	s.log.Error("imap command failed", "op", op, "err", err)
	return no(imap.ResponseCodeServerBug, "Trouble of the server")
}

// tryCreate is reply for the destination of COPY, MOVE and APPEND: a missing
// mailbox is TRYCREATE (RFC 9051 §6.3.12, §6.4.7).
func (s *session) tryCreate(op string, err error) error {
	if errors.Is(err, ErrNoMailbox) {
		return no(imap.ResponseCodeTryCreate, "No such mailbox")
	}
	return s.reply(op, err)
}
