package discovery

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"postern/internal/testnet"
)

func underWay(d *DNS) int {
	c := d.answers()
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.flights)
}

// held answers when the channel is closed.
func held(until <-chan struct{}, handle dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) {
		<-until
		handle(w, q)
	}
}

func TestEqualQuestionsAreJoined(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	release := make(chan struct{})
	s.on("b.example. CERT", held(release, gives(t, false, "b.example. 0 IN CERT 1 0 0 AAAA"))) // even if it is not kept
	d, _ := dnsClient(t, s)
	const callers = 50
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			a, err := d.query(t.Context(), b, dns.TypeCERT, false)
			if err != nil || a.cached || len(a.trail) != 1 {
				t.Errorf("got %+v, %v", a, err)
			}
		})
	}
	testnet.Until(t, func() bool { return d.Stats().Joined == callers-1 })
	close(release)
	all.Wait()
	if n := s.count(""); n != 1 || underWay(d) != 0 {
		t.Errorf("%d questions, %d under way", n, underWay(d))
	}
}

func TestFreshJoinsOnlyFresh(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	release := make(chan struct{})
	s.on("b.example. CERT", held(release, gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAA")))
	d, _ := dnsClient(t, s)
	var all sync.WaitGroup
	for i, fresh := range []bool{false, true, true, false} {
		all.Go(func() {
			a, err := d.query(t.Context(), b, dns.TypeCERT, fresh)
			if err != nil || a.cached {
				t.Errorf("got %+v, %v", a, err)
			}
		})
		testnet.Until(t, func() bool { return d.Stats().Joined+uint64(underWay(d)) == uint64(i+1) })
	}
	testnet.Until(t, func() bool { return s.count("") == 2 })
	if got := d.Stats().Joined; got != 2 {
		t.Errorf("%d joined", got)
	}
	close(release)
	all.Wait()
}

func TestAWaiterMayLeave(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	release := make(chan struct{})
	s.on("b.example. CERT", held(release, gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAA")))
	d, _ := dnsClient(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	var first, second sync.WaitGroup
	first.Go(func() {
		a, err := d.query(ctx, b, dns.TypeCERT, false)
		if !errors.Is(err, context.Canceled) || a.kind != AnswerTimeout || len(a.trail) != 1 || a.server != s.addr.String() {
			t.Errorf("got %+v, %v", a, err)
		}
	})
	testnet.Until(t, func() bool { return s.count("") == 1 })
	second.Go(func() {
		_, err := d.query(t.Context(), b, dns.TypeCERT, false)
		if err != nil {
			t.Error(err)
		}
	})
	testnet.Until(t, func() bool { return d.Stats().Joined == 1 })
	cancel()
	first.Wait()
	close(release)
	second.Wait()
	if n := s.count(""); n != 1 {
		t.Errorf("%d questions", n)
	}
}

func TestAQuestionEndsWithTheLastWhoWaits(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("", ignores)
	d, _ := dnsClient(t, s)
	d.TryTimeout = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			_, err := d.query(ctx, b, dns.TypeCERT, false)
			if !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	testnet.Until(t, func() bool { return d.Stats().Joined == 1 && s.count("") == 1 })
	cancel()
	all.Wait()
	d.answers().ended.Wait() // it would take an hour
	if underWay(d) != 0 {
		t.Error("it goes on")
	}
	// The servers have not had their time, so nothing is held against them.
	s.on("b.example. CERT", gives(t, false, "b.example. 60 IN CERT 1 0 0 AAAA"))
	if a := kindOfQuery(t, d, b, dns.TypeCERT); a.kind != AnswerFound || a.cached {
		t.Errorf("got %+v", a)
	}
	if got := d.Stats().Failures; got != 0 {
		t.Errorf("%d failures", got)
	}
}

// A caller that leaves after all servers had their time has learnt something
// that the next need not wait for.
func TestSilenceOfAllServersIsRememberedThoughTheCallerLeft(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("", ignores)
	d, _ := dnsClient(t, s)
	d.TryTimeout, d.Tries = 50*time.Millisecond, 1000
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { _, _ = d.query(ctx, b, dns.TypeCERT, false) })
	testnet.Until(t, func() bool { return s.count("") >= 3 })
	cancel()
	all.Wait()
	d.answers().ended.Wait()
	if a := kindOfQuery(t, d, b, dns.TypeCERT); !a.cached || a.kind != AnswerTimeout {
		t.Errorf("got %+v", a)
	}
}

func TestCloseEndsQuestions(t *testing.T) {
	s := nameserverAt(t, "127.0.0.1:0")
	s.on("", ignores)
	d, _ := dnsClient(t, s)
	d.TryTimeout = time.Hour
	var all sync.WaitGroup
	all.Go(func() {
		_, err := d.query(t.Context(), b, dns.TypeCERT, false)
		if !temporary(err) {
			t.Error(err)
		}
	})
	testnet.Until(t, func() bool { return s.count("") == 1 })
	d.Close()
	all.Wait()
}
