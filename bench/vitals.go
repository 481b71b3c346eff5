package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// vitals are what a gateway takes of its machine at a moment.
type vitals struct {
	resident    float64 // MiB, mapped pages of the store included
	own         float64 // MiB, without them
	goroutines  float64
	descriptors float64
}

func (h *house) vitals(ctx context.Context) (vitals, error) {
	var v vitals
	pid := h.cmd.Process.Pid
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return v, fmt.Errorf("reading the memory of a gateway: %w", err)
	}
	for name, at := range map[string]*float64{"VmRSS:": &v.resident, "RssAnon:": &v.own} {
		_, text, _ := strings.Cut(string(status), name)
		_, err := fmt.Sscan(text, at)
		if err != nil {
			return v, fmt.Errorf("reading the memory of a gateway: %w", err)
		}
		*at /= 1024
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return v, fmt.Errorf("counting the descriptors of a gateway: %w", err)
	}
	v.descriptors = float64(len(files))
	v.goroutines, err = h.metric(ctx, "go_goroutines")
	return v, err
}

// metric reads one series of a gateway's metrics.
func (h *house) metric(ctx context.Context, name string) (float64, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+h.http+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, fmt.Errorf("reading the metrics: %w", err)
	}
	defer answer.Body.Close()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		text, ok := strings.CutPrefix(lines.Text(), name+" ")
		if ok {
			var v float64
			_, err := fmt.Sscan(text, &v)
			return v, err
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

// tick is the unit of processor time in /proc, the same on every Linux.
const tick = 10 * time.Millisecond

// used is the processor time of a gateway so far.
func (h *house) used() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading the processor time of a gateway: %w", err)
	}
	_, text, _ := strings.Cut(string(stat), ") ") // the name before it may hold anything
	fields := strings.Fields(text)
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the processor time of a gateway: %q", stat)
	}
	var user, system int64
	_, err = fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	return time.Duration(user+system) * tick, err
}

// eachTook is the median of the processor time of a message, in milliseconds.
func eachTook(turns []turn) float64 {
	var all []float64
	for _, t := range turns {
		all = append(all, cpuMillis(t))
	}
	return middle(all)
}
