package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

const dovecotMissing = "dovecot with LMTP is not installed, or this is not root"

// dovecotLMTP is the program of the package dovecot-lmtpd, in Debian's place.
const dovecotLMTP = "/usr/lib/dovecot/lmtp"

// A dovecot is a Dovecot that takes mail by LMTP into maildirs.
type dovecot struct {
	addr string
	cmd  *exec.Cmd
}

func haveDovecot() bool { return haveDovecotFor(dovecotLMTP) }

// haveDovecotFor reports whether Dovecot can be run with one of its programs.
func haveDovecotFor(program string) bool {
	_, err := exec.LookPath("dovecot")
	return err == nil && os.Geteuid() == 0 && !missing(program)
}

func (b *bench) startDovecot(ctx context.Context) (*dovecot, error) {
	d := new(dovecot)
	var err error
	d.addr, err = freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "dovecot")
	mail := filepath.Join(dir, "mail")
	err = os.MkdirAll(mail, 0o755)
	for path, mode := range map[string]os.FileMode{b.dir: 0o755, dir: 0o755, mail: 0o777} {
		if err == nil {
			err = os.Chmod(path, mode)
		}
	}
	_, port, _ := net.SplitHostPort(d.addr)
	text := fmt.Sprintf(`protocols = lmtp
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
ssl = no
mail_location = maildir:%[1]s/mail/%%u
first_valid_uid = 1
postmaster_address = postmaster@b.example
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%[1]s/mail/%%u allow_all_users=yes
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = %[2]s
  }
}
`, dir, port)
	if err != nil {
		return nil, err
	}
	return b.runDovecot(ctx, filepath.Join(dir, "dovecot.conf"), text, d.addr)
}

// runDovecot writes a configuration and runs Dovecot with it until it listens.
func (b *bench) runDovecot(ctx context.Context, config, text, addr string) (*dovecot, error) {
	err := os.WriteFile(config, []byte(text), 0o644)
	if err != nil {
		return nil, err
	}
	d := &dovecot{addr: addr}
	d.cmd = exec.CommandContext(ctx, "dovecot", "-F", "-c", config)
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = d.cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("starting Dovecot: %w", err)
	}
	err = awaitListeners(ctx, d.addr)
	if err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func (d *dovecot) stop() {
	if d == nil {
		return
	}
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	_ = d.cmd.Wait()
}

func (d *dovecot) door() door {
	return door{addr: d.addr, lmtp: true, sender: senderAddress, to: recipientAddress(0)}
}
