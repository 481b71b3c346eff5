package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A sink is a mail server that takes everything and keeps nothing but a count.
type sink struct {
	listener net.Listener
	taken    atomic.Int64
	all      sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]struct{}
}

func newSink() (*sink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a sink: %w", err)
	}
	s := &sink{listener: l, open: make(map[net.Conn]struct{})}
	s.all.Go(s.accept)
	return s, nil
}

func (s *sink) addr() string { return s.listener.Addr().String() }

func (s *sink) accept() {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.open[conn] = struct{}{}
		s.mu.Unlock()
		s.all.Go(func() {
			s.talk(conn)
			s.mu.Lock()
			defer s.mu.Unlock()
			delete(s.open, conn)
			_ = conn.Close()
		})
	}
}

// talk is one session, until the client goes.
func (s *sink) talk(conn net.Conn) {
	in, out := bufio.NewReaderSize(conn, 64<<10), bufio.NewWriter(conn)
	reply := func(lines string) bool {
		_, _ = out.WriteString(lines)
		return in.Buffered() > 0 || out.Flush() == nil
	}
	for reply("220 sink\r\n"); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		answer := "250 2.0.0 ok\r\n"
		switch verb {
		case "EHLO":
			answer = "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 100000000\r\n"
		case "QUIT":
			reply("221 2.0.0 bye\r\n")
			return
		case "DATA":
			if !reply("354 go on\r\n") || out.Flush() != nil || !discardData(in) {
				return
			}
			s.taken.Add(1)
		}
		if !reply(answer) {
			return
		}
	}
}

// discardData reads to the end of a message.
func discardData(in *bufio.Reader) bool {
	start := true // of a line
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull {
			return false
		}
		if start && string(line) == ".\r\n" {
			return true
		}
		start = err == nil
	}
}

// await waits until so many messages were taken in all.
func (s *sink) await(ctx context.Context, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for s.taken.Load() < n {
		if !pause(ctx, time.Millisecond) {
			return fmt.Errorf("of %d messages %d came: %w", n, s.taken.Load(), ctx.Err())
		}
	}
	return nil
}

func (s *sink) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for conn := range s.open {
		_ = conn.Close()
	}
	s.mu.Unlock()
	s.all.Wait()
}
