package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"postern/internal/testnet"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// The metrics tell how the gateway does, and name nobody: of all that it works
// on, only the operator's names of bundles are labels.
func TestMetricsTellNobodysName(t *testing.T) {
	root := testnet.NewPKI(t, time.Now()).Root("root")
	h := build(t, "a.example", "alice@a.example", testnet.DeadPort(t), root.Leaf("a.example"), root)
	h.cfg.Listen.HTTP, h.cfg.Listen.DNS, h.cfg.Listen.LDAP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	h.gateway.Close()
	var err error
	h.gateway, err = Listen(h.cfg, h.core)
	if err != nil {
		t.Fatal(err)
	}
	h.run()
	err = h.core.Store.Update(t.Context(), func(tx store.Tx) error {
		return tx.PutBundle(store.Bundle{Name: "community", URL: "https://bundles.invalid/", Created: h.core.Now().Add(-time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found := h.core.Finder.Find(ctx, discovery.Request{Address: addr(t, "bob@elsewhere.example")})
	if found.Err == nil || found.Err.Code != reason.DiscoveryTimeout {
		t.Fatalf("found %+v", found)
	}
	text := get(t, "http://"+h.gateway.Address("http").String()+"/metrics")
	for _, want := range []string{
		`postern_bundle_age_seconds{bundle="community"} 36`, `postern_bundle_stale{bundle="community"} 0`,
		`postern_bundle_anchors{bundle="community"} 0`, `postern_bundle_failing_seconds{bundle="community"} `,
		`postern_lookups_total{outcome="later"} 1`, `postern_lookups_total{outcome="found"} 0`,
		"postern_dns_failures_total ", "postern_dns_joined_total ", "postern_dns_authoritative_total ",
		"postern_directories_hits_total ", "postern_directories_joined_total ", "postern_named_tcp_total 0", "postern_ldapd_requests_total 0", `postern_limited_total{limit="room"} 0`, `postern_queue_jobs{step="relay"} 0`, `postern_queue_down{step="seal"} 0`, `postern_connections{listener="backbone"} 0`, `postern_connections_hung_up_total{listener="backbone"} 0`, "go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, name := range []string{"alice", "bob", "a.example", "elsewhere"} {
		if strings.Contains(text, name) {
			t.Errorf("%q is told", name)
		}
	}
}

// The rows of all bundles are of one moment, of one look into the store; servers
// that are not there have none.
func TestMetricsAreReadOnce(t *testing.T) {
	w := newWorld(t)
	s := w.bare("b.example")
	for _, name := range []string{"one", "two"} {
		s.putBundle(store.Bundle{Name: name, Created: s.Now()})
	}
	counted := &viewed{Store: s.Store}
	s.Store, s.Care.Store = counted, counted
	g := &Gateway{Core: s.Core}
	server, err := g.newMetrics()
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	server.(*httpServer).Handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text := answer.Body.String()
	equal(t, "rows", strings.Count(text, `{bundle="`), 8)
	equal(t, "looks", counted.views.Load(), 5) // for the bundles, the tracks, the queue, the waits and the hooks
	if strings.Contains(text, "postern_named") || strings.Contains(text, "postern_ldapd") {
		t.Errorf("there are no such servers:\n%s", text)
	}
}

// A viewed store counts how often it is looked into.
type viewed struct {
	store.Store
	views atomic.Int32
}

func (v *viewed) View(ctx context.Context, fn func(store.Tx) error) error {
	v.views.Add(1)
	return v.Store.View(ctx, fn)
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v", url, response.Status, err)
	}
	return string(body)
}
