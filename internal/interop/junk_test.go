package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postern/internal/testnet"
	"postern/store"
)

// Strangers fill the disk with mail that is kept for an operator. It is put off at the
// reserve, whatever their rate, so that what was taken is opened and nothing ever
// fails to be written; and when the junk is dropped the space within the file takes
// mail again, though the disk has as little as before. Compacting then needs another
// disk, and leaves the same store.
func TestInteropJunkFillsTheDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || !canMount(t) {
		return // canMount told why: the gateway's own tests have the parts
	}
	j := newJunk(t)
	j.serve()
	j.bob("before the flood")
	first := j.flood()
	t.Logf("the first flood: %d messages of %d bytes were taken", first, junkBytes)
	if first*junkBytes < diskSize/4 {
		t.Fatal("it fills nothing")
	}
	err := j.send()
	if !isStorageFull(err) {
		t.Errorf("after the flood submission answers %v", err)
	}
	j.settled()
	j.ballast("ballast", 1<<20)
	j.must("", "queue", "drop", "--kept", "--to", "bob@b.example", "--silent")
	j.bob("with the junk gone")
	second := j.flood()
	t.Logf("the second flood: %d messages", second)
	if second < first/2 {
		t.Errorf("of the space within the file %d messages had room, of %d at first", second, first)
	}
	j.settled()
	j.must("", "queue", "drop", "--kept", "--to", "bob@b.example", "--silent")
	j.bob("with the junk gone again")
	for _, bad := range []string{"nothing can be written", "no space left"} {
		if strings.Contains(j.text(), bad) {
			t.Errorf("the reserve did not hold: the log has %q\n%s", bad, tail(j.text()))
		}
	}
	j.stop()
	j.ballast("more", 512<<10)
	j.compact()
	j.serve()
	j.bob("compacted")
	j.stop()
	j.checkStore()
}

const (
	junkBytes   = 200 << 10 // and more of a sealed message
	junkSenders = 8
	junkReserve = 12 << 20
)

// A junk is a site on a small disk, with strangers' mail for it.
type junk struct {
	*site
	disk   disk
	corpus []string
	sent   int // by submission, and answered 250
}

func newJunk(t *testing.T) *junk {
	pki := testnet.NewPKI(t, time.Now())
	root, unknown := pki.Root("interop root"), pki.Root("nobody's root")
	own := root.Leaf("b.example")
	j := &junk{disk: tmpfsDisk(t)}
	j.site = newSite(t, "b.example", setup{
		dir: j.disk.dir, users: []string{"bob@b.example", "carol@b.example"},
		keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
		more: map[string]string{"limits": fmt.Sprintf("message_bytes = %d\ndisk_reserve = %d\n", 1<<20, junkReserve)},
	})
	stranger := sealer{unknown.Leaf("a.example"), testnet.Certs(own)}
	for i := range junkSenders {
		message := record("alice@a.example", "bob@b.example", fmt.Sprintf("<%d@a.example>", i), junkBytes*3/4)
		j.corpus = append(j.corpus, stranger.seal(t, message, "bob@b.example"))
	}
	return j
}

func isStorageFull(err error) bool {
	return err != nil && strings.Contains(err.Error(), "452") && strings.Contains(err.Error(), "4.3.1")
}

func (j *junk) send() error {
	err := j.submit("carol@b.example", "bob@b.example", record("carol@b.example", "bob@b.example", fmt.Sprintf("<%d@b.example>", j.sent), 1<<10))
	if err == nil {
		j.sent++
	}
	return err
}

// bob gets what carol sends, and all that she sent before, as soon as there is room.
func (j *junk) bob(when string) {
	j.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for err := j.send(); err != nil; err = j.send() {
		if time.Now().After(deadline) || !isStorageFull(err) {
			j.t.Fatalf("%s: submission answers %v\n%s", when, err, tail(j.text()))
		}
	}
	if n := len(j.inbox("bob@b.example", j.sent)); n != j.sent {
		j.t.Errorf("%s: %d messages of %d that were answered 250", when, n, j.sent)
	}
}

// flood sends from several connections until all of them are put off for the want of
// space, and returns how many messages were taken.
func (j *junk) flood() (taken int) {
	j.t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	deadline := time.Now().Add(time.Minute)
	for i := range junkSenders {
		all.Go(func() {
			for put := 0; put < 2; {
				err := j.pour(j.corpus[i])
				var answer *textproto.Error
				switch {
				case err == nil:
					mu.Lock()
					taken++
					mu.Unlock()
				case errors.As(err, &answer) && answer.Code == 452:
					put++
				}
				if time.Now().After(deadline) {
					j.t.Errorf("the disk is not full after %d messages; the last answer is %v", taken, err)
					return
				}
			}
		})
	}
	all.Wait()
	return taken
}

func (j *junk) pour(message string) error {
	c, err := dialBackbone(j.t.Context(), j.backbone)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.send("alice@a.example", "bob@b.example", strings.NewReader(message))
}

// settled waits until all that was taken was opened and refused.
func (j *junk) settled() {
	j.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		var queue []store.Job
		text := j.must("", "queue", "list", "--all", "--json")
		err := json.Unmarshal([]byte(text), &queue)
		if err != nil {
			j.t.Fatalf("%v: %.200s", err, text)
		}
		waiting := 0
		for _, q := range queue {
			if q.Kind != store.KeptJob {
				waiting++
			}
		}
		if waiting == 0 && len(queue) > 0 {
			return
		}
		if time.Now().After(deadline) {
			j.t.Fatalf("%d messages wait of %d jobs\n%s", waiting, len(queue), tail(j.text()))
		}
	}
}

// ballast takes what is left of the disk but for so many bytes.
func (j *junk) ballast(name string, but int64) {
	j.t.Helper()
	var s unix.Statfs_t
	err := unix.Statfs(j.disk.dir, &s)
	if err == nil {
		err = os.WriteFile(filepath.Join(j.disk.dir, name), make([]byte, int64(s.Bavail)*s.Bsize-but), 0o600)
	}
	if err != nil {
		j.t.Fatal(err)
	}
}

// compact has no room on the disk, and finds it elsewhere.
func (j *junk) compact() {
	j.t.Helper()
	e := j.run("", "store", "compact")
	if e.code != 3 || !strings.Contains(e.stderr, "--via") {
		j.t.Errorf("compacting without room: exit code %d, %s", e.code, e.stderr)
	}
	file := filepath.Join(j.data(), "postern.db")
	before, err := os.Stat(file)
	if err != nil {
		j.t.Fatal(err)
	}
	via := j.t.TempDir()
	j.must("", "store", "compact", "--via", via)
	after, err := os.Stat(file)
	if err != nil || after.Size() > before.Size()/2 {
		j.t.Errorf("compacted from %d to %d bytes: %v", before.Size(), after.Size(), err)
	}
	left, err := os.ReadDir(via)
	if err != nil || len(left) > 0 {
		j.t.Errorf("%v are left: %v", left, err)
	}
}
