package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// postfixMaster is the program that runs Postfix, in Debian's place.
const postfixMaster = "/usr/lib/postfix/sbin/master"

const (
	postfixMissing = "postfix is not installed, or this is not root"
	filterMissing  = "postfix or openssl is not installed, or this is not root"
)

// A postfix is a Postfix that relays everything to one place, as it comes or by
// way of a filter.
type postfix struct {
	addr string
	cmd  *exec.Cmd
}

func havePostfix() bool { return os.Geteuid() == 0 && !missing(postfixMaster) }

// startPostfix starts one under b.dir. filter is a script that handles each
// message and puts it in again, at the address that follows; "" is none.
func (b *bench) startPostfix(ctx context.Context, name string, to string, filter bool) (*postfix, error) {
	dir := filepath.Join(b.dir, name)
	p := new(postfix)
	var again string
	var err error
	for _, at := range []*string{&p.addr, &again} {
		*at, err = freeAddress()
		if err != nil {
			return nil, err
		}
	}
	uid, err := openFolders(b.dir, dir)
	if err != nil {
		return nil, err
	}
	script := ""
	if filter {
		script, err = b.writeFilter(dir, again)
		if err != nil {
			return nil, err
		}
	}
	etc := filepath.Join(dir, "etc")
	err = os.WriteFile(filepath.Join(etc, "main.cf"), []byte(relayCF(dir, to)), 0o644)
	if err == nil {
		err = os.WriteFile(filepath.Join(etc, "master.cf"), []byte(servicesCF(p.addr, again, script)), 0o644)
	}
	if err == nil {
		err = build(ctx, "postfix", "-c", etc, "check")
	}
	if err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, postfixMaster, "-c", etc, "-d")
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.Env = append(os.Environ(), "MAIL_CONFIG="+etc)
	err = p.cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("starting Postfix with uid %d: %w", uid, err)
	}
	err = awaitListeners(ctx, p.addr)
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// openFolders makes the folders of Postfix, through which its users may walk.
func openFolders(above, dir string) (uid int, err error) {
	u, err := user.Lookup("postfix")
	if err != nil {
		return 0, err
	}
	uid, _ = strconv.Atoi(u.Uid) // a number on every Unix
	gid, _ := strconv.Atoi(u.Gid)
	err = os.Chmod(above, 0o755)
	for _, sub := range []string{"etc", "spool", "data"} {
		if err == nil {
			err = os.MkdirAll(filepath.Join(dir, sub), 0o755)
		}
	}
	if err == nil {
		err = os.Chown(filepath.Join(dir, "data"), uid, gid)
	}
	return uid, err
}

func relayCF(dir, to string) string {
	host, port, _ := net.SplitHostPort(to)
	return strings.Join([]string{
		"compatibility_level = 3.6",
		"queue_directory = " + filepath.Join(dir, "spool"),
		"data_directory = " + filepath.Join(dir, "data"),
		"maillog_file = " + filepath.Join(dir, "log"),
		"maillog_file_prefixes = " + dir,
		"myhostname = postfix.a.example",
		"mydestination =",
		"inet_interfaces = 127.0.0.1",
		"inet_protocols = ipv4",
		"mynetworks = 127.0.0.0/8",
		"smtp_dns_support_level = disabled",
		"smtpd_peername_lookup = no",
		"smtpd_reject_unlisted_recipient = no",
		"relayhost = [" + host + "]:" + port,
		"in_flow_delay = 0", // it is not to wait for its own queue
		"default_destination_concurrency_limit = 50",
		"initial_destination_concurrency = 20",
		"crypt_destination_recipient_limit = 1",
		"",
	}, "\n")
}

func servicesCF(addr, again, filter string) string {
	all := []string{
		addr + " inet n - n - - smtpd",
		"postlog unix-dgram n - n - 1 postlogd",
		"pickup unix n - n 60 1 pickup",
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
		"",
	}
	if filter != "" {
		all[0] += " -o content_filter=crypt:dummy"
		all = append([]string{
			again + " inet n - n - - smtpd -o content_filter=",
			"crypt unix - n n - 4 pipe flags=Rq user=nobody null_sender= argv=" + filter + " ${sender} ${recipient}",
		}, all...)
	}
	return strings.Join(all, "\n")
}

// writeFilter writes what somebody writes who has an afternoon: two calls of
// openssl cms and one that puts the result in again.
func (b *bench) writeFilter(dir, again string) (string, error) {
	key, err := keyPEM(b.rig.sender, b.rig.issuer)
	if err != nil {
		return "", err
	}
	tmp := filepath.Join(dir, "tmp")
	script := fmt.Sprintf(`#!/bin/sh
f=$(mktemp %s/XXXXXX) || exit 75
trap 'rm -f $f' 0
{ printf 'Content-Type: message/rfc822\r\n\r\n'; cat; } |
openssl cms -sign -binary -signer %[2]s/key.pem -inkey %[2]s/key.pem -certfile %[2]s/issuer.pem |
openssl cms -encrypt -binary -aes256 -from "$1" -to "$2" -subject bench %[2]s/to.pem > $f || exit 75
/usr/sbin/smtp-source -F $f -f "$1" -t "$2" %[3]s || exit 75
`, tmp, dir, again)
	path := filepath.Join(dir, "filter")
	for name, text := range map[string][]byte{"key.pem": key, "issuer.pem": certPEM(b.rig.issuer.cert), "to.pem": certPEM(b.rig.to[0].cert)} {
		err := os.WriteFile(filepath.Join(dir, name), text, 0o644) // for nobody, and of no worth
		if err != nil {
			return "", err
		}
	}
	err = os.Mkdir(tmp, 0o777)
	if err == nil {
		err = os.Chmod(tmp, 0o777)
	}
	if err == nil {
		err = os.WriteFile(path, []byte(script), 0o755)
	}
	return path, err
}

// stop ends Postfix with all its processes.
func (p *postfix) stop() {
	if p == nil {
		return
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
	_ = p.cmd.Wait()
}

func (p *postfix) door() door {
	return door{addr: p.addr, sender: senderAddress, to: recipientAddress(0)}
}
