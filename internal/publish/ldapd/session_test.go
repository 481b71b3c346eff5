package ldapd

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"strings"
	"testing"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"postern/internal/testnet"
)

// packet makes a request out of its components.
func packet(id int64, op operation, components ...*ber.Packet) []byte {
	body := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ber.Tag(op), nil, "")
	for _, c := range components {
		body.AppendChild(c)
	}
	p := ber.NewSequence("")
	p.AppendChild(integer(id))
	p.AppendChild(body)
	return p.Bytes()
}

func integer(n int64) *ber.Packet {
	return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, n, "")
}

func enumerated(n int64) *ber.Packet {
	return ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, n, "")
}

func simple(password string) *ber.Packet {
	return ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, password, "")
}

// replies reads LDAPMessages, and returns the resultCode of each with its
// messageID.
func replies(t testing.TB, octets []byte) [][2]int64 {
	t.Helper()
	var all [][2]int64
	r := bytes.NewReader(octets)
	for r.Len() > 0 {
		p, err := ber.ReadPacket(r)
		if err != nil || len(p.Children) < 2 || len(p.Children[1].Children) < 1 {
			t.Fatalf("an answer that makes no sense: %v, %x", err, octets)
		}
		c, ok := p.Children[1].Children[0].Value.(int64)
		if !ok {
			c = -1 // an entry
		}
		all = append(all, [2]int64{p.Children[0].Value.(int64), c})
	}
	return all
}

// alone returns a session without a connection.
func alone(t testing.TB, o Options) *session {
	return &session{server: New(newSite(t).source, o)}
}

func TestCD26_Bind(t *testing.T) {
	sasl := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "")
	sasl.AppendChild(octetString("EXTERNAL"))
	for _, c := range []struct {
		name   string
		fields []*ber.Packet
		want   code
	}{
		{"anonymous", []*ber.Packet{integer(3), octetString(""), simple("")}, success},
		{"name without password", []*ber.Packet{integer(3), octetString("cn=x"), simple("")}, unwillingToPerform},
		{"password", []*ber.Packet{integer(3), octetString("cn=x"), simple("secret")}, invalidCredentials},
		{"password without name", []*ber.Packet{integer(3), octetString(""), simple("secret")}, invalidCredentials},
		{"version 2", []*ber.Packet{integer(2), octetString(""), simple("")}, protocolError},
		{"version 4", []*ber.Packet{integer(4), octetString(""), simple("")}, protocolError},
		{"SASL", []*ber.Packet{integer(3), octetString(""), sasl}, authMethodNotSupported},
		{"no version", []*ber.Packet{octetString(""), simple("")}, protocolError},
		{"no authentication", []*ber.Packet{integer(3), octetString("")}, protocolError},
		{"nothing", nil, protocolError},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := alone(t, Options{}).answer(t.Context(), packet(7, opBind, c.fields...))
			got := replies(t, r.octets)
			if len(got) != 1 || got[0] != [2]int64{7, int64(c.want)} || r.then != readOn {
				t.Errorf("%v, then %v; want code %d", got, r.then, c.want)
			}
		})
	}
}

