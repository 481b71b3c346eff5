package discovery_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"postern/internal/testnet"
	"postern/trust/discovery"
	"postern/trust/reason"
)

// A memory is a Cache.
type memory struct {
	mu       sync.Mutex
	document []byte
	saves    int
	err      error
}

func (m *memory) Load(context.Context) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return bytes.Clone(m.document), m.err
}

func (m *memory) Save(_ context.Context, document []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.document, m.saves = bytes.Clone(document), m.saves+1
	return m.err
}

func (m *memory) saved() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}

func kept(m *memory) func(*discovery.Resolver) {
	return func(r *discovery.Resolver) { r.Cache = m }
}

// CD-12: certificates survive a restart for the time they had left, and nothing
// else does.
func TestCD12_CertificatesSurviveARestart(t *testing.T) {
	t.Parallel() // it waits for silence
	ca := newAuthority(t)
	web := testnet.NewWeb(t)
	web.Put("/url", "", ca.leaf("url").Raw)
	s := (&server{entries: map[string][]string{alice: raw(ca.leaf("alice"), ca.leaf("alice too"))}}).start(t)
	w, m := newWorld(t), new(memory)
	w.ldap(t, 0, s.addr)
	w.cert(t, "c.example", discovery.CertPKIX, ca.leaf("c").Raw)
	w.cert(t, "url.b.example", discovery.CertIPKIX, []byte(web.URL+"/url"))
	w.kill("dead.example.")
	first := w.resolver(t, kept(m))
	for _, addr := range []string{alice, "bob@c.example", "url@b.example", "nobody@d.example", "x@dead.example"} {
		ask(t, first, addr)
	}
	first.Close()

	w.pass(time.Minute)
	second := w.resolver(t, kept(m))
	for _, c := range []struct {
		addr string
		cold bool // somebody is asked
		code reason.Code
		want []place
	}{
		// That the address has no record is forgotten, and that the domain has some
		// is not.
		{"bob@c.example", true, reason.OK, []place{{"c", discovery.DNSDomain}}},
		{"url@b.example", false, reason.OK, []place{{"url", discovery.DNSAddress}}},
		{alice, true, reason.OK, []place{{"alice", discovery.LDAPAddress}, {"alice too", discovery.LDAPAddress}}},
		{"nobody@d.example", true, reason.NoCertificate, nil},
		{"x@dead.example", true, reason.DiscoveryTimeout, nil},
	} {
		got := ask(t, second, c.addr)
		check(t, got, c.code, c.want...)
		if cold := got.Questions > 0; cold != c.cold {
			t.Errorf("%s: %d questions", c.addr, got.Questions)
		}
		if c.code == reason.OK {
			last := got.Steps[len(got.Steps)-1]
			if !last.Cached || last.Age != time.Minute || last.Left != 59*time.Minute || last.Certificates != len(c.want) {
				t.Errorf("%s: %+v", c.addr, last)
			}
		} else if got.Cached {
			t.Errorf("%s: a refusal or failure was kept", c.addr)
		}
	}
	if n := len(s.asked()); n != 1 || web.Asked("/url") != 1 {
		t.Errorf("%d searches, %d fetches", n, web.Asked("/url"))
	}

	w.pass(time.Hour)
	third := w.resolver(t, kept(m))
	if got := ask(t, third, "bob@c.example"); got.Cached {
		t.Error("what had no time left was used")
	}
	w.pass(-48 * time.Hour)
	fourth := w.resolver(t, kept(m))
	if got := ask(t, fourth, "bob@c.example"); got.Cached {
		t.Error("what is from the future was used")
	}
}

