package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	startTime = 2 * time.Minute // for a start on a busy machine
	stopTime  = 30 * time.Second
)

// A process is a running postern serve.
type process struct {
	t     testing.TB
	cmd   *exec.Cmd
	ready chan struct{} // closed when every listener is bound
	ended chan struct{}
	err   error // of Wait, once ended is closed

	mu        sync.Mutex
	addresses map[string]string
	log       bytes.Buffer
}

// start runs postern serve until the test ends and waits until it listens. A
// process that the test did not end itself must then end cleanly. Wherever it
// ends, its log must be free of panics.
func start(t testing.TB, config string, listeners int) *process {
	t.Helper()
	p := &process{
		t: t, cmd: exec.Command(binary(t), "--config", config, "serve"),
		ready: make(chan struct{}), ended: make(chan struct{}), addresses: make(map[string]string),
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = p.cmd.Start()
	if err != nil {
		t.Fatalf("starting postern: %v", err)
	}
	go func() {
		p.follow(stderr, listeners)
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.stop)
	deadline := time.NewTimer(startTime)
	defer deadline.Stop()
	select {
	case <-p.ready:
	case <-p.ended:
		t.Fatalf("postern ended at once: %v\n%s", p.err, p.text())
	case <-deadline.C:
		t.Fatalf("postern does not listen after %v:\n%s", startTime, p.text())
	}
	return p
}

// follow keeps the log and learns the addresses from it.
func (p *process) follow(r io.Reader, listeners int) {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		var event struct{ Msg, What, Address string }
		p.mu.Lock()
		p.log.Write(line)
		if json.Unmarshal(line, &event) == nil && event.Msg == "listening" {
			p.addresses[event.What] = event.Address
			if len(p.addresses) == listeners {
				close(p.ready)
			}
		}
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// address is where a listener is bound.
func (p *process) address(listener string) string {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	address, ok := p.addresses[listener]
	if !ok {
		p.t.Fatalf("postern does not listen for %s", listener)
	}
	return address
}

// alive fails the test if the process ended or logged a panic.
func (p *process) alive() {
	p.t.Helper()
	select {
	case <-p.ended:
		p.t.Fatalf("postern ended: %v\n%s", p.err, tail(p.text()))
	default:
	}
	p.checkLog()
}

func (p *process) checkLog() {
	p.t.Helper()
	log := p.text()
	if strings.Contains(log, "panic") || strings.Contains(log, "fatal error") {
		p.t.Errorf("postern panicked:\n%s", tail(log))
	}
}

// stop ends the process as an operator would, unless it has ended.
func (p *process) stop() {
	p.t.Helper()
	select {
	case <-p.ended:
		return
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // fails if it has just ended
	deadline := time.NewTimer(stopTime)
	defer deadline.Stop()
	select {
	case <-p.ended:
	case <-deadline.C:
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // tells where it hangs
		<-p.ended
		p.t.Errorf("postern did not stop within %v", stopTime)
	}
	if p.err != nil {
		p.t.Errorf("postern did not stop cleanly: %v\n%s", p.err, tail(p.text()))
	}
	p.checkLog()
}

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	p.t.Helper()
	err := p.cmd.Process.Signal(os.Kill)
	if err != nil {
		p.t.Fatalf("killing postern: %v", err)
	}
	<-p.ended
	p.checkLog()
}

// tail is the end of a log.
func tail(log string) string {
	const most = 8000
	if len(log) > most {
		return "…" + log[len(log)-most:]
	}
	return log
}
