package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"postern/bundle"
	"postern/internal/cms/smime"
	"postern/internal/config"
	"postern/internal/gateway"
	"postern/sta"
	"postern/store"
)

const (
	refreshWithin = 500 * time.Millisecond // what a refresh may take beside mail
	mailAtOnce    = 2
	bundleName    = "large"
	bundleDomain  = "b.example" // where the recipient of the messages is
)

// bundleFigures are TB: a bundle of many anchors, half of which change, fetched
// over HTTPS while messages come in: how long that takes, and what the messages
// notice.
func bundleFigures(ctx context.Context, b *bench) ([]figure, error) {
	w, err := newRefreshing(ctx, b)
	if err != nil {
		return nil, err
	}
	defer w.close()
	turns, err := interleave(b.rounds, 5*b.turn, w.mail(ctx, false), w.mail(ctx, true))
	if err != nil {
		return nil, err
	}
	quiet, busy := turns[0], turns[1]
	most := slices.Repeat([]turn{{Refresh: int64(refreshWithin)}}, b.rounds)
	what := fmt.Sprintf("%d anchors refreshed while mail comes in", b.anchors)
	took := figure{ID: "TB", What: what + ": from the fetch to the commit, against 500 ms", Unit: "ms"}
	stall := figure{ID: "TB", What: what + ": the slowest message, against without", Unit: "ms"}
	rate := figure{ID: "TB", What: fmt.Sprintf("%s: messages of %v against without", what, 5*b.turn), Unit: "msg/s"}
	return []figure{
		compared(took, func(t turn) float64 { return float64(t.Refresh) / 1e6 }, busy, most).atMost(1),
		compared(stall, func(t turn) float64 { return float64(t.Slowest) / 1e6 }, busy, quiet),
		compared(rate, perSecond, busy, quiet).atLeast(0.7),
	}, nil
}

// A refreshing is a gateway with a bundle whose server has another one each time.
type refreshing struct {
	core   *gateway.Core
	store  *store.DB
	web    *httptest.Server
	bodies [2][]byte
	turn   atomic.Int64 // which of them
	agent  *agent
	sealed smime.Source
	kept   *os.File
	count  atomic.Int64 // of messages
}

func newRefreshing(ctx context.Context, b *bench) (*refreshing, error) {
	w := &refreshing{agent: newAgent(b.rig)}
	err := errors.Join(w.publish(b), w.seal(b))
	if err != nil {
		return nil, err
	}
	w.store, err = store.Create(filepath.Join(b.dir, "bundles.db"), store.Options{MasterKey: store.NewMasterKey()})
	if err != nil {
		return nil, err
	}
	w.core, err = gateway.NewCore(w.config(b.dir), w.store, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	err = w.store.Update(ctx, func(tx store.Tx) error {
		return errors.Join(tx.PutDomain(store.Domain{Name: bundleDomain}), tx.PutBundle(store.Bundle{
			Name: bundleName, URL: w.web.URL, Attached: []store.Attachment{{Direction: store.In}},
		}))
	})
	if err != nil {
		return nil, err
	}
	return w, w.refresh(ctx)
}

// publish starts the web server: of three halves of anchors, each body has the
// first and one of the others.
func (w *refreshing) publish(b *bench) error {
	half := b.anchors / 2
	all, err := b.makeAnchors(3 * half)
	if err != nil {
		return err
	}
	for i, more := range [][]*x509.Certificate{all[half : 2*half], all[2*half:]} {
		w.bodies[i], err = bundle.Write(append(slices.Clone(all[:half]), more...))
		if err != nil {
			return err
		}
	}
	w.web = httptest.NewTLSServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		_, _ = out.Write(w.bodies[w.turn.Load()%2]) // a client that is gone shows as a failure
	}))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.web.Certificate().Raw})
	return os.WriteFile(filepath.Join(b.dir, "web.pem"), ca, 0o600)
}

// seal makes the message that comes in.
func (w *refreshing) seal(b *bench) error {
	plain, sealed := filepath.Join(b.dir, "plain.eml"), filepath.Join(b.dir, "bundles.eml")
	err := os.WriteFile(plain, message(10<<10), 0o600)
	if err != nil {
		return err
	}
	_, err = answer(w.agent, []string{"make", "out", plain, "1", sealed})
	if err != nil {
		return err
	}
	w.kept, err = os.Open(sealed)
	if err != nil {
		return err
	}
	info, err := w.kept.Stat()
	if err != nil {
		return err
	}
	w.sealed = smime.SectionSource(w.kept, info.Size())
	return nil
}

func (w *refreshing) config(dir string) *config.Config {
	c := config.Default()
	c.Hostname, c.Network.AllowPrivate, c.Network.CA = "mail."+bundleDomain, true, filepath.Join(dir, "web.pem")
	return c
}

func (w *refreshing) close() {
	w.core.Close()
	_ = w.store.Close()
	w.web.Close()
	_ = w.kept.Close()
}

// refresh has the gateway fetch the other body.
func (w *refreshing) refresh(ctx context.Context) error {
	w.turn.Add(1)
	results, err := w.core.RefreshBundles(ctx, []string{bundleName})
	if err != nil {
		return err
	}
	if r := results[0]; r.Failure != "" || !r.Changed {
		return fmt.Errorf("the refresh: changed %v, %s: %s", r.Changed, r.Failure, r.Detail)
	}
	return nil
}

// mail is a side that takes messages in, and may have the bundle refreshed once
// meanwhile.
func (w *refreshing) mail(ctx context.Context, refreshed bool) side {
	return func(d time.Duration) (turn, error) {
		var mu sync.Mutex
		t, start := turn{}, time.Now()
		var g errgroup.Group
		if refreshed {
			g.Go(func() error {
				err := w.refresh(ctx)
				mu.Lock()
				defer mu.Unlock()
				t.Refresh = int64(time.Since(start))
				return err
			})
		}
		for range mailAtOnce {
			g.Go(func() error {
				for first := true; first || time.Since(start) < d; first = false {
					began := time.Now()
					err := w.message(ctx)
					if err != nil {
						return err
					}
					mu.Lock()
					t.N, t.Slowest = t.N+1, max(t.Slowest, int64(time.Since(began)))
					mu.Unlock()
				}
				return nil
			})
		}
		err := g.Wait()
		t.Wall = int64(time.Since(start))
		return t, err
	}
}

// message opens one message, with the anchors that count now, and makes it
// durable as one commit.
func (w *refreshing) message(ctx context.Context) error {
	dir, err := w.core.Directory(ctx)
	if err != nil {
		return err
	}
	one := *w.agent
	one.incoming = func(in *sta.Incoming) { in.Recipients[0].Anchors = dir.Anchors(bundleDomain, store.In) }
	do, err := one.in(w.sealed)
	if err != nil {
		return err
	}
	var opened bytes.Buffer
	err = do(&opened)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("message %d", w.count.Add(1)%1000)
	return w.store.Update(ctx, func(tx store.Tx) error {
		return tx.PutDocument(store.Document{Key: key, Body: opened.Bytes()})
	})
}
