package spawn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Build builds postern at a path, with build tags.
func Build(ctx context.Context, path string, tags ...string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", strings.Join(tags, ","), "-o", path, "postern/cmd/postern")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("building postern: %w\n%s", err, out)
	}
	return nil
}

// A Site is a gateway on loopback that is under load.
type Site struct {
	Hostname string
	Listen   map[string]string // listeners to HOST:PORT
	DNS      string            // who is asked, as HOST:PORT
	Routes   map[string]string // domains to HOST:PORT
	Log      string            // a line of [log]
}

// Config returns its configuration, for a folder that init made. Limits on how much
// may come from one are out of the way, for all that comes is from one.
func (s Site) Config() string {
	return fmt.Sprintf(`hostname = %q
dir = "data"
[listen]
%s
[tls]
cert = "tls/cert.pem"
key = "tls/key.pem"
[dns]
servers = [%q]
[relay]
routes = { %s }
[network]
allow_private = true
[limits]
account_messages = 10000000
account_recipients = 100000000
peer_messages = 10000000
peer_connections = 10000000
disk_reserve = 0
[log]
%s
`, s.Hostname, strings.Join(keys(s.Listen), "\n"), s.DNS, strings.Join(keys(s.Routes), ", "), s.Log)
}

// keys writes keys with their values.
func keys(values map[string]string) (all []string) {
	for _, k := range slices.Sorted(maps.Keys(values)) {
		all = append(all, fmt.Sprintf("%q = %q", k, values[k]))
	}
	return all
}

// ClientTLS is what a user trusts of the gateway whose folder init made.
func ClientTLS(dir, hostname string) (*tls.Config, error) {
	cert, err := os.ReadFile(filepath.Join(dir, "tls", "cert.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	return &tls.Config{RootCAs: roots, ServerName: hostname, MinVersion: tls.VersionTLS12}, nil
}

// Tail is the end of a log.
func Tail(path string) string {
	const most = 4000
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-most):])
}
