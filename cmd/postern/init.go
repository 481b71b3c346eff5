package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"postern/internal/config"
	"postern/internal/gateway"
	"postern/mime"
)

func runInit(ctx context.Context, inv *invocation, args []string) error {
	set := inv.flags("init")
	domainText := set.String("domain", "", "")
	hostText := set.String("hostname", "", "")
	dir := set.String("dir", ".", "")
	_, err := parse(set, args, 0, 0)
	if err != nil {
		return err
	}
	domain, err := mime.ParseDomain(*domainText)
	if err != nil {
		return usagef("give the domain of your Direct addresses with --domain", "%s", err)
	}
	hostname, err := mime.ParseDomain(*hostText)
	if err != nil {
		return usagef("give this server's full name with --hostname", "%s", err)
	}
	cfg := config.Default()
	cfg.Hostname = hostname
	cfg.Listen = config.Listen{Submission: ":587", Submissions: ":465", Backbone: ":25", IMAPS: ":993"}
	cfg.TLS = config.TLS{Cert: "tls/cert.pem", Key: "tls/key.pem"}
	path := filepath.Join(*dir, gateway.ConfigFile)
	err = gateway.Create(ctx, path, cfg, domain, nil, time.Now())
	if errors.Is(err, fs.ErrExist) {
		return usagef("choose another --dir; init never replaces a file", "%s", err)
	}
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	return inv.printMade(path, domain, hostname)
}

// printMade says what init made and what is left to do.
func (inv *invocation) printMade(path string, domain, hostname mime.Domain) error {
	if inv.json {
		return inv.printJSON(map[string]any{
			"config": path, "domain": domain, "hostname": hostname,
			"dns": []string{fmt.Sprintf("%s. IN MX 10 %s.", domain, hostname)},
		})
	}
	command := "postern --config " + path
	if path == standardConfig {
		command = "postern"
	}
	_, err := fmt.Fprintf(inv.stdout, `made %[1]s, a store with a new master key, and a self-signed TLS certificate

keep a copy of the master key apart from backups: without it the store cannot be read

publish in DNS:
  %[2]s. IN MX 10 %[3]s.
  %[3]s. IN A (the address of this server)
  and a CERT record for each certificate, which cert import and cert issue print
  %[4]s publish zone %[2]s writes all of it for another name server,
  with listen.dns this one serves it, and %[4]s publish check tells what others find

next:
  %[4]s cert import FILE --for %[2]s
  %[4]s account add someone@%[2]s
  %[4]s anchor add FILE, or bundle add NAME URL: whom you trust
  %[4]s serve
`, path, domain, hostname, command)
	return err
}
