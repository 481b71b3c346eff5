package pickup_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkIdle takes the time from the commit of a delivery to the client's notice.
func BenchmarkIdle(b *testing.B) {
	h := implicit(b)
	k := h.talk()
	k.write("i IDLE\r\n")
	k.line()
	var waited time.Duration
	for b.Loop() {
		h.deliver([]byte(plainMail))
		committed := time.Now()
		k.line()
		waited += time.Since(committed)
		if err := k.conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "µs-to-notice")
}

// BenchmarkList lists 1,000 messages by their outlines, and with the body of each.
func BenchmarkList(b *testing.B) {
	h := implicit(b)
	for range 1000 {
		h.deliver([]byte(mixedMail))
	}
	k := h.talk()
	for name, items := range map[string]string{
		"envelope":  "(FLAGS ENVELOPE)",
		"structure": "(FLAGS ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS (From Subject Date)])",
		"bodies":    "(FLAGS BODY.PEEK[])",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := k.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
					b.Fatal(err)
				}
				k.ok("FETCH 1:* %s", items)
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
}

// BenchmarkEach fetches messages one by one, each for the first time in its session.
func BenchmarkEach(b *testing.B) {
	const messages = 1000
	for _, size := range []int{10 << 10, 100 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			h := implicit(b)
			for range messages {
				h.deliver([]byte(plainMail + strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72)))
			}
			var k *talk
			n := 0
			for b.Loop() {
				if n%messages == 0 {
					k = h.talk()
				}
				n++
				k.ok("FETCH %d BODY.PEEK[]", (n-1)%messages+1)
			}
		})
	}
}

// BenchmarkSelect opens a mailbox of 10,000 messages.
func BenchmarkSelect(b *testing.B) {
	h := implicit(b)
	for range 10_000 {
		h.deliver([]byte(plainMail), `\Seen`)
	}
	k := h.talk()
	for b.Loop() {
		if err := k.conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
		k.ok("SELECT INBOX")
	}
}
