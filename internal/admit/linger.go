package admit

import "time"

// Linger waits for d, or until one of two channels is closed; nil is none. It is called
// in a connection's own goroutine, so that who waits keeps his place among the connections
// and nothing else.
func Linger(d time.Duration, ended, gone <-chan struct{}) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ended:
	case <-gone:
	}
}
