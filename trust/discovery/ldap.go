package discovery

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"postern/internal/guard"
)

// Bounds on one LDAP server.
const (
	ldapDial      = 3 * time.Second // for one of its addresses
	ldapRequest   = 5 * time.Second // for one request
	ldapAddresses = 4
	ldapBases     = 8
	ldapOctets    = 1 << 20 // that it may send in all
)

// A directory is one LDAP server. It is opened by the first search; one that
// cannot be opened is not tried again.
type directory struct {
	server  SRV
	dns     *DNS
	network guard.Policy

	conn  *ldap.Conn
	raw   net.Conn
	bases []string
	err   error // why it could not be opened
}

func (d *directory) name() string {
	if d.raw != nil {
		return fmt.Sprintf("%s:%d (%s)", d.server.Target, d.server.Port, d.raw.RemoteAddr())
	}
	return fmt.Sprintf("%s:%d", d.server.Target, d.server.Port)
}

func (d *directory) close() {
	if d.conn != nil {
		_ = d.conn.Close()
	}
}

// search returns what the entries that match the filter have for certificates.
// There may be some beside an error. It ends when ctx does, by closing the
// connection.
func (d *directory) search(ctx context.Context, filter string) (found *haul, err error) {
	found = new(haul)
	defer func() {
		// The last net under the library: a hostile directory must not take the
		// server down (CD-31).
		if r := recover(); r != nil {
			err = fmt.Errorf("reading what the directory sent: %v", r)
		}
	}()
	if d.conn == nil && d.err == nil {
		d.err = d.open(ctx)
	}
	if d.err != nil {
		return found, d.err
	}
	stop := context.AfterFunc(ctx, func() { _ = d.raw.Close() })
	defer stop()
	for _, base := range d.bases {
		result, searchErr := d.conn.Search(request(base, ldap.ScopeWholeSubtree, filter,
			"userCertificate", "userCertificate;binary"))
		collect(found, result)
		if searchErr != nil {
			err = fmt.Errorf("searching %q: %w", base, searchErr)
		}
	}
	return found, err
}

// open connects, binds as nobody (CD-26) and reads the naming contexts (CD-27).
func (d *directory) open(ctx context.Context) error {
	err := d.dial(ctx)
	if err != nil {
		return err
	}
	d.conn = ldap.NewConn(&bounded{Conn: d.raw, left: ldapOctets}, false)
	d.conn.SetTimeout(ldapRequest)
	d.conn.Start()
	stop := context.AfterFunc(ctx, func() { _ = d.raw.Close() })
	defer stop()

	err = d.conn.UnauthenticatedBind("")
	if err != nil {
		return fmt.Errorf("binding anonymously: %w", err)
	}
	root, err := d.conn.Search(request("", ldap.ScopeBaseObject, "(objectClass=*)", "namingContexts"))
	if err != nil {
		return fmt.Errorf("reading the naming contexts: %w", err)
	}
	for _, entry := range root.Entries {
		bases := entry.GetEqualFoldAttributeValues("namingContexts")
		d.bases = append(d.bases, bases[:min(len(bases), ldapBases-len(d.bases))]...)
	}
	if len(d.bases) == 0 {
		return errors.New("the directory names no naming contexts")
	}
	return nil
}

// dial connects to the first address that lets us.
func (d *directory) dial(ctx context.Context) error {
	addrs, err := d.dns.addresses(ctx, d.server.Target)
	if err != nil {
		return err
	}
	dialer := d.network.Dialer(ldapDial)
	for _, a := range addrs[:min(len(addrs), ldapAddresses)] {
		to := net.JoinHostPort(a.String(), strconv.Itoa(int(d.server.Port)))
		d.raw, err = dialer.DialContext(ctx, "tcp", to)
		if err == nil {
			return nil
		}
	}
	return fmt.Errorf("connecting: %w", err)
}

func request(base string, scope int, filter string, attributes ...string) *ldap.SearchRequest {
	r := ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, MaxCertificates,
		int(ldapRequest/time.Second), false, filter, attributes, nil)
	r.EnforceSizeLimit = true // the server may not care about the limit
	return r
}

// mailFilter returns the filter for entries of an address or a domain (CD-28),
// with what could change its meaning escaped (RFC 4515 §3).
func mailFilter(mail string) string { return "(mail=" + ldap.EscapeFilter(mail) + ")" }

// collect reads userCertificate, with or without ;binary (CD-29).
func collect(h *haul, result *ldap.SearchResult) {
	if result == nil {
		return
	}
	for _, entry := range result.Entries {
		for _, a := range entry.Attributes {
			kind, _, _ := strings.Cut(a.Name, ";")
			if !strings.EqualFold(kind, "userCertificate") {
				continue
			}
			for _, der := range a.ByteValues {
				h.add(der)
			}
		}
	}
}

// bounded is a connection that may bring only so much.
type bounded struct {
	net.Conn
	left int
}

var errTooMuch = errors.New("the directory sent too much")

// Read reads at most what is left.
func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooMuch
	}
	n, err := b.Conn.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
