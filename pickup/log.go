package pickup

import (
	"fmt"
	"log/slog"
	"strings"
)

// libraryLog takes the messages of the IMAP library. Their arguments can quote
// what a client sent, a password too, so only the fixed text is kept, and of a
// panic the stack.
type libraryLog struct{ log *slog.Logger }

func (l libraryLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "panic") {
		stack := ""
		if n := len(args); n > 0 {
			if b, ok := args[n-1].([]byte); ok {
				stack = string(b)
			}
		}
		l.log.Error("imap panic", "stack", stack)
		return
	}
	text, _, _ := strings.Cut(format, "%")
	l.log.Debug("imap connection", "event", strings.TrimRight(text, ": "), "kind", errorKinds(args))
}

// errorKinds names the types of errors, without their text.
func errorKinds(args []any) string {
	var kinds []string
	for _, a := range args {
		if err, ok := a.(error); ok {
			kinds = append(kinds, fmt.Sprintf("%T", err))
		}
	}
	return strings.Join(kinds, " ")
}
