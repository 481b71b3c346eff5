package pop3_test

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkEach fetches messages one by one, each for the first time in its session.
func BenchmarkEach(b *testing.B) {
	const messages = 1000
	for _, size := range []int{10 << 10, 100 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			h := implicit(b)
			for range messages {
				h.deliver("Subject: x\r\n\r\n" + strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72))
			}
			var k *talk
			for n := 0; b.Loop(); n++ {
				if n%messages == 0 {
					if k != nil {
						k.ok("QUIT")
					}
					k = h.login()
				}
				k.ok(fmt.Sprintf("RETR %d", n%messages+1))
				k.lines()
			}
		})
	}
}
