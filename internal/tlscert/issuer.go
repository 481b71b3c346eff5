package tlscert

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// The challenges by which an authority learns that a name is ours.
const (
	TLSALPN = "tls-alpn-01" // RFC 8737: a handshake at port 443
	HTTP    = "http-01"     // RFC 8555 §8.3: a request at port 80
)

// A Cache keeps what is to outlive the process, for all nodes that share it.
type Cache interface {
	// Get returns what has a name, or nil if there is nothing.
	Get(ctx context.Context, name string) ([]byte, error)
	// Put keeps data under a name. A note says what was done, in the words of the
	// audit trail; "" is nothing that belongs there.
	Put(ctx context.Context, name string, data []byte, note string) error
	// Remove removes what has a name, if there is anything.
	Remove(ctx context.Context, name string) error
}

// Names in the Cache.
const (
	nameCertificate = "certificate"
	nameTrouble     = "trouble"
	nameAccount     = "account/"   // and a hash of the directory
	nameChallenge   = "challenge/" // the kind, "/" and the name or the token
)

// An Issuer gets the certificate of the listeners from an authority over ACME, and a new
// one before it ends. Its fields are set before the first use.
type Issuer struct {
	Directory string   // URL of the authority's directory (RFC 8555 §7.1.1)
	Hosts     []string // all are in one certificate; the first is its name
	Contact   []string // addresses of mail; may be empty
	Terms     bool     // the authority's terms of service are agreed to
	Challenge string   // TLSALPN or HTTP
	// Binding is for authorities that ask for one; nil is none.
	Binding *Binding
	Client  *http.Client
	Cache   Cache
	Now     func() time.Time
	Log     *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	from    string    // the directory that pair is from
	got     time.Time // when; zero if that is not known
	trouble trouble
	orders  uint64
	failed  uint64
}

// An issued is a certificate with its key, as the Cache has it.
type issued struct {
	Directory string    `json:"directory,omitempty"`
	Got       time.Time `json:"got,omitzero"`
	Key       []byte    `json:"key"`   // PKCS #8
	Chain     [][]byte  `json:"chain"` // DER, the certificate first
}

func (c issued) pair() (*tls.Certificate, error) {
	key, err := x509.ParsePKCS8PrivateKey(c.Key)
	if err != nil {
		return nil, err
	}
	if len(c.Chain) == 0 {
		return nil, errors.New("there is no certificate")
	}
	leaf, err := x509.ParseCertificate(c.Chain[0])
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: c.Chain, PrivateKey: key, Leaf: leaf}, nil
}

// Certificate returns what was issued last, or nil.
func (i *Issuer) Certificate() *tls.Certificate {
	cert, _ := i.issued()
	return cert
}

// issued returns what was issued last, or nil, and whether that was by the authority that
// is asked now: an operator may have tried another one before.
func (i *Issuer) issued() (cert *tls.Certificate, asked bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.pair, i.from == i.Directory
}

// Load reads what was issued from the Cache: at the start, and what another node has got
// since.
func (i *Issuer) Load(ctx context.Context) error {
	var c issued
	found, err := get(ctx, i.Cache, nameCertificate, &c)
	if err != nil {
		return err
	}
	var t trouble
	_, err = get(ctx, i.Cache, nameTrouble, &t)
	if err != nil {
		return err
	}
	var pair *tls.Certificate
	if found {
		pair, err = c.pair()
		if err != nil {
			return fmt.Errorf("the certificate that was issued: %w", err)
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pair, i.from, i.got, i.trouble = pair, c.Directory, c.Got, i.heeded(t)
	if i.isAhead(i.got) {
		i.got = time.Time{}
	}
	return nil
}

func (i *Issuer) status(s *Status) {
	i.mu.Lock()
	defer i.mu.Unlock()
	s.Orders, s.FailedOrders = i.orders, i.failed
	s.FailingSince = i.trouble.Since
	if s.Issued {
		s.Late = lateAt(s.Leaf, i.got)
	}
}

// get reads a record and says whether there was one.
func get(ctx context.Context, c Cache, name string, record any) (bool, error) {
	data, err := c.Get(ctx, name)
	if err != nil || data == nil {
		return false, err
	}
	err = json.Unmarshal(data, record)
	if err != nil {
		return false, fmt.Errorf("reading %s of the listeners' certificates: %w", name, err)
	}
	return true, nil
}

func put(ctx context.Context, c Cache, name string, record any, note string) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("writing %s of the listeners' certificates: %w", name, err)
	}
	return c.Put(ctx, name, data, note)
}
