package testnet

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"postern/internal/testnet/spawn"
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
	// TLS is offered by STARTTLS where it is there.
	TLS *Identity
	// Answers are what it says to RCPT of addresses instead of taking them, such as
	// "550 5.1.1 nobody".
	Answers map[string]string
	// Slow is how long it takes over the end of each message, in seconds.
	Slow int
}

// Postfix starts Postfix on loopback until the test ends. It takes its orders
// from anybody on loopback and asks no DNS: Routes are where mail of other
// domains goes, as HOST:PORT. Only root can start it; for anybody else it is as
// if it were not installed.
func Postfix(t testing.TB, o Mailing) *Mailer {
	t.Helper()
	_ = Require(t, "postfix")
	if os.Geteuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root can start the peer postfix")
		}
		t.Skip("only root can start the peer postfix")
	}
	dir := openDir(t)
	m := &Mailer{Addr: DeadPort(t), Dir: filepath.Join(dir, "mail")}
	uid, gid, err := spawn.Owner()
	if err == nil {
		err = os.Mkdir(m.Dir, 0o755)
	}
	if err == nil {
		err = os.Chown(m.Dir, uid, gid)
	}
	if err != nil {
		t.Fatalf("testnet: making the maildirs of Postfix: %v", err)
	}
	p := spawn.Postfix{
		Dir: dir, Hostname: "postfix." + o.Domain, Settings: append(m.settings(o, uid, gid), o.edge(t, dir)...),
		Services: []string{m.Addr + " inet n - n - - smtpd", "virtual unix - n n - - virtual", "tlsmgr unix - - n 1000? 1 tlsmgr"},
	}
	m.log = p.LogFile()
	cmd, err := p.Command(context.Background()) // until the test's end, with all its processes
	if err != nil {
		t.Fatalf("testnet: %v", err)
	}
	d := launch(t, cmd, func(string) {})
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	d.awaitPort(t, m.Addr)
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

func (m *Mailer) settings(o Mailing, uid, gid int) []string {
	var boxes, routes strings.Builder
	for _, box := range o.Boxes {
		fmt.Fprintf(&boxes, " {%s@%s = %s/}", box, o.Domain, box)
	}
	for domain, addr := range o.Routes {
		host, port, _ := net.SplitHostPort(addr)
		fmt.Fprintf(&routes, " {%s = smtp:[%s]:%s}", domain, host, port)
	}
	settings := []string{
		"virtual_mailbox_domains = " + o.Domain,
		"virtual_mailbox_base = " + m.Dir,
		"virtual_mailbox_maps = inline:{" + boxes.String() + " }",
		"virtual_minimum_uid = 1",
		fmt.Sprintf("virtual_uid_maps = static:%d", uid),
		fmt.Sprintf("virtual_gid_maps = static:%d", gid),
	}
	if routes.Len() > 0 {
		settings = append(settings, "transport_maps = inline:{"+routes.String()+" }")
	}
	return settings
}

// edge are the settings of a Postfix that stands for somebody's own system.
func (o Mailing) edge(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	if o.TLS != nil {
		cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
		for file, text := range map[string][]byte{cert: PEM(o.TLS.Cert), key: o.TLS.KeyPEM()} {
			err := os.WriteFile(file, text, 0o600)
			if err != nil {
				t.Fatalf("testnet: writing the certificate of Postfix: %v", err)
			}
		}
		all = append(all, "smtpd_tls_security_level = may", "smtpd_tls_loglevel = 1", "smtpd_tls_received_header = yes",
			"smtpd_tls_cert_file = "+cert, "smtpd_tls_key_file = "+key)
	}
	if len(o.Answers) > 0 {
		var answers strings.Builder
		for address, says := range o.Answers {
			fmt.Fprintf(&answers, " {%s = %s}", address, says)
		}
		all = append(all, "smtpd_recipient_restrictions = check_recipient_access inline:{"+answers.String()+" }, permit_mynetworks, reject")
	}
	if o.Slow > 0 {
		all = append(all, fmt.Sprintf("smtpd_end_of_data_restrictions = sleep %d", o.Slow))
	}
	return all
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
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	var files []string
	if !Await(ctx, func() bool {
		var err error
		files, err = filepath.Glob(filepath.Join(m.Dir, box, "new", "*"))
		if err != nil {
			t.Fatalf("testnet: listing a maildir: %v", err)
		}
		return len(files) >= least
	}) {
		t.Fatalf("testnet: %d messages for %s came to Postfix, want %d:\n%s", len(files), box, least, m.Log())
	}
	return readAll(t, files)
}