// TestRFC4511_Operations: what is not a search is refused, and only what cannot
// be understood ends the connection.
func TestRFC4511_Operations(t *testing.T) {
	extended := func(oid string) []byte {
		return packet(7, opExtended, ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oid, ""))
	}
	primitive := func(op operation) []byte {
		p := ber.NewSequence("")
		p.AppendChild(integer(7))
		p.AppendChild(ber.NewString(ber.ClassApplication, ber.TypePrimitive, ber.Tag(op), "x", ""))
		return p.Bytes()
	}
	with := func(request []byte, critical bool) []byte {
		p := ber.DecodePacket(request)
		control := ber.NewSequence("")
		control.AppendChild(octetString("1.2.840.113556.1.4.319")) // paged results
		if critical {
			control.AppendChild(ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, ""))
		}
		control.AppendChild(octetString("\x30\x05\x02\x01\x64\x04\x00"))
		controls := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
		controls.AppendChild(control)
		p.AppendChild(controls)
		return p.Bytes()
	}
	bindRequest := packet(7, opBind, integer(3), octetString(""), simple(""))
	for _, c := range []struct {
		name    string
		request []byte
		want    [][2]int64
		then    next
	}{
		{"compare", packet(7, opCompare), [][2]int64{{7, 53}}, readOn},
		{"add", packet(7, opAdd), [][2]int64{{7, 53}}, readOn},
		{"modify", packet(7, opModify), [][2]int64{{7, 53}}, readOn},
		{"modify DN", packet(7, opModifyDN), [][2]int64{{7, 53}}, readOn},
		{"delete", primitive(opDelete), [][2]int64{{7, 53}}, readOn},
		{"abandon", primitive(opAbandon), nil, readOn},
		{"unbind", primitive(opUnbind), nil, hangUp},
		{"who am I", extended(oidWhoAmI), [][2]int64{{7, 0}}, readOn},
		{"StartTLS without TLS", extended(oidStartTLS), [][2]int64{{7, 2}}, readOn},
		{"another extended", extended("1.3.6.1.4.1.4203.1.11.1"), [][2]int64{{7, 2}}, readOn},
		{"extended without name", packet(7, opExtended), [][2]int64{{7, 2}}, readOn},
		{"search without anything", packet(7, opSearch), [][2]int64{{7, 2}}, readOn},
		{"a control", with(bindRequest, false), [][2]int64{{7, 0}}, readOn},
		{"a critical control", with(bindRequest, true), [][2]int64{{7, 12}}, readOn},
		{"a critical control of unbind", with(primitive(opUnbind), true), nil, hangUp},
		{"no operation", packet(7, 1), [][2]int64{{0, 2}}, hangUp},
		{"an answer", packet(7, 5), [][2]int64{{0, 2}}, hangUp},
		{"unbind in the wrong form", packet(7, opUnbind), [][2]int64{{0, 2}}, hangUp},
		{"search in the wrong form", primitive(opSearch), [][2]int64{{0, 2}}, hangUp},
		{"messageID 0", packet(0, opBind), [][2]int64{{0, 2}}, hangUp},
		{"negative messageID", packet(-1, opBind), [][2]int64{{0, 2}}, hangUp},
		{"large messageID", packet(1<<31, opBind), [][2]int64{{0, 2}}, hangUp},
		{"largest messageID", packet(1<<31-1, opCompare), [][2]int64{{1<<31 - 1, 53}}, readOn},
		{"empty", ber.NewSequence("").Bytes(), [][2]int64{{0, 2}}, hangUp},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := alone(t, Options{}).answer(t.Context(), c.request)
			got := replies(t, r.octets)
			if len(got) != len(c.want) || len(got) == 1 && got[0] != c.want[0] || r.then != c.then {
				t.Errorf("%v, then %v; want %v, %v", got, r.then, c.want, c.then)
			}
		})
	}
}

func TestSearchRequestsThatMakeNoSense(t *testing.T) {
	present := ber.NewString(ber.ClassContext, ber.TypePrimitive, 7, "objectClass", "")
	no := ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, "")
	request := func(scope, deref, size int64, filter *ber.Packet, more ...*ber.Packet) []byte {
		return packet(7, opSearch, append([]*ber.Packet{
			octetString(""), enumerated(scope), enumerated(deref), integer(size), integer(0), no, filter}, more...)...)
	}
	names := ber.NewSequence("")
	names.AppendChild(octetString("mail"))
	notNames := ber.NewSequence("")
	notNames.AppendChild(integer(1))
	for _, c := range []struct {
		name    string
		request []byte
		want    code
	}{
		{"sound", request(0, 3, 0, present, names), success},
		{"scope 3", request(3, 0, 0, present, names), protocolError},
		{"deref 4", request(0, 4, 0, present, names), protocolError},
		{"negative size", request(0, 0, -1, present, names), protocolError},
		{"huge size", request(0, 0, 1<<31, present, names), protocolError},
		{"no attributes", request(0, 0, 0, present), protocolError},
		{"attributes of numbers", request(0, 0, 0, present, notNames), protocolError},
		{"filter of a number", request(0, 0, 0, integer(1), names), protocolError},
	} {
		r := alone(t, Options{}).answer(t.Context(), c.request)
		got := replies(t, r.octets)
		if got[len(got)-1] != [2]int64{7, int64(c.want)} || r.then != readOn {
			t.Errorf("%s: %v, then %v; want code %d", c.name, got, r.then, c.want)
		}
	}
}

