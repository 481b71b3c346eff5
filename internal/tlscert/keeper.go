package tlscert

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// A Keeper has the certificate of the listeners from one of two places, or both.
type Keeper struct {
	Files  *Files  // nil: none
	Issued *Issuer // nil: none
	Now    func() time.Time
}

// Certificate returns what a handshake is to show: what the authority issued over ACME, as
// long as it is good; else what is in the files; else what was issued and is over, or by
// another authority before, which is more than nothing to those who encrypt without asking
// with whom. An error is ErrNone.
func (k *Keeper) Certificate() (*tls.Certificate, error) {
	var issued, files *tls.Certificate
	asked := false
	if k.Issued != nil {
		issued, asked = k.Issued.issued()
	}
	good := issued != nil && goodAt(issued.Leaf, k.Now())
	if good && asked {
		return issued, nil
	}
	if k.Files != nil {
		files = k.Files.Certificate()
	}
	switch {
	case files != nil && (!good || goodAt(files.Leaf, k.Now())):
		return files, nil
	case issued != nil:
		return issued, nil
	}
	return nil, ErrNone
}

// clockSkew is how far the clock of an authority may be ahead of ours.
const clockSkew = 5 * time.Minute

func goodAt(leaf *x509.Certificate, at time.Time) bool {
	return !at.Before(leaf.NotBefore.Add(-clockSkew)) && !at.After(leaf.NotAfter)
}

// Config returns how the listeners speak TLS with what the Keeper has. It answers the
// challenge tls-alpn-01 of an authority, if that is the one that is used.
func (k *Keeper) Config() *tls.Config {
	c := Config(k.Certificate)
	if k.Issued != nil && k.Issued.Challenge == TLSALPN {
		c.GetConfigForClient = k.Issued.answerTLS
	}
	return c
}

// A Status is what a Keeper has at a moment, and what became of new certificates since
// the start.
type Status struct {
	Leaf   *x509.Certificate // nil: there is none
	Issued bool              // it was issued over ACME
	Late   time.Time         // when that one should have been renewed long since
	File   string            // where it is from otherwise

	Reloads, FailedReloads uint64    // of files
	Orders, FailedOrders   uint64    // over ACME
	FailingSince           time.Time // of orders; zero while the last one was good
}

// Status returns the state of a moment.
func (k *Keeper) Status() Status {
	var s Status
	cert, err := k.Certificate()
	if err == nil {
		s.Leaf = cert.Leaf
	}
	if k.Files != nil {
		s.File = k.Files.cert
		s.Reloads, s.FailedReloads = k.Files.counts()
	}
	if k.Issued != nil {
		s.Issued = err == nil && cert == k.Issued.Certificate()
		k.Issued.status(&s)
	}
	return s
}
