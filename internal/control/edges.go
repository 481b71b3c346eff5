package control

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// An EdgeOrder says to which edge the mail of an account, or of a domain's accounts, is
// handed over.
type EdgeOrder struct {
	Owner string `json:"owner"` // an address or a domain
	Host  string `json:"host"`  // host:port
	// TLS is StartTLS or ImplicitTLS; "" is that of the port: ImplicitTLS at 465.
	TLS string `json:"tls,omitempty"`
	CA  []byte `json:"ca,omitempty"`  // PEM: the only authorities believed
	Pin string `json:"pin,omitempty"` // SHA-256 of the only certificate believed, in hexadecimal
	// User and Password are for AUTH PLAIN; none without a user.
	User     string `json:"user,omitempty"`
	Password []byte `json:"password,omitempty"`
}

// How TLS begins with an edge.
const (
	StartTLS    = "starttls"
	ImplicitTLS = "implicit"
)

// An EdgeName names an edge by whose it is.
type EdgeName struct {
	Owner string `json:"owner"`
}

// An EdgeInfo is what may be shown of an edge.
type EdgeInfo struct {
	Owner    string    `json:"owner"`
	Host     string    `json:"host"` // host:port
	TLS      string    `json:"tls"`
	Verified string    `json:"verified"` // by: pin, ca or system
	Pin      string    `json:"pin,omitempty"`
	User     string    `json:"user"` // "" logs in as nobody
	Created  time.Time `json:"created"`
	// Damaged says that it cannot be read: what is for it waits.
	Damaged bool `json:"damaged,omitempty"`
}

// An EdgeMet is what was found of an edge that can be used.
type EdgeMet struct {
	Address  string    `json:"address"`
	TLS      string    `json:"tls"` // version
	Subject  string    `json:"subject"`
	SHA256   string    `json:"sha256"` // of its certificate
	NotAfter time.Time `json:"not_after"`
	LoggedIn bool      `json:"logged_in"`
	EightBit bool      `json:"eight_bit"`          // it takes 8BITMIME
	Bytes    int64     `json:"bytes,omitempty"`    // the largest message it takes; 0 if it does not say
	Problems []string  `json:"problems,omitempty"` // with other addresses of its host
}

// maxCA bounds the file of an edge's authorities, in octets.
const maxCA = 1 << 20

func (s *Service) handleEdges(mux *http.ServeMux) {
	handle(mux, commandBytes, "edge/set", s.setEdge)
	handle(mux, commandBytes, "edge/list", s.listEdges)
	handle(mux, commandBytes, "edge/remove", s.removeEdge)
	handle(mux, commandBytes, "edge/check", s.checkEdge)
}

func (s *Service) setEdge(ctx context.Context, in EdgeOrder) (EdgeInfo, error) {
	e, err := in.read()
	if err != nil {
		return EdgeInfo{}, err
	}
	err = s.Core.CheckEdge(e)
	if errors.Is(err, gateway.ErrEdgeCA) {
		return EdgeInfo{}, invalid(err, "--ca names a file of certificates in PEM")
	}
	if err != nil {
		return EdgeInfo{}, err
	}
	e.Created = s.Core.Now()
	how := "set to " + in.Host + ", verified by " + verifiedBy(e)
	return edgeInfo(e), s.change(ctx, "edge of "+e.Owner, how, func(tx store.Tx) error {
		err := requireOwner(tx, e.Owner)
		if err != nil {
			return err
		}
		return tx.PutEdge(e)
	})
}

// requireOwner refuses whom nothing is delivered to.
func requireOwner(tx store.Tx, owner string) error {
	if !strings.Contains(owner, "@") {
		return requireOurs(tx, mime.Domain(owner))
	}
	a, err := mime.ParseAddress(owner)
	if err != nil {
		return err
	}
	_, err = accountOf(tx, a)
	return err
}

// read checks an order.
func (in EdgeOrder) read() (e store.Edge, err error) {
	e.Owner, err = readOwner(in.Owner)
	if err != nil {
		return e, err
	}
	e.Host, e.Port, err = readHost(in.Host)
	if err != nil {
		return e, err
	}
	switch in.TLS {
	case "":
		e.Implicit = e.Port == 465 // RFC 8314 §3.3
	case StartTLS, ImplicitTLS:
		e.Implicit = in.TLS == ImplicitTLS
	default:
		return e, invalid(fmt.Errorf("%q is no way to begin TLS", in.TLS), "starttls or implicit")
	}
	switch {
	case len(in.CA) > 0 && in.Pin != "":
		return e, invalid(errors.New("an edge is verified by authorities or by its certificate, not by both"), "give --ca or --pin")
	case len(in.CA) > maxCA:
		return e, invalid(fmt.Errorf("the authorities have more than %d octets", maxCA), "give only those that the edge's certificate is from")
	case in.Pin != "":
		var pin store.Fingerprint
		err = pin.UnmarshalText([]byte(strings.ToLower(strings.ReplaceAll(in.Pin, ":", ""))))
		if err != nil {
			return e, invalid(err, "openssl x509 -noout -fingerprint -sha256 prints it")
		}
		e.Pin = &pin
	}
	e.CA, e.User, e.Password = in.CA, in.User, in.Password
	if (e.User == "") != (len(e.Password) == 0) {
		return e, invalid(errors.New("a user needs a password, and a password a user"), "give both, or neither")
	}
	if strings.ContainsRune(e.User+string(e.Password), 0) { // RFC 4616 §2
		return e, invalid(errors.New("there is a NUL in the user or the password"), "choose others")
	}
	return e, nil
}

