package admit

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		close(closed)
		for _, row := range []struct {
			d           time.Duration
			ended, gone <-chan struct{}
			want        time.Duration
		}{
			{0, nil, nil, 0}, {-time.Second, nil, nil, 0}, {time.Minute, nil, nil, time.Minute},
			{time.Minute, closed, nil, 0}, {time.Minute, nil, closed, 0}, {time.Minute, make(chan struct{}), nil, time.Minute},
		} {
			began := time.Now()
			Linger(row.d, row.ended, row.gone)
			if took := time.Since(began); took != row.want {
				t.Errorf("%v: it took %s", row, took)
			}
		}
	})
}
