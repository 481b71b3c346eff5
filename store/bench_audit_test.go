package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"postern/internal/audit"
)

// BenchmarkB10_Audited delivers messages to one mailbox with an audit record in
// each transaction, and without. Figures are medians of turns within one run.
func BenchmarkB10_Audited(b *testing.B) {
	for _, writers := range []int{1, 10, 50, 200} {
		b.Run(fmt.Sprintf("size=10KiB/writers=%d", writers), func(b *testing.B) { benchAudited(b, writers) })
	}
}

func benchAudited(b *testing.B, writers int) {
	total := max(400, 40*writers)
	data := make([]byte, 10<<10)
	for b.Loop() {
		plain, audited := newBenchStore(b), newBenchStore(b)
		var with, without, ratios []float64
		for range benchRounds {
			p := rate(b, writers, total, func() error { return plain.put(data) })
			a := rate(b, writers, total, func() error { return audited.putAudited(data) })
			with, without, ratios = append(with, a), append(without, p), append(ratios, a/p)
		}
		b.ReportMetric(median(with), "audited-puts/s")
		b.ReportMetric(median(without), "puts/s")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(slices.Max(ratios)/slices.Min(ratios), "spread")
		plain.db.Close()
		audited.db.Close()
	}
	b.ReportMetric(0, "ns/op")
}

func (s *benchStore) putAudited(data []byte) error {
	ctx := context.Background()
	w, err := s.db.NewBody(ctx)
	if err != nil {
		return err
	}
	defer w.Discard()
	_, err = w.Write(data)
	if err != nil {
		return err
	}
	return s.db.Update(ctx, func(tx Tx) error {
		id, err := tx.PutBody(w)
		if err != nil {
			return err
		}
		_, err = tx.Append(s.box, Message{Body: id})
		if err != nil {
			return err
		}
		return tx.Audit(audit.Record{
			Actor: audit.System, Action: audit.Opened, Track: "01KJZZZZZZZZZZZZZZZZZZZZZZ",
			Keys:  []string{"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
			Parts: []audit.Part{{Recipient: "doctor@b.example", State: "delivered"}},
		})
	})
}

// BenchmarkAuditVerify walks a trail; figures are for one record.
func BenchmarkAuditVerify(b *testing.B) {
	const records = 50_000
	s := newTestStore(b, Options{})
	r := audit.Record{
		Actor: audit.System, Action: audit.Opened, Track: "01KJZZZZZZZZZZZZZZZZZZZZZZ",
		Keys:  []string{"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		Parts: []audit.Part{{Recipient: "doctor@b.example", State: "delivered"}},
	}
	for range records / 1000 {
		err := s.Update(context.Background(), func(tx Tx) error {
			for range 1000 {
				err := tx.Audit(r)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if got := s.verify(b); got.Problem != nil || got.Entries != records {
			b.Fatalf("%+v", got)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/records, "ns/record")
	b.ReportMetric(0, "ns/op")
}
