package store

import (
	"context"
	"fmt"
	"testing"
	"time"

	"postern/mime"
)

const (
	benchStored  = 100_000 // messages in the store of B15
	benchWriters = 10
	benchMessage = 2 << 10
)

// benchBoxes is a store with mailboxes whose messages come in turn.
type benchBoxes struct {
	*testStore
	boxes []MailboxID
}

func newBenchBoxes(b *testing.B, n int) *benchBoxes {
	s := &benchBoxes{testStore: newTestStore(b, Options{})}
	for first := 0; first < n; first += 500 {
		err := s.Update(context.Background(), func(tx Tx) error {
			s.boxes = s.boxes[:first]
			for i := first; i < min(first+500, n); i++ {
				account, err := mime.ParseAddress(fmt.Sprintf("user%d@b.example", i))
				if err != nil {
					return err
				}
				m, err := tx.CreateMailbox(account, Inbox)
				if err != nil {
					return err
				}
				s.boxes = append(s.boxes, m.ID)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// deliver stores messages, each with a body of its own, in all mailboxes in turn.
func (s *benchBoxes) deliver(b *testing.B, messages int) (perSecond float64) {
	data := make([]byte, benchMessage)
	next := make(chan int, benchWriters)
	go func() {
		defer close(next)
		for i := range messages {
			next <- i
		}
	}()
	return rate(b, benchWriters, messages, func() error {
		put := benchStore{db: s.DB, box: s.boxes[<-next%len(s.boxes)]}
		return put.put(data)
	})
}

// BenchmarkB15_Mailboxes is storing messages beside 100,000 others, in one mailbox
// and in many, and how long it takes to open such a store.
func BenchmarkB15_Mailboxes(b *testing.B) {
	for b.Loop() {
		counts := []int{1, 1000, 10_000}
		var stores []*benchBoxes
		for _, n := range counts {
			s := newBenchBoxes(b, n)
			s.deliver(b, benchStored)
			start := time.Now()
			s.reopen(b)
			b.ReportMetric(float64(time.Since(start).Milliseconds()), fmt.Sprintf("ms-open-%d", n))
			stores = append(stores, s)
		}
		ratios := make([][]float64, len(stores))
		rates := make([][]float64, len(stores))
		for range benchRounds {
			one := 0.0
			for i, s := range stores {
				r := s.deliver(b, 1000)
				if i == 0 {
					one = r
				}
				rates[i], ratios[i] = append(rates[i], r), append(ratios[i], r/one)
			}
		}
		for i, n := range counts {
			b.ReportMetric(median(rates[i]), fmt.Sprintf("puts/s-%d", n))
			b.ReportMetric(median(ratios[i]), fmt.Sprintf("ratio-%d", n))
			b.ReportMetric(ratios[i][len(ratios[i])-1]/ratios[i][0], fmt.Sprintf("spread-%d", n)) // they are sorted
		}
	}
	b.ReportMetric(0, "ns/op")
}
