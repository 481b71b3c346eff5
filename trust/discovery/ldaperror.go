package discovery

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"postern/internal/guard"
	"postern/trust/reason"
)

// A codeError is a result code (RFC 4511 §4.1.9) with what the server said of it,
// or one of the library's own, which begin with ldap.ErrorNetwork.
type codeError struct {
	code uint16
	text string
}

// Error returns the code's name and what the server said, in one line.
func (e *codeError) Error() string { return e.text }

// plain makes a short error of one of the library's, which holds the whole
// message of the server.
func plain(err error) error {
	var code *ldap.Error
	if !errors.As(err, &code) {
		return err
	}
	e := &codeError{code: code.ResultCode, text: reason.Line(err.Error(), maxOutcome)}
	if errors.Is(err, ldap.ErrSizeLimitExceeded) {
		e.code = ldap.LDAPResultSizeLimitExceeded // it is our limit that was exceeded
	}
	return e
}

// answered reports whether err is nil or a result code of the server, so that
// the connection is good for another question.
func answered(err error) bool {
	var code *codeError
	return err == nil || errors.As(err, &code) && code.code < ldap.ErrorNetwork
}

func hasCode(err error, any ...uint16) bool {
	var code *codeError
	return errors.As(err, &code) && slices.Contains(any, code.code)
}

// directoryAnswer tells what kind of answer err, of a directory, is.
func directoryAnswer(err error) Answer {
	var lookup *DNSError
	var code *codeError
	var network *net.OpError
	switch {
	case errors.Is(err, guard.ErrForbidden):
		return AnswerForbidden
	case errors.As(err, &lookup):
		if !lookup.Temporary() {
			return AnswerUnreachable // a server whose name has no address
		}
		return lookup.Kind
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return AnswerTimeout
	case answered(err) && errors.As(err, &code):
		return codeAnswer(code.code)
	case errors.As(err, &network) && network.Op == "dial":
		if network.Timeout() {
			return AnswerTimeout
		}
		return AnswerUnreachable
	}
	return AnswerBroken
}

// directoryRefuses reports whether err is a code by which a server turns us away.
func directoryRefuses(err error) bool {
	var code *codeError
	return answered(err) && errors.As(err, &code) && codeAnswer(code.code) == AnswerRefused
}

// codeAnswer tells refusals from trouble.
func codeAnswer(code uint16) Answer {
	switch code {
	case ldap.LDAPResultNoSuchObject:
		return AnswerNoEntry
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultOther, ldap.LDAPResultTimeLimitExceeded,
		ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultLoopDetect:
		return AnswerServFail
	}
	return AnswerRefused
}

// A lateError is the end of the time that a server had to answer.
type lateError time.Duration

func (e lateError) Error() string {
	return "no answer within " + time.Duration(e).Round(100*time.Millisecond).String()
}

// Is has it be a timeout.
func (lateError) Is(target error) bool { return target == os.ErrDeadlineExceeded }
