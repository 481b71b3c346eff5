package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"testing"
)

// A standin is what the helpers of tests take, in a program: it ends the run at
// the first thing that fails, and cleans up. Only what is here may be called.
type standin struct {
	testing.TB // nil: no method of it is called
	ctx        context.Context
	out        io.Writer

	mu       sync.Mutex
	failed   bool
	cleanups []func()
}

// perform runs f to its end, or to its first fatal error, and cleans up. It
// reports whether nothing failed.
func perform(ctx context.Context, out io.Writer, f func(testing.TB)) bool {
	s := &standin{out: out}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer s.clean()
		defer cancel()
		f(s)
	}()
	<-ended
	return !s.Failed()
}

func (s *standin) clean() {
	for len(s.cleanups) > 0 {
		last := s.cleanups[len(s.cleanups)-1]
		s.cleanups = s.cleanups[:len(s.cleanups)-1]
		last()
	}
}

// Helper implements testing.TB.
func (s *standin) Helper() {}

// Name implements testing.TB.
func (s *standin) Name() string { return "chaos" }

// Context implements testing.TB.
func (s *standin) Context() context.Context { return s.ctx }

// Cleanup implements testing.TB. It is for the goroutine of perform alone.
func (s *standin) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

// Failed implements testing.TB.
func (s *standin) Failed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Fail implements testing.TB.
func (s *standin) Fail() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = true
}

// FailNow implements testing.TB.
func (s *standin) FailNow() {
	s.Fail()
	runtime.Goexit()
}

func (s *standin) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, text)
}

// Log implements testing.TB.
func (s *standin) Log(args ...any) { s.say(fmt.Sprint(args...)) }

// Logf implements testing.TB.
func (s *standin) Logf(format string, args ...any) { s.say(fmt.Sprintf(format, args...)) }

// Error implements testing.TB.
func (s *standin) Error(args ...any) {
	s.Log(args...)
	s.Fail()
}

// Errorf implements testing.TB.
func (s *standin) Errorf(format string, args ...any) {
	s.Logf(format, args...)
	s.Fail()
}

// Fatal implements testing.TB.
func (s *standin) Fatal(args ...any) {
	s.Log(args...)
	s.FailNow()
}

// Fatalf implements testing.TB.
func (s *standin) Fatalf(format string, args ...any) {
	s.Logf(format, args...)
	s.FailNow()
}

// Skip implements testing.TB: nothing is left out here.
func (s *standin) Skip(args ...any) { s.Fatal(args...) }

// Skipf implements testing.TB: nothing is left out here.
func (s *standin) Skipf(format string, args ...any) { s.Fatalf(format, args...) }

// TempDir implements testing.TB.
func (s *standin) TempDir() string {
	dir, err := os.MkdirTemp("", "postern-chaos-")
	if err != nil {
		s.Fatalf("making a folder: %v", err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
