package store

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"postern/mime"
)

// An Edge is where the mail of an account, or of the accounts of a domain, is handed
// over by SMTP instead of being put into their mailboxes (EP-1, EP-3).
type Edge struct {
	// Owner is the address or the domain whose mail it is, in lower case.
	Owner string `json:"owner"`
	Host  string `json:"host"` // a host name or an IP address
	Port  uint16 `json:"port"`
	// Implicit says that TLS is spoken from the first octet (RFC 8314 §3); otherwise by
	// STARTTLS, which is required.
	Implicit bool `json:"implicit,omitempty"`
	// CA are certificates in PEM, the only ones that the host's is believed from; Pin is
	// the host's certificate itself. Without either it is believed from the authorities
	// of the system and of network.ca.
	CA  []byte       `json:"ca,omitempty"`
	Pin *Fingerprint `json:"pin,omitempty"`
	// User and Password are for AUTH PLAIN, where User is not ""; the password is sealed
	// at rest.
	User     string    `json:"user,omitempty"`
	Password []byte    `json:"-"`
	Created  time.Time `json:"created"`
	// Damaged says that the record or the password cannot be read. Only a listing has
	// such a one.
	Damaged bool `json:"-"`
}

// EdgeTx holds edges. Put replaces or creates; what is not there is ErrNotFound.
type EdgeTx interface {
	// Edge returns that of exactly this address or domain, with its password; Edges
	// have none.
	Edge(owner string) (Edge, error)
	Edges() ([]Edge, error)
	PutEdge(Edge) error
	RemoveEdge(owner string) error
}

// An edgeRecord is an Edge at rest.
type edgeRecord struct {
	Edge
	Sealed []byte `json:"sealed,omitempty"` // the password; none without a user
}

const edgePurpose purpose = "edge password"

// Edge implements EdgeTx.
func (t *tx) Edge(owner string) (Edge, error) {
	record, err := getRow[edgeRecord](t, bucketEdges, []byte(strings.ToLower(owner)))
	if err != nil {
		return Edge{}, fmt.Errorf("edge of %s: %w", owner, err)
	}
	return t.unsealEdge(record)
}

func (t *tx) unsealEdge(r edgeRecord) (Edge, error) {
	if r.User == "" {
		return r.Edge, nil
	}
	password, err := t.db.ring.Load().openRecord(edgePurpose, []byte(r.Owner), r.Sealed)
	if err != nil {
		return Edge{}, fmt.Errorf("edge of %s: %w", r.Owner, err)
	}
	r.Password = password
	return r.Edge, nil
}

// EdgeFor returns the edge that an address is pushed to: its own, or that of its
// domain, without the password. ok is false where there is none.
func EdgeFor(tx EdgeTx, a mime.Address) (e Edge, ok bool, err error) {
	for _, owner := range []string{a.Key(), string(a.Domain())} {
		e, err = tx.Edge(owner)
		if !errors.Is(err, ErrNotFound) {
			e.Password = nil
			return e, err == nil, err
		}
	}
	return Edge{}, false, nil
}

// Edges implements EdgeTx.
func (t *tx) Edges() ([]Edge, error) {
	records, err := listRows(t, bucketEdges, nil, damagedEdge)
	if err != nil {
		return nil, err
	}
	var all []Edge
	for _, r := range records {
		_, err := t.unsealEdge(r)
		if errors.Is(err, ErrCorrupt) {
			r.Damaged = true
		} else if err != nil {
			return nil, err
		}
		all = append(all, r.Edge)
	}
	return all, nil
}

// PutEdge implements EdgeTx.
func (t *tx) PutEdge(e Edge) error {
	if !t.writable {
		return ErrReadOnly
	}
	e.Owner = strings.ToLower(e.Owner)
	err := checkText("the owner of an edge", e.Owner)
	if err != nil {
		return err
	}
	if e.Owner == "" || e.Host == "" || e.Port == 0 || (e.User == "") != (len(e.Password) == 0) {
		return errors.New("an edge needs an owner, a host, a port and, with a user, a password")
	}
	record := edgeRecord{Edge: e}
	record.Created = e.Created.UTC()
	if e.User != "" {
		record.Sealed, err = t.db.ring.Load().sealRecord(edgePurpose, []byte(e.Owner), e.Password)
		if err != nil {
			return fmt.Errorf("sealing the password of an edge: %w", err)
		}
	}
	return t.putDirectory(bucketEdges, []byte(e.Owner), record)
}

// RemoveEdge implements EdgeTx.
func (t *tx) RemoveEdge(owner string) error {
	err := t.removeDirectory(bucketEdges, []byte(strings.ToLower(owner)))
	if err != nil {
		return fmt.Errorf("edge of %s: %w", owner, err)
	}
	return nil
}

// dropEdge removes an edge that may not be there.
func (t *tx) dropEdge(owner string) error {
	err := t.RemoveEdge(owner)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
