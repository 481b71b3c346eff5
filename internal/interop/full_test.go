package interop

import (
	"errors"
	"fmt"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postern/internal/testnet"
	"postern/smtp"
)

// diskSize is what the store may take until the disk grows.
const diskSize = 48 << 20

// A disk is a place for a store that is full at diskSize until it grows.
type disk struct {
	dir   string
	limit func(pid int) error // once the process runs
	grow  func(pid int) error
}

// limitedDisk is an ordinary folder in which the process may write no larger
// file. The kernel says EFBIG there instead of ENOSPC.
func limitedDisk(t *testing.T) disk {
	t.Helper()
	set := func(size uint64) func(int) error {
		return func(pid int) error {
			return unix.Prlimit(pid, unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: size, Max: unix.RLIM_INFINITY}, nil)
		}
	}
	return disk{t.TempDir(), set(diskSize), set(unix.RLIM_INFINITY)}
}

// tmpfsDisk is a file system of its own.
func tmpfsDisk(t *testing.T) disk {
	t.Helper()
	dir := t.TempDir()
	mountTmpfs(t, dir, 0, diskSize)
	t.Cleanup(func() {
		err := unix.Unmount(dir, 0)
		if err != nil {
			t.Errorf("unmounting: %v", err)
		}
	})
	grow := func(int) error { mountTmpfs(t, dir, unix.MS_REMOUNT, 20*diskSize); return nil }
	return disk{dir, func(int) error { return nil }, grow}
}

func mountTmpfs(t testing.TB, dir string, flags uintptr, size int) {
	t.Helper()
	err := unix.Mount("postern-test", dir, "tmpfs", flags, fmt.Sprintf("size=%d", size))
	if err != nil {
		t.Fatalf("mounting a small file system: %v", err)
	}
}

// TestInteropDiskFull fills the disk. Both servers answer 452 and lose nothing;
// when there is space again all goes on by itself.
func TestInteropDiskFull(t *testing.T) {
	t.Parallel() // for most of the time it waits until failed steps are tried again
	disks := []disk{limitedDisk(t)}
	if os.Geteuid() == 0 && canMount(t) {
		disks = append(disks, tmpfsDisk(t))
	}
	var all []*full
	for _, d := range disks {
		all = append(all, fillDisk(t, d))
	}
	for _, f := range all {
		f.grow()
	}
	for _, f := range all {
		f.judge()
	}
}

// canMount tells root from root in a container.
func canMount(t *testing.T) bool {
	t.Helper()
	dir := t.TempDir()
	err := unix.Mount("postern-test", dir, "tmpfs", 0, "size=65536")
	if err != nil {
		t.Logf("the file system of its own is left out: %v", err)
		return false
	}
	return unix.Unmount(dir, 0) == nil
}

// A full is a site whose disk is full.
type full struct {
	*site
	disk     disk
	accepted map[string]string // what was answered 250, by Message-ID
}

// fillDisk makes a site on a disk and fills it.
func fillDisk(t *testing.T, d disk) *full {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	own, far := root.Leaf("b.example"), root.Leaf("a.example")
	f := &full{disk: d, accepted: make(map[string]string)}
	f.site = newSite(t, "b.example", setup{
		dir: d.dir, users: []string{"bob@b.example", "carol@b.example"}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
		more: map[string]string{"limits": "disk_reserve = 0\n"},
	})
	f.serve()
	err := d.limit(f.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	submission := func(i int) (string, error) {
		message := record("carol@b.example", "bob@b.example", fmt.Sprintf("<%d@b.example>", i), 1<<20)
		return message, f.submit("carol@b.example", "bob@b.example", message)
	}
	agent := sealer{far, testnet.Certs(own)}
	backbone := func(i int) (string, error) {
		message := record("alice@a.example", "bob@b.example", fmt.Sprintf("<%d@a.example>", i), 1<<20)
		c, err := dialBackbone(t.Context(), f.backbone)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return message, c.send("alice@a.example", "bob@b.example", strings.NewReader(agent.seal(t, message, "bob@b.example")))
	}
	for i := range begun { // both, before either has filled the disk
		f.take("submission", i, submission)
		f.take("the backbone", i, backbone)
	}
	f.fill("submission", submission)
	f.fill("the backbone", backbone)
	return f
}

// begun is how many messages each server takes of a disk with space.
const begun = 3

// take sends a message that must be taken.
func (f *full) take(server string, i int, send func(i int) (message string, err error)) {
	f.t.Helper()
	message, err := send(i)
	if err != nil {
		f.t.Fatalf("%s with space answers %v", server, err)
	}
	f.accepted[messageID(message)] = message
}

// fill sends until the answer is 452. What was taken before may free some space
// when it goes its way, so that each server is filled for itself.
func (f *full) fill(server string, send func(i int) (message string, err error)) {
	f.t.Helper()
	const most = 100
	for i := begun; i < most; i++ {
		message, err := send(i)
		if err == nil {
			f.accepted[messageID(message)] = message
			continue
		}
		var theirs *textproto.Error
		var ours *smtp.ReplyError
		if !(errors.As(err, &theirs) && theirs.Code == 452) && !(errors.As(err, &ours) && ours.Code == 452) {
			f.t.Fatalf("%s answers %v, want 452", server, err)
		}
		f.t.Logf("%s took %d messages of 1 MiB before 452", server, i)
		return
	}
	f.t.Fatalf("%d messages of 1 MiB fit onto %d octets", most, diskSize)
}

// grow gives the disk space, and checks that submission works at once.
func (f *full) grow() {
	f.t.Helper()
	f.alive()
	err := f.disk.grow(f.cmd.Process.Pid)
	if err != nil {
		f.t.Fatal(err)
	}
	more := record("carol@b.example", "bob@b.example", "<more@b.example>", 1<<20)
	err = f.submit("carol@b.example", "bob@b.example", more)
	if err != nil {
		f.t.Fatalf("with space again, submission answers %v", err)
	}
	f.accepted[messageID(more)] = more
}

// judge waits for all that was answered 250.
func (f *full) judge() {
	f.t.Helper()
	for _, got := range f.inbox("bob@b.example", len(f.accepted)) {
		id := messageID(got)
		if got != f.accepted[id] {
			f.t.Errorf("%s came again, or changed", id)
		}
		delete(f.accepted, id)
	}
	if len(f.accepted) > 0 {
		f.t.Errorf("%d messages that were answered 250 are lost", len(f.accepted))
	}
	f.alive()
	f.stop()
	f.checkStore()
}
