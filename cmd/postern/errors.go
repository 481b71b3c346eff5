package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"postern/internal/control"
	"postern/internal/gateway"
	"postern/internal/gateway/care"
	"postern/internal/tlscert"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// A usageError says that a command was called wrongly, or given what cannot be
// used.
type usageError struct{ message, hint string }

func (e *usageError) Error() string { return e.message }

func usagef(hint, format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...), hint}
}

// errNegative ends a command whose answer, already printed, is no.
var errNegative = errors.New("no")

// errLater is as errNegative, for an answer that may be another one later.
var errLater = errors.New("not yet")

// errNothing ends a postern that was told nothing to do, after its usage.
var errNothing = errors.New("no command")

// refusalError ends a command that refused a message by a reason, which was
// printed already.
func refusalError(code string) error {
	c, err := reason.Parse(code)
	if err != nil {
		return err
	}
	if c.Outcome().Retry {
		return errLater
	}
	return errNegative
}

// fail tells an error to the operator and returns the exit code for it.
func (inv *invocation) fail(err error) int {
	if err == nil {
		return exitOK
	}
	if errors.Is(err, errNegative) {
		return exitNo
	}
	if errors.Is(err, errLater) {
		return exitTemporary
	}
	if errors.Is(err, errNothing) {
		return exitUsage
	}
	hint, code := explain(err)
	fmt.Fprintf(inv.stderr, "postern: %s\n", oneLine(err.Error()))
	if hint != "" {
		fmt.Fprintf(inv.stderr, "postern: hint: %s\n", hint)
	}
	return code
}

// explain finds the hint and the exit code that belong to an error.
func explain(err error) (hint string, code int) {
	var usage *usageError
	if errors.As(err, &usage) {
		return usage.hint, exitUsage
	}
	var refused *control.Error
	if errors.As(err, &refused) {
		switch refused.Kind {
		case control.Invalid:
			return refused.Hint, exitUsage
		case control.Negative:
			return refused.Hint, exitNo
		}
		return refused.Hint, exitTemporary
	}
	var elsewhere *store.ElsewhereError
	if errors.As(err, &elsewhere) {
		return "postern store compact puts that file in its place; to restore another one instead, or if that one is lost, move what is left of the store away first", exitNo
	}
	for _, known := range []struct {
		err  error
		hint string
		code int
	}{
		{mime.ErrAddress, "an address is local@domain, a domain is a full DNS name", exitUsage},
		{store.ErrInTheWay, "if a store was being written over by way of that file, postern store compact of that store ends it and removes the file; remove it yourself only if every store that may be in it opens and is whole by postern store check", exitUsage},
		{store.ErrLocked, "another postern uses it; is it starting or stopping just now?", exitTemporary},
		{store.ErrSchema, "use the postern that wrote it, or a newer one", exitUsage},
		{store.ErrMasterKey, "the master key file must be the one the store was made with", exitUsage},
		{store.ErrCorrupt, "restore the latest backup with postern store restore; docs/operations.md says how", exitNo},
		{store.ErrUnwritable, control.HintUnwritable, exitTemporary}, // which may be ErrFull too
		{store.ErrFull, "free or add disk space", exitTemporary},
		{syscall.EROFS, control.HintUnwritable, exitTemporary},
		{syscall.ENOSPC, "free or add disk space", exitTemporary},
		{syscall.EADDRINUSE, "another program uses the port, or a postern runs already", exitTemporary},
		{syscall.EADDRNOTAVAIL, "the address under [listen] must be one of this machine's", exitUsage},
		{care.ErrMasterFile, "the file is as postern init made it, readable for its owner alone", exitUsage},
		{tlscert.ErrBinding, "acme.eab_key_file must name a file with the key that the authority gave, in base64url", exitUsage},
		{tlscert.ErrFiles, "tls.cert and tls.key must name PEM files that belong together", exitUsage},
		{gateway.ErrRoots, "network.ca must name a PEM file with certificates of authorities", exitUsage},
		{syscall.EACCES, "run as a user that may do this; ports below 1024 need a privilege", exitUsage},
	} {
		if errors.Is(err, known.err) {
			return known.hint, known.code
		}
	}
	var path *fs.PathError
	if errors.As(err, &path) {
		return "check the path and who may read and write it", exitUsage
	}
	return "", exitTemporary
}

// oneLine joins the lines of an error, of which joined errors have several. What
// does not print is a question mark: an error may quote a name that a stranger
// wrote.
func oneLine(s string) string {
	var parts []string
	for line := range strings.Lines(s) {
		line = strings.Join(strings.Fields(line), " ")
		if line != "" {
			parts = append(parts, strings.Map(control.Printing, line))
		}
	}
	return strings.Join(parts, "; ")
}
