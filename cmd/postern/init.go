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
	set := flags("init")
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
		return err
	}
	fmt.Fprintf(inv.stdout, `made %s, a store with a new master key, and a self-signed TLS certificate

keep a copy of the master key apart from backups: without it the store cannot be read

publish in DNS:
  %s. IN MX 10 %s.
  %s. IN A (the address of this server)
  and a CERT record for each certificate, which cert import and cert issue print

next:
  postern --config %s cert import FILE --for %s
  postern --config %s account add someone@%s
  postern --config %s anchor add FILE
  postern --config %s serve
`, path, domain, hostname, hostname, path, domain, path, domain, path, path)
	return nil
}
