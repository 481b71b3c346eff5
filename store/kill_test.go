package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"postern/internal/audit"
	"postern/mime"
)

// killedEnv names the store that a re-executed test binary writes to until it
// is killed; the master key lies beside it.
const killedEnv = "POSTERN_TEST_KILLED_WRITER"

// killedBundles, set to anything, has it write the anchors of a bundle instead of
// bodies.
const killedBundles = "POSTERN_TEST_KILLED_BUNDLES"

const killedWriters = 10

// killedWriter puts bodies into the queue from many goroutines and prints the
// name of each, which is its content and its Message-ID, after the commit.
func killedWriter(path string) {
	key, err := FileMasterKey(path + ".key")
	if err == nil {
		var db *DB
		db, err = Open(path, Options{MasterKey: key, chunkSize: 16 << 10})
		if err == nil {
			fmt.Println("ready") // before any writer prints a name
			if os.Getenv(killedBundles) != "" {
				killedSets(db)
			}
			for g := range killedWriters {
				go killedLoop(db, fmt.Sprintf("%d.%d", os.Getpid(), g))
			}
			select {}
		}
	}
	fmt.Println("failed:", err)
	os.Exit(1)
}

func killedLoop(db *DB, name string) {
	for i := 0; ; i++ {
		id := fmt.Sprintf("%s.%d", name, i)
		err := killedPut(db, id, 10<<(i%14))
		if err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		fmt.Println(id)
	}
}

// killedBody is the name over and over, so that a wrong body shows.
func killedBody(name string, size int) []byte {
	return bytes.Repeat([]byte(name+"\n"), size/len(name)+1)
}

func killedPut(db *DB, name string, size int) error {
	ctx := context.Background()
	w, err := db.NewBody(ctx)
	if err != nil {
		return err
	}
	defer w.Discard()
	_, err = w.Write(killedBody(name, size))
	if err != nil {
		return err
	}
	return db.Update(ctx, func(tx Tx) error {
		id, err := tx.PutBody(w)
		if err != nil {
			return err
		}
		_, err = tx.Enqueue(Job{Kind: OpenJob, Body: id, Due: time.Now(), Detail: name, Destination: mime.Domain("b.example")})
		if err != nil {
			return err
		}
		return tx.Audit(audit.Record{Actor: audit.System, Action: audit.Accepted, Object: name})
	})
}

// B16: whatever was acknowledged before the process was killed is there, once,
// and the store is sound.
func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	s := newTestStore(t, Options{chunkSize: 16 << 10})
	err := WriteMasterKey(s.path+".key", s.options.MasterKey.(*MasterKey))
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := make(map[string]bool)
	for range 20 {
		err := s.Close()
		if err != nil {
			t.Fatal(err)
		}
		killAtRandom(t, s.path, func(line string) { acknowledged[line] = true })
		s.reopen(t)
		s.checkAcknowledged(t, acknowledged)
	}
	s.settle(t)
	s.sound(t)
}

