// Package task is what every piece of work in the background needs: a net under
// its panics, and waits that end when it is to end.
package task

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

// Pause waits and reports whether ctx went on meanwhile.
func Pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// A PanicError is a panic that was caught. The value of a panic may hold
// whatever was worked on, so that only the runtime's own are repeated.
type PanicError struct {
	// Stack is that of the goroutine, for the log.
	Stack string

	value any
}

// Error implements error.
func (p *PanicError) Error() string {
	known, ok := p.value.(runtime.Error)
	if ok {
		return "panic: " + known.Error()
	}
	return fmt.Sprintf("panic of type %T", p.value)
}

// Contained calls fn; a panic in it is a *PanicError. Every goroutine that works
// on what others sent needs it, for a panic there would end the process.
func Contained(fn func() error) (err error) {
	defer func() {
		v := recover()
		if v != nil {
			err = &PanicError{value: v, Stack: string(debug.Stack())}
		}
	}()
	return fn()
}
