package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"postern/internal/testnet/spawn"
)

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

func havePostfix() bool { return os.Geteuid() == 0 && !missing(spawn.PostfixMaster) }

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
	err = os.MkdirAll(dir, 0o755)
	if err == nil {
		err = os.Chmod(b.dir, 0o755)
	}
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
	p.cmd, err = spawn.Postfix{
		Dir: dir, Hostname: "postfix.a.example", Settings: relaying(to), Services: services(p.addr, again, script),
	}.Command(ctx)
	if err != nil {
		return nil, err
	}
	err = p.cmd.Start()
	if err != nil {
		return nil, fmt.Errorf("starting Postfix: %w", err)
	}
	err = awaitListeners(ctx, p.addr)
	if err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// relaying has all of it go on to one place.
func relaying(to string) []string {
	host, port, _ := net.SplitHostPort(to)
	return []string{
		"relayhost = [" + host + "]:" + port,
		"in_flow_delay = 0", // it is not to wait for its own queue
		"default_destination_concurrency_limit = 50",
		"initial_destination_concurrency = 20",
		"crypt_destination_recipient_limit = 1",
	}
}

func services(addr, again, filter string) []string {
	door, pickup := addr+" inet n - n - - smtpd", "pickup unix n - n 60 1 pickup"
	if filter == "" {
		return []string{door, pickup}
	}
	return []string{
		door + " -o content_filter=crypt:dummy", pickup,
		again + " inet n - n - - smtpd -o content_filter=",
		"crypt unix - n n - 4 pipe flags=Rq user=nobody null_sender= argv=" + filter + " ${sender} ${recipient}",
	}
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
