package interop

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	atOnce      = 10
	smallBody   = 10 << 10
	largeBody   = 25 << 20
	memoryRoom  = 64 << 10 // KiB that large messages may take beyond small ones
	sampleEvery = 20 * time.Millisecond
)

// TestInteropMemory sends ten messages at once from one gateway to another and
// fetches them at once: how much memory that takes must not grow with their
// size.
func TestInteropMemory(t *testing.T) {
	small := sendAtOnce(t, smallBody)
	large := sendAtOnce(t, largeBody)
	for _, side := range []struct {
		name         string
		small, large usage
	}{{"out", small.out, large.out}, {"in", small.in, large.in}} {
		t.Logf("%-3s ten of 10 KiB: peak %d KiB, anonymous %d KiB; ten of 25 MiB: peak %d KiB, anonymous %d KiB; more by %d and %d KiB",
			side.name, side.small.peak, side.small.anonymous, side.large.peak, side.large.anonymous,
			side.large.peak-side.small.peak, side.large.anonymous-side.small.anonymous)
		if side.large.peak > side.small.peak+memoryRoom {
			t.Errorf("%s: large messages take %d KiB more than small ones, want at most %d", side.name, side.large.peak-side.small.peak, memoryRoom)
		}
	}
	t.Logf("ten of 25 MiB took %v from the first octet to the last", large.took.Round(time.Millisecond))
}

// A crossing is what ten messages at once took.
type crossing struct {
	out, in usage
	took    time.Duration
}

func sendAtOnce(t *testing.T, size int) crossing {
	t.Helper()
	p := newPair(t)
	var result crossing
	stopOut, stopIn := p.a.sample(&result.out), p.b.sample(&result.in)
	began := time.Now()
	sums := submitAtOnce(t, p.a, size)
	for i := range atOnce {
		p.a.waitTrack(crossingID(size, i), 5*time.Minute, processed)
	}
	for i, answer := range fetchAtOnce(t, p.b) {
		sum := strings.TrimSuffix(answer[strings.Index(answer, "\n")+1:], ")\r\n")
		if !sums[sum] {
			t.Errorf("message %d of %d octets changed, or came twice: %q", i+1, size, answer)
		}
		delete(sums, sum)
	}
	result.took = time.Since(began)
	stopOut()
	stopIn()
	for _, s := range []*site{p.a, p.b} {
		s.alive()
		s.stop()
	}
	return result
}

func crossingID(size, i int) string { return fmt.Sprintf("<%d.%d@ehr.example>", size, i) }

// submitAtOnce submits ten messages in ten sessions at once, and returns their
// SHA-256. The sessions are opened one after the other: a password takes
// memory of its own, which is not what is measured here.
func submitAtOnce(t *testing.T, s *site, size int) map[string]bool {
	t.Helper()
	body := strings.Repeat("0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab\r\n", size/62)
	config := s.clientTLS()
	config.InsecureSkipVerify = true // it is called localhost, to be let authenticate
	sums := make(map[string]bool)
	var sessions [atOnce]client
	for i := range sessions {
		var err error
		sessions[i], err = dialSubmission(t.Context(), s.address("submission"), "alice@a.example", config)
		if err != nil {
			t.Fatalf("opening a session: %v", err)
		}
		defer sessions[i].Close()
	}
	var all sync.WaitGroup
	for i, c := range sessions {
		head := record("alice@a.example", "bob@b.example", crossingID(size, i), 0)
		sum := sha256.Sum256([]byte(head + body))
		sums[hex.EncodeToString(sum[:])] = true
		all.Go(func() {
			err := c.send("alice@a.example", "bob@b.example", io.MultiReader(strings.NewReader(head), strings.NewReader(body)))
			if err != nil {
				t.Errorf("submitting: %v", err)
			}
		})
	}
	all.Wait()
	return sums
}

// fetchAtOnce fetches ten messages in ten sessions at once.
func fetchAtOnce(t *testing.T, s *site) [atOnce]string {
	t.Helper()
	var sessions [atOnce]*imapSession
	for i := range sessions {
		var err error
		sessions[i], err = dialIMAP(t.Context(), s.address("imaps"), "bob@b.example", s.clientTLS())
		if err != nil {
			t.Fatalf("opening a session: %v", err)
		}
		defer sessions[i].conn.Close()
	}
	var all sync.WaitGroup
	var answers [atOnce]string
	for i, c := range sessions {
		all.Go(func() {
			var err error
			answers[i], err = c.do(fmt.Sprintf("FETCH %d BODY.PEEK[]", i+1))
			if err != nil {
				t.Errorf("fetching: %v", err)
			}
		})
	}
	all.Wait()
	return answers
}

// A usage is what a process took at most, in KiB.
type usage struct {
	peak      int // VmHWM: with the pages of files that it had mapped
	anonymous int // RssAnon, as sampled
}

// sample watches the memory of a site until stop is called.
func (s *site) sample(u *usage) (stop func()) {
	s.t.Helper()
	done, ended := make(chan struct{}), make(chan struct{})
	look := func() {
		u.peak = s.status("VmHWM")
		u.anonymous = max(u.anonymous, s.status("RssAnon"))
	}
	go func() {
		defer close(ended)
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			look()
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		look()
	}
}

// status reads a size from /proc, in KiB.
func (s *site) status(name string) int {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Errorf("reading the memory of a process: %v", err)
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 1 && fields[0] == name+":" {
			n, _ := strconv.Atoi(fields[1]) // 0 shows as a failure below
			return n
		}
	}
	s.t.Errorf("/proc tells no %s", name)
	return 0
}
