package discovery_test

import (
	"errors"
	"net"
	"sync"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// A server is an LDAP server that does as it is told, and writes down what it is
// asked. The zero server has the naming context "o=b.example" and nothing in it.
type server struct {
	bindCode int                 // of its answer to a bind
	root     map[string][]string // attributes of the root DSE; nil is the one naming context
	rootCode int
	entries  map[string][]string // values of userCertificate;binary by mail
	// answer, if set, answers searches but for the one of the root DSE.
	answer func(s *session, q search)

	addr string

	closer interface{ Close() error } // of startAt
	all    sync.WaitGroup

	mu       sync.Mutex
	searches []search
	binds    int
}

// A search is a search request (RFC 4511 §4.5.1).
type search struct {
	id     int64
	base   string
	filter *ber.Packet
	size   int64
}

// text is the filter in the form of RFC 4515.
func (q search) text() string {
	s, err := ldap.DecompileFilter(q.filter)
	if err != nil {
		return err.Error()
	}
	return s
}

// A session is one connection to a server.
type session struct {
	*server
	conn net.Conn
}

func (s *server) start(t testing.TB) *server {
	t.Helper()
	s.addr = listen(t, func(c net.Conn) {
		one := session{s, c}
		for one.next() == nil {
		}
	})
	return s
}

// startAt serves at an address, until stop.
func (s *server) startAt(t testing.TB, addr string) *server {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s.addr, s.closer = addr, l
	s.all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.all.Go(func() {
				defer c.Close()
				one := session{s, c}
				for one.next() == nil {
				}
			})
		}
	})
	return s
}

func (s *server) stop() {
	s.closer.Close()
	s.all.Wait()
}

func (s *server) asked() []search {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]search(nil), s.searches...)
}

func (s *session) next() error {
	p, err := ber.ReadPacket(s.conn)
	if err != nil {
		return err
	}
	if len(p.Children) < 2 {
		return errors.New("no message")
	}
	id, _ := p.Children[0].Value.(int64)
	op := p.Children[1]
	switch op.Tag {
	case ldap.ApplicationBindRequest:
		s.mu.Lock()
		s.binds++
		s.mu.Unlock()
		return s.done(id, ldap.ApplicationBindResponse, s.bindCode)
	case ldap.ApplicationSearchRequest:
		base, _ := op.Children[0].Value.(string)
		scope, _ := op.Children[1].Value.(int64)
		size, _ := op.Children[3].Value.(int64)
		q := search{id: id, base: base, filter: op.Children[6], size: size}
		if scope == ldap.ScopeBaseObject {
			return s.rootDSE(id)
		}
		s.mu.Lock()
		s.searches = append(s.searches, q)
		s.mu.Unlock()
		if s.answer != nil {
			s.answer(s, q)
			return nil
		}
		return s.find(q)
	}
	return errors.New("another operation")
}

func (s *session) rootDSE(id int64) error {
	root := s.root
	if root == nil {
		root = map[string][]string{"namingContexts": {"o=b.example"}}
	}
	if s.rootCode == 0 {
		_ = s.entry(id, "", root)
	}
	return s.done(id, ldap.ApplicationSearchResultDone, s.rootCode)
}

// find answers by the entries.
func (s *session) find(q search) error {
	s.mu.Lock()
	entries := s.entries
	s.mu.Unlock()
	for mail, values := range entries {
		if q.text() == "(mail="+ldap.EscapeFilter(mail)+")" {
			_ = s.entry(q.id, "cn=x", map[string][]string{"mail": {mail}, "userCertificate;binary": values})
		}
	}
	return s.done(q.id, ldap.ApplicationSearchResultDone, 0)
}

func octets(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

// message puts an operation into an envelope.
func message(id int64, op *ber.Packet) []byte {
	m := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "")
	m.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, ""))
	m.AppendChild(op)
	return m.Bytes()
}

func (s *session) send(id int64, op *ber.Packet) error {
	_, err := s.conn.Write(message(id, op))
	return err
}

// done ends an operation with a result code.
func (s *session) done(id int64, tag ber.Tag, code int) error {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, int64(code), ""))
	op.AppendChild(octets(""))
	op.AppendChild(octets("patients\r\nare none of your business"))
	return s.send(id, op)
}

// entry sends one SearchResultEntry.
func (s *session) entry(id int64, dn string, attributes map[string][]string) error {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultEntry, nil, "")
	op.AppendChild(octets(dn))
	list := ber.NewSequence("")
	for name, values := range attributes {
		one := ber.NewSequence("")
		one.AppendChild(octets(name))
		set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
		for _, v := range values {
			set.AppendChild(octets(v))
		}
		one.AppendChild(set)
		list.AppendChild(one)
	}
	op.AppendChild(list)
	return s.send(id, op)
}

// refer sends a SearchResultReference.
func (s *session) refer(id int64, url string) error {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationSearchResultReference, nil, "")
	op.AppendChild(octets(url))
	return s.send(id, op)
}
