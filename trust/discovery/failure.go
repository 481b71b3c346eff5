package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/miekg/dns"

	"postern/internal/guard"
)

// Why a look-up gave nothing; see DNSError.
var (
	ErrNoName = errors.New("the name does not exist")          // NXDOMAIN
	ErrNoData = errors.New("the name has no such record")      // NODATA
	ErrServer = errors.New("no DNS server gave a good answer") // SERVFAIL, REFUSED, silence and the like
)

// A DNSError says why a look-up gave nothing. Err wraps ErrNoName or ErrNoData,
// which are answers, or it is a failure that may pass.
type DNSError struct {
	Name, Type string
	Server     string // the last one asked, or ""
	// Kind is the answer that was got. Of several servers that failed in several
	// ways, one that spoke counts more than one that was silent.
	Kind Answer
	Err  error
}

// Error returns the question and what became of it.
func (e *DNSError) Error() string {
	return fmt.Sprintf("looking up %s %s: %v", e.Name, e.Type, e.Err)
}

// Unwrap returns Err.
func (e *DNSError) Unwrap() error { return e.Err }

// Temporary reports whether the look-up may succeed later (CD-9). Only an
// answer that there is nothing is final.
func (e *DNSError) Temporary() bool {
	return !errors.Is(e.Err, ErrNoName) && !errors.Is(e.Err, ErrNoData)
}

// temporary reports whether err is a DNS failure that may pass. Others, such as
// those of LDAP servers, never count (CD-31).
func temporary(err error) bool {
	var e *DNSError
	return errors.As(err, &e) && e.Temporary()
}

// An rcodeError is a response code that is no answer.
type rcodeError int

func (e rcodeError) Error() string {
	name, ok := dns.RcodeToString[int(e)]
	if !ok {
		return fmt.Sprintf("it answered with code %d", int(e))
	}
	return "it answered " + name
}

func (e rcodeError) kind() Answer {
	switch int(e) {
	case dns.RcodeServerFailure:
		return AnswerServFail
	case dns.RcodeRefused, dns.RcodeNotImplemented, dns.RcodeNotAuth:
		return AnswerRefused // it will not do this for us, now or ever
	}
	return AnswerBroken // FORMERR and the rest: our question was good
}

// kindOf tells what kind of failure err, of one question to one server, is.
func kindOf(err error) Answer {
	var code rcodeError
	var network *net.OpError
	switch {
	case errors.As(err, &code):
		return code.kind()
	case errors.Is(err, guard.ErrForbidden):
		return AnswerForbidden
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded):
		return AnswerTimeout
	case errors.As(err, &network):
		return AnswerUnreachable
	}
	return AnswerBroken
}

// A failure is what several servers that gave no answer amount to.
type failure struct {
	kind Answer
	err  error
}

// telling are the kinds of failure, those that say more last.
var telling = []Answer{"", AnswerNotAsked, AnswerTimeout, AnswerUnreachable, AnswerForbidden, AnswerBroken, AnswerRefused, AnswerServFail}

// add takes the failure of one more server, and keeps the one that says most.
func (f *failure) add(server string, err error) {
	kind := kindOf(err)
	if f.err == nil || slices.Index(telling, kind) > slices.Index(telling, f.kind) {
		f.kind, f.err = kind, fmt.Errorf("%s: %w", server, err)
	}
}
