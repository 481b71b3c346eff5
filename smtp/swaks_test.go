package smtp

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func absent(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// A client that is not of this house: swaks, from Debian.
func TestSwaks(t *testing.T) {
	path, err := exec.LookPath("swaks")
	if err != nil {
		absent(t, "swaks is not installed")
	}
	err = exec.CommandContext(t.Context(), "perl", "-MNet::SSLeay", "-e1").Run()
	if err != nil {
		absent(t, "swaks cannot do TLS: libnet-ssleay-perl is not installed")
	}
	h, starttls := startSubmission(t)
	tlsHouse, implicit := startSubmission(t, func(o *ServerOptions) { o.Implicit = true })
	other, backbone := startBackbone(t)
	user := []string{"--auth-user", "alice@near.test", "--from", "alice@near.test", "--to", "carol@far.test"}
	for name, row := range map[string]struct {
		server string
		args   []string
		house  *house
		exit   int // of swaks: 28 AUTH failed, 24 all recipients refused
	}{
		"starttls plain": {starttls, append(user, "-tls", "--auth", "PLAIN", "--auth-password", "secret"), h, 0},
		"starttls login": {starttls, append(user, "-tls", "--auth", "LOGIN", "--auth-password", "secret"), h, 0},
		"implicit":       {implicit, append(user, "-tlsc", "--auth", "PLAIN", "--auth-password", "secret"), tlsHouse, 0},
		"wrong password": {starttls, append(user, "-tls", "--auth", "PLAIN", "--auth-password", "wrong"), h, 28},
		"backbone":       {backbone, []string{"-tls", "--from", "<>", "--to", "bob@near.test"}, other, 0},
		"not ours":       {backbone, []string{"--from", "c@far.test", "--to", "d@elsewhere.test"}, other, 24},
		"pipelined":      {backbone, []string{"--pipeline", "--from", "c@far.test", "--to", "bob@near.test"}, other, 0},
		"two recipients": {backbone, []string{"--from", "c@far.test", "--to", "bob@near.test,alice@near.test"}, other, 0},
		"one is unknown": {backbone, []string{"--from", "c@far.test", "--to", "bob@near.test,x@near.test"}, other, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(row.house.taken())
			args := append([]string{"--server", row.server, "--helo", "client.test", "--timeout", "10"}, row.args...)
			out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
			exit := 0
			failure, ok := err.(*exec.ExitError)
			if ok {
				exit = failure.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if exit != row.exit {
				t.Fatalf("exit %d, want %d:\n%s", exit, row.exit, out)
			}
			took := len(row.house.taken()) - before
			if (took == 1) != (exit == 0) || exit == 0 && !strings.Contains(string(out), "250 2.0.0 accepted as m") {
				t.Errorf("took %d messages:\n%s", took, out)
			}
		})
	}
}