// A cache that is damaged, or fails, costs questions and nothing else.
func TestCachesThatAreOfNoUse(t *testing.T) {
	ca := newAuthority(t)
	w := newWorld(t)
	w.cert(t, "b.example", discovery.CertPKIX, ca.leaf("domain").Raw)
	good := new(memory)
	first := w.resolver(t, kept(good))
	ask(t, first, alice)
	first.Close()
	for name, m := range map[string]*memory{
		"cut off":         {document: good.document[:len(good.document)/2]},
		"garbage":         {document: []byte("garbage")},
		"another version": {document: []byte(`{"Version":2}`)},
		"no version":      {document: []byte(`{}`)},
		"too large":       {document: bytes.Repeat([]byte(" "), 17<<20)},
		"failing":         {document: good.document, err: errors.New("the disk is gone")},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			r := w.resolver(t, kept(m), func(r *discovery.Resolver) { r.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			got := ask(t, r, alice)
			check(t, got, reason.OK, place{"domain", discovery.DNSDomain})
			if got.Cached || !strings.Contains(log.String(), "is not used") {
				t.Errorf("cached %v, log %q", got.Cached, log.String())
			}
			r.Close()
			if m.saves != 1 {
				t.Errorf("saved %d times", m.saves)
			}
		})
	}
	t.Run("empty", func(t *testing.T) {
		var log bytes.Buffer
		r := w.resolver(t, kept(new(memory)), func(r *discovery.Resolver) { r.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		ask(t, r, alice)
		if log.Len() > 0 {
			t.Error(log.String())
		}
	})
	t.Run("never used", func(t *testing.T) {
		m := &memory{document: good.document}
		w.resolver(t, kept(m)).Close()
		if m.saves != 0 {
			t.Error("what was never read was written over")
		}
	})
}

// Run saves every few minutes, and only what is new.
func TestRunSavesWhatIsNew(t *testing.T) {
	cert := newAuthority(t).leaf("alice")
	synctest.Test(t, func(t *testing.T) {
		m := new(memory)
		document := func(name string) []byte {
			k := map[string]any{"Kind": "ldap", "Name": "b.example", "For": name, "Certificates": [][]byte{cert.Raw},
				"Asked": time.Now(), "Expires": time.Now().Add(time.Hour)}
			text, err := json.Marshal(map[string]any{"Version": 1, "Results": []any{k}})
			if err != nil {
				t.Fatal(err)
			}
			return text
		}
		m.document = document(alice)
		r := &discovery.Resolver{DNS: client(t, "127.0.0.1:1"), Cache: m}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			r.Run(ctx)
			close(ended)
		}()
		for _, want := range []struct {
			after time.Duration
			saves int
		}{{6 * time.Minute, 0}, {30 * time.Minute, 0}, {28 * time.Minute, 1}, {time.Hour, 1}} { // it ends after an hour
			time.Sleep(want.after)
			synctest.Wait()
			if got := m.saved(); got != want.saves {
				t.Errorf("after %v more: saved %d times, want %d", want.after, got, want.saves)
			}
		}
		stop()
		<-ended
		r.Close()
		r.DNS.Close()
		if got := m.saved(); got != 1 {
			t.Errorf("saved %d times in the end", got)
		}
	})
}

// A slow is a Cache that takes its time to be read, until it is told to be done.
type slow struct {
	memory
	reading chan struct{}
	done    chan struct{}
}

func (s *slow) Load(ctx context.Context) ([]byte, error) {
	close(s.reading)
	select {
	case <-s.done:
		return s.memory.Load(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Nobody waits for the Cache to be read, and what is found meanwhile counts more
// than what it has.
func TestNobodyWaitsForTheCache(t *testing.T) {
	ca := newAuthority(t)
	w, good := newWorld(t), new(memory)
	w.cert(t, "alice.b.example", discovery.CertPKIX, ca.leaf("old").Raw)
	w.cert(t, "bob.b.example", discovery.CertPKIX, ca.leaf("bob").Raw)
	first := w.resolver(t, kept(good))
	ask(t, first, alice)
	ask(t, first, "bob@b.example")
	first.Close()
	w.drop("alice.b.example. CERT")
	w.cert(t, "alice.b.example", discovery.CertPKIX, ca.leaf("new").Raw)
	w.pass(time.Second)
	start := func() (*slow, *discovery.Resolver) {
		s := &slow{memory: memory{document: good.document}, reading: make(chan struct{}), done: make(chan struct{})}
		r := w.resolver(t, func(r *discovery.Resolver) { r.Cache = s })
		check(t, r.Find(t.Context(), discovery.Request{Address: address(t, alice)}), reason.OK, place{"new", discovery.DNSAddress})
		<-s.reading
		return s, r
	}

	s, r := start()
	close(s.done)
	discovery.Load(r)
	check(t, ask(t, r, alice), reason.OK, place{"new", discovery.DNSAddress})
	before := w.count("")
	check(t, ask(t, r, "bob@b.example"), reason.OK, place{"bob", discovery.DNSAddress})
	if w.count("") != before {
		t.Error("what the cache has is not used")
	}
	r.Close()
	if s.saved() != 1 {
		t.Errorf("saved %d times", s.saved())
	}

	s, r = start()
	r.Close()
	if s.saved() != 0 {
		t.Error("what was not read was written over")
	}
}
