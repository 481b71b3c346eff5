package demo

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/gateway"
	"postern/internal/gateway/care"
	"postern/mime"
	"postern/store"
)

// A site is one gateway of the demonstration, made and run as an operator
// would: its configuration, its store, its listeners and its control socket.
type site struct {
	domain   mime.Domain
	user     mime.Address
	password string
	anchor   []byte // its CA's certificate, DER
	leaf     *x509.Certificate
	tls      *tls.Config // what its own users trust
	gateway  *gateway.Gateway
	control  *control.Client
	db       *store.DB
	core     *gateway.Core
	cfg      *config.Config
}

// newSite makes a site that listens where at does, asks the given DNS server and
// reaches other sites' backbones at relayPort.
func newSite(ctx context.Context, log *slog.Logger, dir, domain, user, dns string, at net.Listener, relayPort int) (*site, error) {
	s := &site{domain: mime.Domain(domain)}
	var err error
	s.user, err = mime.NewAddress(user, s.domain)
	if err != nil {
		return nil, err
	}
	cfg := config.Default()
	cfg.Hostname = mime.Domain("mail." + domain)
	cfg.Listen = config.Listen{
		Submission: "127.0.0.1:0", IMAPS: "127.0.0.1:0", Backbone: at.Addr().String(),
	}
	cfg.TLS = config.TLS{Cert: "tls/cert.pem", Key: "tls/key.pem"}
	cfg.DNS.Servers = []string{dns}
	cfg.Relay.Port = relayPort
	cfg.Network.AllowPrivate = true
	path := filepath.Join(dir, domain, gateway.ConfigFile)
	err = gateway.Create(ctx, path, cfg, s.domain, []net.IP{net.IPv4(127, 0, 0, 1)}, time.Now())
	if err != nil {
		return nil, err
	}
	s.cfg, err = config.Load(path)
	if err != nil {
		return nil, err
	}
	return s, s.open(ctx, at, log.With("site", domain))
}

func (s *site) open(ctx context.Context, at net.Listener, log *slog.Logger) (err error) {
	s.db, err = care.Open(ctx, s.cfg.Dir, time.Second, log)
	if err != nil {
		return err
	}
	s.core, err = gateway.NewCore(s.cfg, s.db, log)
	if err == nil {
		err = at.Close()
	}
	if err == nil {
		s.gateway, err = gateway.Listen(s.cfg, s.core)
	}
	if err != nil {
		return errors.Join(err, s.db.Close())
	}
	cert, err := os.ReadFile(s.cfg.TLS.Cert)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	s.tls = &tls.Config{RootCAs: roots, ServerName: string(s.cfg.Hostname), MinVersion: tls.VersionTLS12}
	return nil
}

// run serves the site until ctx is done.
func (s *site) run(ctx context.Context, all *errgroup.Group) error {
	socket, err := control.Listen(s.cfg.Dir)
	if err != nil {
		return err
	}
	all.Go(func() error { return s.gateway.Run(ctx) })
	all.Go(func() error { return (&control.Service{Core: s.core}).Serve(ctx, socket) })
	s.control, err = control.Dial(ctx, s.cfg.Dir)
	return err
}

// furnish gives the site its account and a certificate of its own test CA.
func (s *site) furnish(ctx context.Context) error {
	secret := make([]byte, 18)
	_, err := rand.Read(secret)
	if err != nil {
		return err
	}
	s.password = base64.RawURLEncoding.EncodeToString(secret)
	err = s.control.AddAccount(ctx, s.user.String(), []byte(s.password))
	if err != nil {
		return err
	}
	issued, err := s.control.IssueCertificate(ctx, control.KeyOrder{Owner: string(s.domain)})
	if err != nil {
		return err
	}
	block, _ := pem.Decode([]byte(issued.AnchorPEM))
	if block == nil {
		return errors.New("the test CA's certificate is not PEM")
	}
	s.anchor = block.Bytes
	dir, err := s.core.Directory(ctx)
	if err != nil {
		return err
	}
	own := dir.Certificates(s.user, time.Now())
	if len(own) != 1 {
		return fmt.Errorf("%s has %d certificates", s.domain, len(own))
	}
	s.leaf = own[0]
	return nil
}

// trust makes the site believe another's CA, both ways.
func (s *site) trust(ctx context.Context, other *site) error {
	_, err := s.control.AddAnchors(ctx, control.AnchorsToAdd{
		Domain: string(s.domain), Direction: string(store.Both), Certificates: [][]byte{other.anchor},
	})
	return err
}

func (s *site) close() error {
	if s.control != nil {
		s.control.Close()
	}
	s.core.Close()
	return s.db.Close()
}
