package smtp

import (
	"fmt"
	"log/slog"
	"runtime"
	"strings"
)

// A libraryLog hands the library's few messages to slog: failed accepts, broken
// connections, failed handshakes, panics.
type libraryLog struct{ log *slog.Logger }

// Printf implements gosmtp.Logger. A panic's value may hold content and is left
// out; the stack, which is the last argument, may not.
func (l *libraryLog) Printf(format string, args ...any) {
	if strings.HasPrefix(format, "panic") {
		l.log.Error("panic in a session", "stack", fmt.Sprintf("%s", args[len(args)-1]))
		return
	}
	l.log.Info("smtp connection", "event", fmt.Sprintf(format, args...))
}

// Println implements gosmtp.Logger.
func (l *libraryLog) Println(args ...any) {
	l.log.Info("smtp connection", "event", fmt.Sprintln(args...))
}

// panicText describes the value of a panic without content of a message.
func panicText(v any) string {
	e, ok := v.(runtime.Error)
	if ok {
		return e.Error()
	}
	return fmt.Sprintf("a %T", v)
}
