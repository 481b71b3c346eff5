package gateway

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"postern/internal/config"
	"postern/internal/gateway/care"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// A zone that names 127.0.0.1 as its mail server does not get at an agent which
// trusts whoever comes from there; the operator's route does.
func TestMailGoesWhereNetworkLets(t *testing.T) {
	peer, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	go func() {
		for {
			conn, err := peer.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("521 hello from inside\r\n")) // the test fails without it
			conn.Close()
		}
	}()
	for name, tt := range map[string]struct {
		private bool
		routes  map[mime.Domain]string
		want    reason.Code
		text    string
	}{
		"loopback":         {false, nil, reason.NoRoute, "not one of the public internet"},
		"loopback allowed": {true, nil, reason.PeerRefused, "inside"},
		"route":            {false, map[mime.Domain]string{"b.example": peer.Addr().String()}, reason.PeerRefused, "inside"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Hostname, cfg.DNS.Servers = "mx.a.example", []string{"127.0.0.1:1"}
			cfg.Network.AllowPrivate, cfg.Relay.Routes = tt.private, tt.routes
			cfg.Relay.Port = peer.Addr().(*net.TCPAddr).Port
			db, err := store.Create(filepath.Join(t.TempDir(), care.StoreFile), store.Options{MasterKey: store.NewMasterKey()})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			c, err := NewCore(cfg, db, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Sender.(*smtp.Relay).Resolver = loopbackMX{}
			got := c.Sender.Send(t.Context(), smtp.Delivery{From: addr(t, "alice@a.example"), To: addrs(t, "bob@b.example"), Destination: "b.example"})
			if got[0].Code != tt.want || !strings.Contains(got[0].Text, tt.text) {
				t.Errorf("got %+v, want %s", got[0], tt.want)
			}
		})
	}
}

// loopbackMX is the DNS of a stranger.
type loopbackMX struct{}

func (loopbackMX) LookupMX(context.Context, mime.Domain) ([]smtp.MX, error) {
	return []smtp.MX{{Host: "mail.b.example", Preference: 10}}, nil
}

func (loopbackMX) LookupHost(context.Context, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}