// TestNobodyLogsIn goes through the library's client, and looks at the log:
// neither passwords nor addresses are in it at any level.
func TestNobodyLogsIn(t *testing.T) {
	var log testnet.Log
	_, addr := start(t, newSite(t).source, Options{
		Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	c := connect(t, addr)
	if err := c.UnauthenticatedBind(""); err != nil {
		t.Errorf("anonymous bind: %v", err)
	}
	if err := c.Bind("cn=admin", "hunter2"); codeOf(err) != invalidCredentials {
		t.Errorf("bind with a password: %v", err)
	}
	if err := c.ExternalBind(); codeOf(err) != authMethodNotSupported {
		t.Errorf("SASL bind: %v", err)
	}
	r, err := c.WhoAmI(nil)
	if err != nil || r.AuthzID != "" {
		t.Errorf("who am I: %v, %v", r, err)
	}
	if _, err := c.Search(ask(suffix, ldap.ScopeWholeSubtree, "(mail=alice@b.example)")); err != nil {
		t.Errorf("search: %v", err)
	}
	if err := c.Del(ldap.NewDelRequest("mail=Alice@b.example,"+suffix, nil)); codeOf(err) != unwillingToPerform {
		t.Errorf("delete: %v", err)
	}
	c.Close()
	for _, word := range []string{"hunter2", "admin", "alice", "Alice"} {
		if strings.Contains(log.String(), word) {
			t.Errorf("the log has %q:\n%s", word, log.String())
		}
	}
}

// serverTLS returns a configuration for localhost and the pool that trusts it.
func serverTLS(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	root := testnet.NewPKI(t, time.Now()).Root("TLS root")
	leaf := root.Leaf("localhost", testnet.Template(func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}))
	pool := x509.NewCertPool()
	pool.AddCert(root.Cert)
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf.Cert.Raw}, PrivateKey: leaf.Key}},
	}, pool
}

func TestRFC4511_StartTLS(t *testing.T) {
	config, pool := serverTLS(t)
	_, addr := start(t, newSite(t).source, Options{TLS: config})
	c := connect(t, addr)
	if err := c.StartTLS(&tls.Config{RootCAs: pool, ServerName: "localhost"}); err != nil {
		t.Fatal(err)
	}
	r, err := c.Search(ask("", ldap.ScopeBaseObject, "(objectClass=*)", "supportedExtension"))
	if err != nil || !strings.Contains(strings.Join(r.Entries[0].GetAttributeValues("supportedExtension"), " "), oidStartTLS) {
		t.Errorf("root DSE: %v, %v", r, err)
	}
	r, err = c.Search(ask("", ldap.ScopeWholeSubtree, "(mail=alice@b.example)"))
	if err != nil || len(ders(r)) != 2 {
		t.Errorf("search under TLS: %v, %v", r, err)
	}
	_, err = c.Extended(ldap.NewExtendedRequest(oidStartTLS, nil))
	if codeOf(err) != operationsError {
		t.Errorf("TLS within TLS: %v", err)
	}
}

// TestSearchesForNothingCost: an or of no filters names no mail, and is a request
// as any other.
func TestSearchesForNothingCost(t *testing.T) {
	or := func() *ber.Packet { return ber.Encode(ber.ClassContext, ber.TypeConstructed, 1, nil, "") }
	and := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "")
	and.AppendChild(or())
	for name, f := range map[string]*ber.Packet{"(|)": or(), "(&(|))": and} {
		s := alone(t, Options{Rate: 1}) // and 32 at once
		answered := 0
		for range 2 * maxMails {
			if got := replies(t, s.answer(t.Context(), searchOctets(f)).octets); got[0] == [2]int64{7, int64(success)} {
				answered++
			}
		}
		if answered < maxMails || answered > maxMails+1 { // one may be earned meanwhile
			t.Errorf("%s: %d answers", name, answered)
		}
	}
}
