package spawn

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// PostfixMaster is the program that runs Postfix, in Debian's place.
const PostfixMaster = "/usr/lib/postfix/sbin/master"

// A Postfix takes mail from anybody on loopback and asks no DNS. Only root can run
// one.
type Postfix struct {
	Dir      string   // all that it has; folders above must be open to every user
	Hostname string   // what it calls itself
	Settings []string // further lines of main.cf
	Services []string // further lines of master.cf; its SMTP servers are among them
}

// Owner returns the user whom Postfix runs as.
func Owner() (uid, gid int, err error) {
	u, err := user.Lookup("postfix")
	if err == nil {
		uid, err = strconv.Atoi(u.Uid)
	}
	if err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}

// LogFile is where it writes what it does.
func (p Postfix) LogFile() string { return filepath.Join(p.Dir, "log") }

// Command writes the configuration, has Postfix check it, and returns the command
// that runs Postfix, in a process group of its own, until ctx is done.
func (p Postfix) Command(ctx context.Context) (*exec.Cmd, error) {
	etc, err := p.write()
	if err != nil {
		return nil, fmt.Errorf("configuring Postfix: %w", err)
	}
	out, err := exec.CommandContext(ctx, "/usr/sbin/postfix", "-c", etc, "check").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("checking Postfix: %w\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, PostfixMaster, "-c", etc, "-d")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Env = append(os.Environ(), "MAIL_CONFIG="+etc)
	return cmd, nil
}

func (p Postfix) write() (etc string, err error) {
	uid, gid, err := Owner()
	if err != nil {
		return "", err
	}
	etc, data := filepath.Join(p.Dir, "etc"), filepath.Join(p.Dir, "data")
	for _, dir := range []string{etc, data, filepath.Join(p.Dir, "spool")} {
		err := os.MkdirAll(dir, 0o755)
		if err != nil {
			return "", err
		}
	}
	err = os.Chown(data, uid, gid)
	if err != nil {
		return "", err
	}
	for name, lines := range map[string][]string{"main.cf": p.settings(), "master.cf": p.services()} {
		err := os.WriteFile(filepath.Join(etc, name), []byte(strings.Join(lines, "\n")+"\n"), 0o644)
		if err != nil {
			return "", err
		}
	}
	return etc, nil
}

func (p Postfix) settings() []string {
	return append([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(p.Dir, "spool"),
		"data_directory = " + filepath.Join(p.Dir, "data"),
		"maillog_file = " + p.LogFile(),
		"maillog_file_prefixes = " + p.Dir,
		"myhostname = " + p.Hostname,
		"mydestination =",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"mynetworks = 127.0.0.0/8",
		"smtp_dns_support_level = disabled",
		"smtpd_peername_lookup = no",
		"smtpd_reject_unlisted_recipient = no", // it finds out when it delivers
	}, p.Settings...)
}

func (p Postfix) services() []string {
	return append([]string{
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
		"anvil unix - - n - 1 anvil",
	}, p.Services...)
}