func readOwner(name string) (string, error) {
	a, d, err := readName(name)
	switch {
	case err != nil:
		return "", err
	case !a.IsZero():
		return a.Key(), nil
	case d != "":
		return string(d), nil
	}
	return "", invalid(errors.New("it is not said whose edge is meant"), "name an address or a domain of ours")
}

func readHost(text string) (host string, port uint16, err error) {
	hint := "write it as ehr.hospital.example:25, or with an IP address"
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, invalid(fmt.Errorf("%q is no host:port", text), hint)
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return "", 0, invalid(fmt.Errorf("%q has no port", text), hint)
	}
	_, notAddress := netip.ParseAddr(host)
	if notAddress != nil {
		d, err := mime.ParseDomain(host)
		if err != nil {
			return "", 0, invalid(fmt.Errorf("the host of %q is no IP address and no fully qualified domain name", text), hint)
		}
		host = string(d)
	}
	return host, uint16(n), nil
}

func verifiedBy(e store.Edge) string {
	switch {
	case e.Pin != nil:
		return "pin"
	case len(e.CA) > 0:
		return "ca"
	}
	return "system"
}

func edgeInfo(e store.Edge) EdgeInfo {
	if e.Damaged {
		return EdgeInfo{Owner: e.Owner, Damaged: true}
	}
	info := EdgeInfo{Owner: e.Owner, Host: net.JoinHostPort(e.Host, strconv.Itoa(int(e.Port))), TLS: StartTLS,
		Verified: verifiedBy(e), User: e.User, Created: e.Created}
	if e.Implicit {
		info.TLS = ImplicitTLS
	}
	if e.Pin != nil {
		info.Pin = hex.EncodeToString(e.Pin[:])
	}
	return info
}

func (s *Service) listEdges(ctx context.Context, _ None) ([]EdgeInfo, error) {
	infos := []EdgeInfo{}
	err := s.Core.Store.View(ctx, func(tx store.Tx) error {
		all, err := tx.Edges()
		infos = infos[:0]
		for _, e := range all {
			infos = append(infos, edgeInfo(e))
		}
		return err
	})
	return infos, err
}

func noEdge(err error, owner string) error {
	if errors.Is(err, store.ErrNotFound) {
		return &Error{Kind: Negative, Message: owner + " has no edge", Hint: "postern edge list shows them"}
	}
	return err
}

func (s *Service) removeEdge(ctx context.Context, in EdgeName) (None, error) {
	owner, err := readOwner(in.Owner)
	if err != nil {
		return None{}, err
	}
	return None{}, s.change(ctx, "edge of "+owner, "removed", func(tx store.Tx) error {
		return noEdge(tx.RemoveEdge(owner), owner)
	})
}

func (s *Service) checkEdge(ctx context.Context, in EdgeName) (EdgeMet, error) {
	owner, err := readOwner(in.Owner)
	if err != nil {
		return EdgeMet{}, err
	}
	met, err := s.Core.MeetEdge(ctx, actor(ctx), owner)
	if err != nil {
		var why *reason.Error
		if errors.As(err, &why) {
			return EdgeMet{}, &Error{Kind: Negative, Message: plain(cmp.Or(why.Detail, string(why.Code)), maxDetail),
				Hint: "nothing is handed over before this is mended; postern edge set changes host, certificate and password"}
		}
		return EdgeMet{}, noEdge(err, owner)
	}
	leaf := met.TLS.PeerCertificates[0]
	out := EdgeMet{Address: met.Address.String(), TLS: tls.VersionName(met.TLS.Version), Subject: subjectOf(leaf), SHA256: sha256Of(leaf),
		NotAfter: leaf.NotAfter, LoggedIn: met.LoggedIn, EightBit: met.EightBit, Bytes: met.LargestSize}
	for _, f := range met.Others {
		out.Problems = append(out.Problems, plain(f.Text, maxDetail))
	}
	return out, nil
}

// SetEdge has the mail of an account or a domain handed to an edge.
func (c *Client) SetEdge(ctx context.Context, in EdgeOrder) (EdgeInfo, error) {
	return call[EdgeOrder, EdgeInfo](ctx, c, "edge/set", in)
}

// Edges lists the edges.
func (c *Client) Edges(ctx context.Context) ([]EdgeInfo, error) {
	return call[None, []EdgeInfo](ctx, c, "edge/list", None{})
}

// RemoveEdge has mail put into mailboxes again.
func (c *Client) RemoveEdge(ctx context.Context, owner string) error {
	_, err := call[EdgeName, None](ctx, c, "edge/remove", EdgeName{owner})
	return err
}

// CheckEdge connects to an edge and tells what was found.
func (c *Client) CheckEdge(ctx context.Context, owner string) (EdgeMet, error) {
	return call[EdgeName, EdgeMet](ctx, c, "edge/check", EdgeName{owner})
}
