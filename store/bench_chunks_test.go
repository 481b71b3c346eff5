package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// BenchmarkChunkSize gives the figures by which defaultChunkSize was chosen:
// docs/store.md has the table.
func BenchmarkChunkSize(b *testing.B) {
	for _, size := range []int{10 << 10, 100 << 10, 1 << 20, 25 << 20} {
		for _, chunk := range []int{32, 64, 128, 256, 512, 1024} {
			b.Run(fmt.Sprintf("body=%dKiB/chunk=%dKiB", size>>10, chunk), func(b *testing.B) {
				for b.Loop() {
					benchChunks(b, size, chunk<<10)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func benchChunks(b *testing.B, size, chunk int) {
	n := max(4, min(200, (100<<20)/size))
	path := filepath.Join(b.TempDir(), "store.db")
	db, err := Create(path, Options{MasterKey: NewMasterKey(), chunkSize: chunk})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	data := bytes.Repeat([]byte("x"), size)
	before, commits := pagesUsed(b, db)
	resetPeakRSS(b)
	base := rss(b, "VmRSS")
	start := time.Now()
	for i := range n {
		enqueueBody(b, db, data, BodyID(i+1))
	}
	wrote := time.Since(start)
	after, last := pagesUsed(b, db)
	start = time.Now()
	for i := range n {
		readBody(b, db, BodyID(i+1), int64(size))
	}
	read := time.Since(start)
	total := float64(n) * float64(size)
	b.ReportMetric(total/1e6/wrote.Seconds(), "write-MB/s")
	b.ReportMetric(total/1e6/read.Seconds(), "read-MB/s")
	b.ReportMetric(float64(last-commits)/float64(n), "commits/body")
	b.ReportMetric(float64(after-before)/total, "file/payload")
	b.ReportMetric(float64(rss(b, "VmHWM")-base)/(1<<20), "peak-MiB")
}

// pagesUsed returns the size of the pages and the number of transactions.
func pagesUsed(b testing.TB, db *DB) (size int64, txid int) {
	err := db.bolt.View(func(tx *bolt.Tx) error {
		size, txid = tx.Size(), tx.ID()
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	return size, txid
}

func enqueueBody(b testing.TB, db *DB, data []byte, want BodyID) {
	b.Helper()
	ctx := context.Background()
	w, err := db.NewBody(ctx)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Discard()
	_, err = io.CopyBuffer(w, struct{ io.Reader }{bytes.NewReader(data)}, make([]byte, 32<<10))
	if err != nil {
		b.Fatal(err)
	}
	err = db.Update(ctx, func(tx Tx) error {
		id, err := tx.PutBody(w)
		if err == nil && id != want {
			err = fmt.Errorf("body %d, want %d", id, want)
		}
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(Job{Kind: RelayJob, Body: id, Due: time.Now().Add(time.Hour)})
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}

func readBody(b testing.TB, db *DB, id BodyID, size int64) {
	b.Helper()
	body, err := db.OpenBody(context.Background(), id)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.NewSectionReader(body, 0, size), make([]byte, 32<<10))
	if err != nil || n != size {
		b.Fatal(n, err)
	}
}

// BenchmarkChunkLayout compares chunks as records of one bucket with chunks in
// buckets of their own: bytes written to the file for a byte of payload, when
// chunks are appended in transactions of their own and when they are removed.
func BenchmarkChunkLayout(b *testing.B) {
	const chunk, n = 256 << 10, 100
	for _, layout := range []string{"records", "buckets"} {
		b.Run(layout, func(b *testing.B) {
			for b.Loop() {
				db, err := bolt.Open(filepath.Join(b.TempDir(), "l.db"), 0o600, &bolt.Options{NoSync: true})
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(layoutCost(b, db, layout, chunk, n, layoutPut), "put-bytes/byte")
				b.ReportMetric(layoutCost(b, db, layout, chunk, n, layoutRemove), "remove-bytes/byte")
				db.Close()
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func layoutCost(b *testing.B, db *bolt.DB, layout string, chunk, n int,
	change func(*bolt.Bucket, string, []byte, int) error) float64 {
	before := pageAlloc(db)
	for i := range n {
		err := db.Update(func(tx *bolt.Tx) error {
			bucket, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return change(bucket, layout, binary.BigEndian.AppendUint64(nil, uint64(i)), chunk)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	return float64(pageAlloc(db)-before) / float64(n*chunk)
}

func pageAlloc(db *bolt.DB) int64 {
	stats := db.Stats()
	return stats.TxStats.GetPageAlloc()
}

func layoutPut(bucket *bolt.Bucket, layout string, key []byte, chunk int) (err error) {
	if layout == "buckets" {
		bucket, err = bucket.CreateBucket(key)
		if err != nil {
			return err
		}
	}
	return bucket.Put(key, make([]byte, chunk))
}

func layoutRemove(bucket *bolt.Bucket, layout string, key []byte, _ int) error {
	if layout == "buckets" {
		return bucket.DeleteBucket(key)
	}
	return bucket.Delete(key)
}

// rss returns a figure of /proc/self/status in bytes.
func rss(t testing.TB, name string) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(status) {
		f := bytes.Fields(line)
		if len(f) == 3 && string(f[0]) == name+":" {
			kib, err := strconv.ParseInt(string(f[1]), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal(name, "is missing in /proc/self/status")
	return 0
}

// resetPeakRSS makes VmHWM the present size (proc(5), clear_refs).
func resetPeakRSS(t testing.TB) {
	t.Helper()
	err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	if err != nil {
		t.Fatal(err)
	}
}
