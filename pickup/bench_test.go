package pickup_test

import (
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
