package testnet

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Mailer is a running Postfix: it delivers mail for one domain into maildirs
// and relays what is for another.
type Mailer struct {
	Addr string // of its SMTP server
	Dir  string // of the maildirs, one for each local part
	log  string
}

// A Mailing says what a Postfix is to do.
type Mailing struct {
	Domain string   // whose mail it delivers
	Boxes  []string // local parts; mail for any other is taken, and bounced after that
	Routes map[string]string
}

// Postfix starts Postfix on loopback until the test ends. It takes its orders
// from anybody on loopback and asks no DNS: Routes are where mail of other
// domains goes, as HOST:PORT. Only root can start it; for anybody else it is as
// if it were not installed.
func Postfix(t testing.TB, o Mailing) *Mailer {
	t.Helper()
	command := Require(t, "postfix")
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root can start the peer postfix")
		}
		t.Skip("only root can start the peer postfix")
	}
	dir := openDir(t)
	port := freePort(t)
	m := &Mailer{Addr: net.JoinHostPort("127.0.0.1", port), Dir: filepath.Join(dir, "mail"), log: filepath.Join(dir, "log")}
	uid, gid := ownerOf(t, "postfix")
	for name, owned := range map[string]bool{"etc": false, "spool": false, "data": true, "mail": true} {
		path := filepath.Join(dir, name)
		err := os.Mkdir(path, 0o755)
		if err == nil && owned {
			err = os.Chown(path, uid, gid)
		}
		if err != nil {
			t.Fatalf("testnet: making the folders of Postfix: %v", err)
		}
	}
	etc := filepath.Join(dir, "etc")
	write(t, etc, "main.cf", m.mainCF(o, dir, uid, gid))
	write(t, etc, "master.cf", masterCF(port))
	out, err := exec.Command(command, "-c", etc, "check").CombinedOutput()
	if err != nil {
		t.Fatalf("testnet: checking Postfix: %v\n%s", err, out)
	}
	m.run(t, etc)
	return m
}

// openDir is a temporary folder that every user may walk through.
func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		err := os.Chmod(d, 0o755)
		if err != nil {
			t.Fatalf("testnet: opening a folder: %v", err)
		}
	}
	return dir
}

func ownerOf(t testing.TB, name string) (uid, gid int) {
	t.Helper()
	u, err := user.Lookup(name)
	if err == nil {
		uid, err = strconv.Atoi(u.Uid)
	}
	if err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	if err != nil {
		t.Fatalf("testnet: looking up the user %s: %v", name, err)
	}
	return uid, gid
}

func (m *Mailer) mainCF(o Mailing, dir string, uid, gid int) string {
	var boxes, routes strings.Builder
	for _, box := range o.Boxes {
		fmt.Fprintf(&boxes, " {%s@%s = %s/}", box, o.Domain, box)
	}
	for domain, addr := range o.Routes {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(&routes, " {%s = smtp:[%s]:%s}", domain, host, port)
	}
	return lines(
		"compatibility_level = 3.6",
		"queue_directory = "+filepath.Join(dir, "spool"),
		"data_directory = "+filepath.Join(dir, "data"),
		"maillog_file = "+m.log,
		"maillog_file_prefixes = "+dir,
		"myhostname = postfix."+o.Domain,
		"mydestination =",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"mynetworks = 127.0.0.0/8",
		"smtp_dns_support_level = disabled",
		"smtpd_peername_lookup = no",
		"smtpd_reject_unlisted_recipient = no", // it finds out when it delivers
		"virtual_mailbox_domains = "+o.Domain,
		"virtual_mailbox_base = "+m.Dir,
		"virtual_mailbox_maps = inline:{"+boxes.String()+" }",
		"virtual_minimum_uid = 1",
		fmt.Sprintf("virtual_uid_maps = static:%d", uid),
		fmt.Sprintf("virtual_gid_maps = static:%d", gid),
		"transport_maps = inline:{"+routes.String()+" }",
	)
}

func masterCF(port string) string {
	return lines(
		"127.0.0.1:"+port+" inet n - n - - smtpd",
		"postlog unix-dgram n - n - 1 postlogd",
		"cleanup unix n - n - 0 cleanup",
		"qmgr unix n - n 300 1 qmgr",
		"rewrite unix - - n - - trivial-rewrite",
		"bounce unix - - n - 0 bounce",
		"defer unix - - n - 0 bounce",
		"trace unix - - n - 0 bounce",
		"flush unix n - n 1000? 0 flush",
		"proxymap unix - - n - - proxymap",
		"smtp unix - - n - - smtp",
		"error unix - - n - - error",
		"retry unix - - n - - error",
		"virtual unix - n n - - virtual",
		"anvil unix - - n - 1 anvil",
	)
}

// run starts Postfix's master in a process group of its own, which ends with the
// test.
func (m *Mailer) run(t testing.TB, etc string) {
	t.Helper()
	cmd := exec.Command("/usr/lib/postfix/sbin/master", "-c", etc, "-d")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+etc)
	d := launch(t, cmd, func(string) {})
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	d.awaitPort(t, m.Addr)
}

// Log is what Postfix has logged.
func (m *Mailer) Log() string {
	text, err := os.ReadFile(m.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Mail waits until so many messages are in a maildir, and returns all, with LF
// line ends.
func (m *Mailer) Mail(t testing.TB, box string, least int) []string {
	t.Helper()
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		files, err := filepath.Glob(filepath.Join(m.Dir, box, "new", "*"))
		if err != nil {
			t.Fatalf("testnet: listing a maildir: %v", err)
		}
		if len(files) >= least {
			return readAll(t, files)
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("testnet: %d messages for %s came to Postfix, want %d:\n%s", len(files), box, least, m.Log())
		}
	}
}

func readAll(t testing.TB, files []string) []string {
	t.Helper()
	all := make([]string, len(files))
	for i, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("testnet: reading a maildir: %v", err)
		}
		all[i] = string(text)
	}
	return all
}
