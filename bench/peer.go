package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// A peer is a process that seals and opens when it is told to. It speaks a
// protocol of lines, of which each is answered by a turn in JSON:
//
//	work OP FILE RECIPIENTS MILLISECONDS   do OP on FILE over and over
//	make OP FILE RECIPIENTS RESULT         do it once, into another file
//
// OP is out, in, outder or inder: a whole MIME message, or the CMS of it alone.
// It starts in the directory of a rig, where keys and certificates lie, and ends
// when its input does.
type peer struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Reader
}

func startPeer(ctx context.Context, dir string, env []string, program string, args ...string) (*peer, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stderr, cmd.Env = dir, os.Stderr, append(os.Environ(), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	err = cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return &peer{cmd: cmd, in: in, answers: bufio.NewReader(out)}, nil
}

func (p *peer) ask(words ...string) (turn, error) {
	var t turn
	_, err := fmt.Fprintln(p.in, strings.Join(words, " "))
	if err != nil {
		return t, fmt.Errorf("asking %s: %w", p.cmd.Path, err)
	}
	line, err := p.answers.ReadBytes('\n')
	if err != nil {
		return t, fmt.Errorf("%s to %v: %w", p.cmd.Path, words, err)
	}
	err = json.Unmarshal(line, &t)
	if err != nil {
		return t, fmt.Errorf("%s to %v: %q: %w", p.cmd.Path, words, line, err)
	}
	if t.Error != "" {
		return t, fmt.Errorf("%s to %v: %s", p.cmd.Path, words, t.Error)
	}
	return t, nil
}

// side is the peer at work.
func (p *peer) side(op, file string, recipients int) side {
	return func(d time.Duration) (turn, error) {
		return p.ask("work", op, file, strconv.Itoa(recipients), strconv.FormatInt(d.Milliseconds(), 10))
	}
}

// make does op once, into a file beside the others.
func (p *peer) make(op, file string, recipients int, result string) error {
	_, err := p.ask("make", op, file, strconv.Itoa(recipients), result)
	return err
}

// peak is the most memory that the process had resident so far, in MiB.
func (p *peer) peak() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the peak of memory: %w", err)
	}
	_, text, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	_, err = fmt.Sscan(text, &kib)
	if err != nil {
		return 0, fmt.Errorf("reading the peak of memory: %w", err)
	}
	return kib / 1024, nil
}

// stop lets the process end and waits for it.
func (p *peer) stop() error {
	err := p.in.Close()
	if err != nil {
		return fmt.Errorf("stopping %s: %w", p.cmd.Path, err)
	}
	err = p.cmd.Wait()
	if err != nil {
		return fmt.Errorf("stopping %s: %w", p.cmd.Path, err)
	}
	return nil
}
