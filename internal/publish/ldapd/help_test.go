package ldapd

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"postern/internal/publish"
	"postern/internal/testnet"
	"postern/mime"
)

var address = testnet.Address

// A site is a Set with the certificates of one domain and some addresses.
type site struct {
	set    *publish.Set
	domain *x509.Certificate
	alice  []*x509.Certificate // two
	quoted *x509.Certificate
	other  *x509.Certificate // of the nested domain
}

const quotedAddress = `"a, (b)*\\ c"@b.example`

func newSite(t testing.TB) *site {
	t.Helper()
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("Root")
	alice := address(t, "Alice@b.example")
	s := &site{
		domain: root.Leaf("b.example").Cert,
		alice:  []*x509.Certificate{root.Leaf("alice@b.example").Cert, root.Leaf("alice@b.example").Cert},
		quoted: root.Leaf("quoted", testnet.SAN([]string{"x@b.example"}, nil)).Cert,
		other:  root.Leaf("sub.b.example").Cert,
	}
	s.set = &publish.Set{
		Domains: []mime.Domain{"b.example", "sub.b.example", "bare.example"},
		Certificates: []publish.Certificate{
			{Domain: "b.example", Certificate: s.domain},
			{Address: alice, Domain: "b.example", Certificate: s.alice[0]},
			{Address: alice, Domain: "b.example", Certificate: s.alice[1]},
			{Address: address(t, quotedAddress), Domain: "b.example", Certificate: s.quoted},
			{Domain: "sub.b.example", Certificate: s.other},
		},
	}
	return s
}

func (s *site) source(context.Context) (*publish.Set, error) { return s.set, nil }

// start serves a source on loopback until the test ends.
func start(t testing.TB, source publish.Source, o Options) (*Server, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(source, o)
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := errors.Join(s.Shutdown(ctx), <-done)
		if err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	return s, l.Addr().String()
}

// connect returns a client that has not bound.
func connect(t testing.TB, addr string) *ldap.Conn {
	t.Helper()
	c, err := ldap.DialURL("ldap://" + addr)
	if err != nil {
		t.Fatal(err)
	}
	c.SetTimeout(10 * time.Second)
	t.Cleanup(func() { c.Close() })
	return c
}

func ask(base string, scope int, filter string, attributes ...string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
}

// codeOf returns the resultCode of an error of the client's.
func codeOf(err error) code {
	var e *ldap.Error
	if errors.As(err, &e) {
		return code(e.ResultCode)
	}
	if err != nil {
		return -1
	}
	return success
}

// ders returns the certificates of an answer in the order of their octets.
func ders(r *ldap.SearchResult) [][]byte {
	var all [][]byte
	for _, e := range r.Entries {
		all = append(all, e.GetRawAttributeValues("userCertificate;binary")...)
	}
	slices.SortFunc(all, slices.Compare)
	return all
}

func raw(certificates ...*x509.Certificate) [][]byte {
	var all [][]byte
	for _, c := range certificates {
		all = append(all, c.Raw)
	}
	slices.SortFunc(all, slices.Compare)
	return all
}