// killAtRandom runs a writer and kills it at some time after its first
// acknowledgement, however long that takes.
func killAtRandom(t *testing.T, path string, acknowledged func(line string), env ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(append(os.Environ(), killedEnv+"="+filepath.Clean(path)), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	err = cmd.Start()
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	if first != "ready\n" {
		t.Errorf("the writer said %q, %v", first, err)
	}
	for n := 0; ; n++ {
		line, err := lines.ReadString('\n')
		if err == io.EOF && n > 0 {
			break // what is cut off was not acknowledged
		}
		if err != nil || bytes.HasPrefix([]byte(line), []byte("failed")) {
			t.Errorf("the writer said %q, %v", line, err)
			break
		}
		acknowledged(line[:len(line)-1])
		if n == 0 {
			kill := time.AfterFunc(time.Duration(rand.IntN(120))*time.Millisecond, func() { cmd.Process.Kill() })
			defer kill.Stop()
		}
	}
	_ = cmd.Wait() // it was killed
}

// checkAcknowledged finds every acknowledged job once, with its body.
func (s *testStore) checkAcknowledged(t *testing.T, acknowledged map[string]bool) {
	t.Helper()
	found := make(map[string]Job)
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachJob(0, func(j Job) bool {
			if _, twice := found[j.Detail]; twice {
				t.Errorf("%s is there twice", j.Detail)
			}
			found[j.Detail] = j
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range acknowledged {
		_, ok := found[name]
		if !ok {
			t.Errorf("%s was acknowledged and is lost", name)
		}
	}
	s.sound(t) // opens every body, and proves the chain of the audit trail
	s.auditAgrees(t, found)
}

// auditAgrees finds one record for each job, and no other: a deed and its record
// are there together or not at all.
func (s *testStore) auditAgrees(t *testing.T, jobs map[string]Job) {
	t.Helper()
	records := make(map[string]int)
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachAudit(0, func(_ uint64, stored []byte) bool {
			e, err := audit.ParseEntry(stored)
			if err != nil {
				t.Fatal(err)
			}
			if e.Action != audit.Noted { // of setting up
				records[e.Object]++
			}
			return true
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range jobs {
		if records[name] != 1 {
			t.Errorf("%s has %d records", name, records[name])
		}
	}
	if len(records) != len(jobs) {
		t.Errorf("%d jobs have %d records", len(jobs), len(records))
	}
}

// killedSets puts one set of anchors after the other, each a number over and over,
// and prints the number after the commit.
func killedSets(db *DB) {
	n := 0
	err := db.View(context.Background(), func(tx Tx) error {
		state, err := tx.BundleState("b")
		n = state.Anchors
		return err
	})
	for err == nil {
		n++
		set := NewBundleSet(slices.Repeat([]BundleAnchor{{Certificate: killedBody(fmt.Sprint(n), 1000)}}, 1000))
		err = db.Update(context.Background(), func(tx Tx) error {
			return errors.Join(tx.PutBundleAnchors("b", set), tx.PutBundleState("b", BundleState{Anchors: n}))
		})
		fmt.Println(n)
	}
	fmt.Println("failed:", err)
	os.Exit(1)
}

// TB-13: a process that is killed in the middle of it leaves the old set of anchors
// or the new one, whole, with the state that belongs to it.
func TestTB13_KilledProcessLeavesAWholeSet(t *testing.T) {
	s := newTestStore(t, Options{})
	err := errors.Join(WriteMasterKey(s.path+".key", s.options.MasterKey.(*MasterKey)),
		s.Update(context.Background(), func(tx Tx) error { return tx.PutBundle(Bundle{Name: "b"}) }))
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := 0
	for range 20 {
		err := s.Close()
		if err != nil {
			t.Fatal(err)
		}
		killAtRandom(t, s.path, func(line string) {
			n, err := strconv.Atoi(line)
			if err != nil || n <= acknowledged {
				t.Errorf("the writer said %q after %d", line, acknowledged)
			}
			acknowledged = n
		}, killedBundles+"=yes")
		s.reopen(t)
		acknowledged = s.wholeSet(t, acknowledged)
	}
}

// wholeSet expects the set that was acknowledged last, or the next, and returns
// which it is.
func (s *testStore) wholeSet(t *testing.T, acknowledged int) (n int) {
	t.Helper()
	err := s.View(context.Background(), func(tx Tx) error {
		state, err := tx.BundleState("b")
		if err != nil {
			return err
		}
		n = state.Anchors
		if n < acknowledged || n > acknowledged+1 {
			t.Errorf("set %d is there, %d was acknowledged", n, acknowledged)
		}
		anchors, _, err := tx.BundleAnchors("b")
		if len(anchors) != 1000 && state.Anchors > 0 {
			t.Errorf("%d anchors", len(anchors))
		}
		for _, a := range anchors {
			if !bytes.Equal(a.Certificate, killedBody(fmt.Sprint(state.Anchors), 1000)) {
				t.Fatalf("an anchor of set %d is of another", state.Anchors)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// settle waits until there is nothing left to clean.
func (s *testStore) settle(t testing.TB) {
	t.Helper()
	for {
		_, _, more := s.clean.next()
		if !more {
			return
		}
		err := s.Update(context.Background(), func(Tx) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
	}
}
