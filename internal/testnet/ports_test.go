package testnet

import (
	"sync"
	"testing"
)

// Processes that look for ports at the same time get different ones, as many as
// each wants.
func TestProcessesShareNoPorts(t *testing.T) {
	const processes, each = 3, blockSize + blockSize/2
	var all sync.WaitGroup
	var took [processes][each]string
	for i := range processes {
		all.Go(func() {
			var p ports
			t.Cleanup(p.free)
			for j := range each {
				took[i][j] = p.take()
			}
		})
	}
	all.Wait()
	seen := make(map[string]bool)
	for _, ports := range took {
		for _, port := range ports {
			if port == "" || seen[port] {
				t.Fatalf("port %q was given twice, or none was left", port)
			}
			seen[port] = true
		}
	}
}

// free gives the blocks back.
func (p *ports) free() {
	for _, l := range p.held {
		_ = l.Close()
	}
}
