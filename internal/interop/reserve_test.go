package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"postern/internal/testnet"
)

// Somebody else fills the disk of the store down to its reserve. New mail is put
// off before anything of it is taken, what was taken arrives, and when there is
// space again all goes on by itself. A disk that can only be read is told at once,
// and a start after it can be written works.
func TestInteropDiskReserve(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 || !canMount(t) {
		return // canMount told why: TestDiskReserve of the gateway has the rest
	}
	testnet.Require(t, "curl")
	const reserve = diskSize / 2
	d := tmpfsDisk(t)
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	s := newSite(t, "b.example", setup{
		dir: d.dir, users: []string{"bob@b.example", "carol@b.example"},
		keys: []*testnet.Identity{root.Leaf("b.example")}, anchors: []*testnet.Identity{root},
		more: map[string]string{"limits": fmt.Sprintf("message_bytes = %d\ndisk_reserve = %d\n", reserve/4, reserve)},
	})
	s.serve()
	accepted := 0
	next := func() error {
		err := s.submit("carol@b.example", "bob@b.example", record("carol@b.example", "bob@b.example", fmt.Sprintf("<%d@b.example>", accepted), 1<<10))
		if err == nil {
			accepted++
		}
		return err
	}
	until := func(what string, done func(error) bool) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for err := next(); !done(err); err = next() {
			if time.Now().After(deadline) {
				t.Fatalf("%s: still %v\n%s", what, err, tail(s.text()))
			}
		}
	}
	isFull := func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "452") && strings.Contains(err.Error(), "4.3.1")
	}
	until("a disk with space", func(err error) bool { return err == nil })
	ballast := filepath.Join(d.dir, "ballast")
	err := os.WriteFile(ballast, make([]byte, reserve+reserve/4), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	until("a disk that is short", isFull)
	s.inbox("bob@b.example", accepted) // what was taken goes on
	c, err := dialBackbone(t.Context(), s.backbone)
	if err != nil {
		t.Fatal(err)
	}
	err = c.send("alice@a.example", "bob@b.example", strings.NewReader("Subject: x\r\n\r\nx\r\n"))
	c.Close()
	if !isFull(err) {
		t.Errorf("the backbone answers %v", err)
	}
	file := s.write("message", "Subject: x\r\n\r\nx\r\n")
	out, err := exec.CommandContext(t.Context(), "curl", append(s.curlArgs("bob@b.example"), "-v", "-T", file, s.imapURL()+"/INBOX")...).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "NO [UNAVAILABLE]") {
		t.Errorf("APPEND: %v, %s", err, out)
	}
	err = os.Remove(ballast)
	if err != nil {
		t.Fatal(err)
	}
	until("a disk with space again", func(err error) bool { return err == nil })
	if n := len(s.inbox("bob@b.example", accepted)); n != accepted {
		t.Errorf("%d messages for %d that were answered 250", n, accepted)
	}
	s.stop()
	s.checkReadOnlyStart(d)
	s.checkStore()
}

// checkReadOnlyStart has a gateway start on a disk that is mounted for reading
// alone. A file that is open for writing keeps the kernel from such a remount, so
// that a gateway that runs does not meet it but by an error of the disk.
func (s *site) checkReadOnlyStart(d disk) {
	s.t.Helper()
	mountTmpfs(s.t, d.dir, unix.MS_REMOUNT|unix.MS_RDONLY, diskSize)
	ended := s.run("", "serve")
	if ended.code == 0 || !strings.Contains(ended.stderr, "read-only file system") {
		s.t.Errorf("on a disk for reading alone: exit code %d, %s", ended.code, ended.stderr)
	}
	mountTmpfs(s.t, d.dir, unix.MS_REMOUNT, diskSize)
	s.serve()
	s.stop()
}
