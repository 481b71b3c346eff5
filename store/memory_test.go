//go:build linux && !race

// The kernel's figures are Linux's, and the race detector takes memory of its
// own.

package store

import (
	"bytes"
	"context"
	"io"
	"runtime/debug"
	"sync"
	"testing"
	"time"
)

// Ten bodies of 25 MiB, written and read at once, take little more memory than
// ten of 10 KiB. Memory is what the kernel counts, pages of the file included.
func TestMemoryDoesNotGrowWithBodies(t *testing.T) {
	s := newTestStore(t, Options{})
	small := s.peakOf(t, 10, 10<<10)
	big := s.peakOf(t, 10, 25<<20)
	t.Logf("10 bodies of 10 KiB: %d KiB, of 25 MiB: %d KiB", small>>10, big>>10)
	if big > small+64<<20 {
		t.Errorf("10 bodies of 25 MiB take %d MiB more than of 10 KiB", (big-small)>>20)
	}
}

// peakOf returns the peak of resident memory while n bodies are written and
// then read.
func (s *testStore) peakOf(t *testing.T, n, size int) int64 {
	debug.FreeOSMemory()
	resetPeakRSS(t)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			id, err := s.stream(size)
			if err != nil {
				t.Error(err)
				return
			}
			readBody(t, s.DB, id, int64(size))
		})
	}
	wg.Wait()
	return rss(t, "VmHWM")
}

// stream writes a body in small pieces.
func (s *testStore) stream(size int) (id BodyID, err error) {
	ctx := context.Background()
	w, err := s.NewBody(ctx)
	if err != nil {
		return 0, err
	}
	defer w.Discard()
	piece := bytes.Repeat([]byte("x"), 32<<10)
	for left := size; left > 0 && err == nil; left -= len(piece) {
		_, err = io.Copy(w, bytes.NewReader(piece[:min(left, len(piece))]))
	}
	if err != nil {
		return 0, err
	}
	err = s.Update(ctx, func(tx Tx) error {
		id, err = tx.PutBody(w)
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(Job{Kind: SealJob, Body: id, Due: time.Now().Add(time.Hour)})
		return err
	})
	return id, err
}
