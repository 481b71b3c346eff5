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

// A dovecot is a Dovecot with maildirs.
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

// startDovecot runs one that takes mail by LMTP, and knows everybody.
func (b *bench) startDovecot(ctx context.Context) (*dovecot, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "dovecot")
	return b.runDovecot(ctx, dir, dovecotConfig(dir, "lmtp", "nopassword=y", "ssl = no\n"+lmtpService(addr)), addr)
}

// dovecotConfig is a configuration with maildirs in the folder mail of dir, which
// anybody on loopback may use who knows the password.
func dovecotConfig(dir, protocols, passwords, more string) string {
	return fmt.Sprintf(`protocols = %[2]s
listen = 127.0.0.1
base_dir = %[1]s/run
state_dir = %[1]s/state
log_path = %[1]s/log
mail_location = maildir:%[1]s/mail/%%u
mail_max_userip_connections = 100
first_valid_uid = 1
postmaster_address = postmaster@b.example
passdb {
  driver = static
  args = %[3]s
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%[1]s/mail/%%u allow_all_users=yes
}
%[4]s`, dir, protocols, passwords, more)
}

// lmtpService listens at an address.
func lmtpService(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf(`service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = %s
  }
}
`, port)
}

// tlsService listens for pop3 or imap under TLS, with the certificate of a house.
func tlsService(protocol, addr string, h *house) string {
	_, port, _ := net.SplitHostPort(addr)
	return fmt.Sprintf(`ssl = required
ssl_cert = <%[3]s/tls/cert.pem
ssl_key = <%[3]s/tls/key.pem
service %[1]s-login {
  inet_listener %[1]s {
    port = 0
  }
  inet_listener %[1]ss {
    address = 127.0.0.1
    port = %[2]s
    ssl = yes
  }
}
`, protocol, port, h.dir)
}

// runDovecot writes a configuration into dir and runs Dovecot with it until it listens.
func (b *bench) runDovecot(ctx context.Context, dir, config, addr string) (*dovecot, error) {
	mail := filepath.Join(dir, "mail")
	err := os.MkdirAll(mail, 0o755)
	for path, mode := range map[string]os.FileMode{b.dir: 0o755, dir: 0o755, mail: 0o777} {
		if err == nil {
			err = os.Chmod(path, mode)
		}
	}
	path := filepath.Join(dir, "dovecot.conf")
	if err == nil {
		err = os.WriteFile(path, []byte(config), 0o644)
	}
	if err != nil {
		return nil, err
	}
	d := &dovecot{addr: addr}
	d.cmd = exec.CommandContext(ctx, "dovecot", "-F", "-c", path)
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
