package tlscert_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postern/internal/testnet/acmeca"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, acmeca.Leak()) }

func equal[T any](t testing.TB, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// A pair is a certificate with its key, as PEM.
type pair struct{ cert, key []byte }

func newPair(t testing.TB, name string, from, to time.Time) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(from.UnixNano()), DNSNames: []string{name}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pair{
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
}

// A folder holds the files of a pair.
type folder struct {
	t         *testing.T
	cert, key string
}

func newFolder(t *testing.T) folder {
	dir := t.TempDir()
	return folder{t, filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
}

// put writes a file in its place, as cp does; nil is no file.
func (f folder) put(path string, data []byte) {
	f.t.Helper()
	err := os.WriteFile(path, data, 0o600)
	if data == nil {
		err = os.Remove(path)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// dated writes both in place with one date, as a file system with a coarse clock does.
func (f folder) dated(at time.Time, cert, key []byte) {
	f.t.Helper()
	f.put(f.cert, cert)
	f.put(f.key, key)
	err := errors.Join(os.Chtimes(f.cert, at, at), os.Chtimes(f.key, at, at))
	if err != nil {
		f.t.Fatal(err)
	}
}

// rename puts a new file in the place of another, as programs that renew do.
func (f folder) rename(path string, data []byte) {
	f.t.Helper()
	f.put(path+".new", data)
	err := os.Rename(path+".new", path)
	if err != nil {
		f.t.Fatal(err)
	}
}

// A log collects lines, whoever writes them.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// take returns what was logged since it was asked last.
func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.buf.Reset()
	return l.buf.String()
}

// listen serves TLS until the test is over and returns where.
func listen(t *testing.T, config *tls.Config) net.Addr {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				_ = conn.(*tls.Conn).Handshake()
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr()
}

// shown is the certificate that a listener shows.
func shown(t *testing.T, at net.Addr, change ...func(*tls.Config)) (*tls.ConnectionState, error) {
	t.Helper()
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
	for _, c := range change {
		c(config)
	}
	conn, err := tls.Dial("tcp", at.String(), config)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	state := conn.ConnectionState()
	return &state, nil
}

func nameShown(t *testing.T, at net.Addr) string {
	t.Helper()
	state, err := shown(t, at)
	if err != nil {
		return err.Error()
	}
	return state.PeerCertificates[0].DNSNames[0]
}

// A memory is a Cache that two nodes may share.
type memory struct {
	mu    sync.Mutex
	all   map[string][]byte
	notes []string
	fails bool
}

var errCache = errors.New("the cache is broken")

// Get implements tlscert.Cache.
func (m *memory) Get(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails {
		return nil, errCache
	}
	return slices.Clone(m.all[name]), nil
}

// Put implements tlscert.Cache.
func (m *memory) Put(_ context.Context, name string, data []byte, note string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fails {
		return fmt.Errorf("putting %s: %w", name, errCache)
	}
	if m.all == nil {
		m.all = make(map[string][]byte)
	}
	m.all[name] = slices.Clone(data)
	if note != "" {
		m.notes = append(m.notes, note)
	}
	return nil
}

// Remove implements tlscert.Cache.
func (m *memory) Remove(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, name)
	return nil
}

func (m *memory) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.all))
}
