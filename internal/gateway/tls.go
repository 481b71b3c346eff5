package gateway

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ErrTLS says that the certificate of the listeners or its key cannot be used.
var ErrTLS = errors.New("the listeners' certificate cannot be used")

// TLS returns the configuration of the listeners with a certificate from PEM
// files, which are read again when they change. A change that cannot be read
// is logged, and the certificate before it stays.
func TLS(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	k := &certificateKeeper{certFile: certFile, keyFile: keyFile, log: log}
	stamp, err := k.stamp()
	if err != nil {
		return nil, err
	}
	err = k.load(stamp)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return k.current(), nil },
	}, nil
}

type certificateKeeper struct {
	certFile, keyFile string
	log               *slog.Logger

	mu     sync.Mutex
	loaded fileStamp
	cert   *tls.Certificate
}

// A fileStamp tells whether the two files changed.
type fileStamp struct {
	cert, key         time.Time
	certSize, keySize int64
}

func (k *certificateKeeper) stamp() (fileStamp, error) {
	cert, err := os.Stat(k.certFile)
	if err != nil {
		return fileStamp{}, fmt.Errorf("%w: %w", ErrTLS, err)
	}
	key, err := os.Stat(k.keyFile)
	if err != nil {
		return fileStamp{}, fmt.Errorf("%w: %w", ErrTLS, err)
	}
	return fileStamp{cert.ModTime(), key.ModTime(), cert.Size(), key.Size()}, nil
}

func (k *certificateKeeper) load(stamp fileStamp) error {
	pair, err := tls.LoadX509KeyPair(k.certFile, k.keyFile)
	if err != nil {
		return fmt.Errorf("%w: %s with the key %s: %w", ErrTLS, k.certFile, k.keyFile, err)
	}
	k.cert, k.loaded = &pair, stamp
	return nil
}

func (k *certificateKeeper) current() *tls.Certificate {
	k.mu.Lock()
	defer k.mu.Unlock()
	stamp, err := k.stamp()
	if err == nil && stamp != k.loaded {
		err = k.load(stamp)
		if err != nil {
			k.loaded = stamp // tried; the next change is tried again
		}
	}
	if err != nil {
		k.log.Error("the new TLS certificate cannot be used", "err", err)
	}
	return k.cert
}
