package smtp

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"postern/trust/reason"
)

// EP-9: an idle session is ended.
func TestEP9_CommandTimeout(t *testing.T) {
	_, addr := startBackbone(t, func(o *ServerOptions) { o.CommandIdle = 50 * time.Millisecond })
	dial(t, addr).play(`
		< 220
		< 421 4.4.2
		eof
	`)
	dial(t, addr).play(`
		< 220
		! "EHL"
		< 421 4.4.2
		eof
	`)
}

// A message that comes too slowly is cut off whole: what would follow of it must
// not be read as commands.
func TestSlowTransferIsCutOff(t *testing.T) {
	for name, change := range map[string]func(*ServerOptions){
		"wall clock": func(o *ServerOptions) { o.DataTime = 100 * time.Millisecond },
		"stall":      func(o *ServerOptions) { o.CommandIdle = 100 * time.Millisecond },
		"rate": func(o *ServerOptions) {
			o.CommandIdle, o.MinRate = 300*time.Millisecond, 1_000_000
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, addr := startBackbone(t, change)
			codes := make(chan reason.Code, 1)
			h.accept = func(_ context.Context, _ Envelope, r io.Reader) (string, error) {
				_, err := io.Copy(io.Discard, r)
				codes <- reason.Of(err)
				return "", err
			}
			d := dial(t, addr).play(toBob + `
				> DATA
				< 354
				! "text\r\n"
			`)
			stop := make(chan struct{})
			defer close(stop)
			if name == "rate" {
				go trickle(d.conn, "NOOP\r\n", stop)
			}
			d.play(`
				< 421 4.4.2
				eof
			`)
			if code := <-codes; code != reason.TooSlow {
				t.Errorf("the backend saw %s", code)
			}
		})
	}
}

// trickle writes some octets now and then, so that nothing stalls.
func trickle(w io.Writer, octets string, stop <-chan struct{}) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_, err := io.WriteString(w, octets)
			if err != nil {
				return
			}
		case <-stop:
			return
		}
	}
}

func TestConnectionLimits(t *testing.T) {
	for name, change := range map[string]func(*ServerOptions){
		"all":    func(o *ServerOptions) { o.Connections = 1 },
		"per IP": func(o *ServerOptions) { o.ConnectionsPerIP = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			_, addr := startBackbone(t, change)
			first := dial(t, addr).play("< 220")
			dial(t, addr).play(`
				< 421 4.3.2
				eof
			`)
			first.play(`
				> QUIT
				< 221
				eof
			`)
			for { // the slot is free soon after the connection is
				d := dial(t, addr).play("<~ mx.near.test")
				if d.last[:3] == "220" {
					return
				}
			}
		})
	}
}

// A server that has ended listens no more.
func TestServeAfterShutdown(t *testing.T) {
	s := NewBackbone(backboneHouse{&house{}}, testOptions())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	idle := dial(t, l.Addr().String()).play("< 220")
	cancel()
	idle.play(`
		< 421
		eof
	`)
	err = <-served
	if err != nil {
		t.Fatal(err)
	}
	_, err = net.Dial("tcp", l.Addr().String())
	if err == nil {
		t.Error("still listening")
	}
	err = s.Shutdown(context.Background())
	if err != nil {
		t.Error(err)
	}
	if err := s.Serve(context.Background(), l); err != nil {
		t.Errorf("Serve after Shutdown: %v", err)
	}
}

// While the server ends nothing is carried out that a client has sent behind its message:
// it has the answer to that, and then 421.
func TestShutdownEndsAClientThatPipelines(t *testing.T) {
	h := &house{}
	s := NewBackbone(backboneHouse{h}, testOptions())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, l) }()
	entered := make(chan struct{}, 1)
	h.accept = func(_ context.Context, _ Envelope, r io.Reader) (string, error) {
		entered <- struct{}{}
		_, err := io.Copy(io.Discard, r)
		return "m1", err
	}
	d := dial(t, l.Addr().String()).play(toBob + "> DATA\n< 354\n! \"one\\r\\n\"")
	<-entered
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	next := "MAIL FROM:<carol@far.test>\r\nRCPT TO:<bob@near.test>\r\nDATA\r\n"
	d.send("two\r\n.\r\n" + next + strings.Repeat("three\r\n", 10_000) + ".\r\n" + next)
	d.play("< 250 2.0.0 accepted as m1\n< 421\neof")
	if err := s.Shutdown(context.Background()); err != nil {
		t.Error(err)
	}
	select {
	case <-entered:
		t.Error("another message was begun")
	default:
	}
}

// A client that says nothing between two chunks does not hold up the end of the server, and
// one that goes on ends its message.
func TestShutdownBetweenChunks(t *testing.T) {
	for _, goesOn := range []bool{false, true} {
		h := &house{}
		s := NewBackbone(backboneHouse{h}, testOptions())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, l) }()
		d := dial(t, l.Addr().String()).play(toBob + "! \"BDAT 3\\r\\na\\r\\n\"\n< 250")
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if goesOn {
			d.play("! \"BDAT 3\\r\\nb\\r\\n\"\n< 250\n! \"BDAT 3 LAST\\r\\nc\\r\\n\"\n< 250 2.0.0 accepted as m1")
		}
		began := time.Now()
		d.play("< 421 4.3.2\neof")
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 3*haste {
			t.Errorf("it took %s", took)
		}
	}
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	h := &house{}
	s := NewBackbone(backboneHouse{h}, testOptions())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background(), l) }()
	entered, left := make(chan struct{}), make(chan error, 1)
	h.accept = func(ctx context.Context, _ Envelope, r io.Reader) (string, error) {
		close(entered)
		_, err := io.Copy(io.Discard, r)
		<-ctx.Done()
		left <- err
		return "", err
	}
	d := dial(t, l.Addr().String()).play(toBob + `
		> DATA
		< 354
	`)
	<-entered
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = s.Shutdown(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	d.play("eof")
	if <-left == nil || <-served != nil {
		t.Error("the backend read to the end, or Serve failed")
	}
}

func TestSubmissionNeedsTLS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := testOptions()
	o.TLS = nil
	err = NewSubmission(submissionHouse{&house{}}, o).Serve(context.Background(), l)
	if !errors.Is(err, ErrNoTLS) {
		t.Errorf("got %v", err)
	}
}
