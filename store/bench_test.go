package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"postern/mime"
)

// benchRounds is how often store and peer take turns.
const benchRounds = 5

// BenchmarkB10_Append delivers messages to one mailbox and compares with bbolt
// alone, which writes the same number of bytes as one value: with Update at one
// writer, with Batch and a delay of 2 ms at more. Figures are medians of turns
// within one run: puts/s of the store, of the peer, and their ratio.
func BenchmarkB10_Append(b *testing.B) {
	for _, size := range []int{10 << 10, 100 << 10} {
		for _, writers := range []int{1, 10, 50, 200} {
			b.Run(fmt.Sprintf("size=%dKiB/writers=%d", size>>10, writers), func(b *testing.B) {
				benchAppend(b, size, writers)
			})
		}
	}
}

func benchAppend(b *testing.B, size, writers int) {
	total := max(400, 40*writers)
	if size > 50<<10 {
		total = max(200, 10*writers)
	}
	data := make([]byte, size)
	for b.Loop() {
		ours := newBenchStore(b)
		peer := newBenchPeer(b)
		peerPut := peer.update
		if writers > 1 {
			peerPut = peer.batch
		}
		var mine, theirs, ratios []float64
		for range benchRounds {
			m := rate(b, writers, total, func() error { return ours.put(data) })
			p := rate(b, writers, total, func() error { return peerPut(data) })
			mine, theirs, ratios = append(mine, m), append(theirs, p), append(ratios, m/p)
		}
		b.ReportMetric(median(mine), "puts/s")
		b.ReportMetric(median(theirs), "peer-puts/s")
		b.ReportMetric(median(ratios), "ratio")
		b.ReportMetric(slices.Max(ratios)/slices.Min(ratios), "spread")
		ours.db.Close()
		peer.db.Close()
	}
	b.ReportMetric(0, "ns/op")
}

// rate runs put from several goroutines and returns calls a second.
func rate(b *testing.B, writers, total int, put func() error) float64 {
	var left atomic.Int64
	left.Store(int64(total))
	var wg sync.WaitGroup
	start := time.Now()
	for range writers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				err := put()
				if err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return float64(total) / time.Since(start).Seconds()
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// A benchStore appends to one mailbox.
type benchStore struct {
	db  *DB
	box MailboxID
}

func newBenchStore(b *testing.B) *benchStore {
	db, err := Create(filepath.Join(b.TempDir(), "store.db"), Options{MasterKey: NewMasterKey()})
	if err != nil {
		b.Fatal(err)
	}
	s := &benchStore{db: db}
	account, err := mime.ParseAddress("doctor@b.example")
	if err != nil {
		b.Fatal(err)
	}
	err = db.Update(context.Background(), func(tx Tx) error {
		m, err := tx.CreateMailbox(account, Inbox)
		s.box = m.ID
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

func (s *benchStore) put(data []byte) error {
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
		return err
	})
}

// A benchPeer is bbolt alone.
type benchPeer struct {
	db   *bolt.DB
	next atomic.Uint64
}

func newBenchPeer(b *testing.B) *benchPeer {
	db, err := bolt.Open(filepath.Join(b.TempDir(), "peer.db"), 0o600,
		&bolt.Options{FreelistType: bolt.FreelistMapType, NoStatistics: true})
	if err != nil {
		b.Fatal(err)
	}
	db.MaxBatchDelay = 2 * time.Millisecond
	err = db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucket([]byte("b"))
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return &benchPeer{db: db}
}

func (p *benchPeer) put(data []byte) func(*bolt.Tx) error {
	key := binary.BigEndian.AppendUint64(nil, p.next.Add(1))
	return func(tx *bolt.Tx) error { return tx.Bucket([]byte("b")).Put(key, data) }
}

func (p *benchPeer) update(data []byte) error { return p.db.Update(p.put(data)) }
func (p *benchPeer) batch(data []byte) error  { return p.db.Batch(p.put(data)) }
