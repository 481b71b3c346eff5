package store

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"postern/mime"
)

// killedEnv names the store that a re-executed test binary writes to until it
// is killed; the master key lies beside it.
const killedEnv = "POSTERN_TEST_KILLED_WRITER"

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
		return err
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
		killAtRandom(t, s.path, acknowledged)
		s.reopen(t)
		s.checkAcknowledged(t, acknowledged)
	}
	s.settle(t)
	s.sound(t)
	if len(acknowledged) < 20 {
		t.Errorf("only %d writes were acknowledged", len(acknowledged))
	}
}

func killAtRandom(t *testing.T, path string, acknowledged map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedEnv+"="+filepath.Clean(path))
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
	kill := time.AfterFunc(time.Duration(rand.IntN(120))*time.Millisecond, func() { cmd.Process.Kill() })
	defer kill.Stop()
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // what is cut off was not acknowledged
		}
		if err != nil || bytes.HasPrefix([]byte(line), []byte("failed")) {
			t.Errorf("the writer said %q, %v", line, err)
			break
		}
		acknowledged[line[:len(line)-1]] = true
	}
	_ = cmd.Wait() // it was killed
}

// checkAcknowledged finds every acknowledged job once, with its body.
func (s *testStore) checkAcknowledged(t *testing.T, acknowledged map[string]bool) {
	t.Helper()
	found := make(map[string]Job)
	err := s.View(context.Background(), func(tx Tx) error {
		return tx.EachJob(func(j Job) bool {
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
	s.sound(t) // opens every body
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
