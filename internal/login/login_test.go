package login

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/google/go-cmp/cmp"
	"github.com/xdg-go/scram"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// certificate is a self-signed one of a client or a server.
func certificate(t testing.TB, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// connect makes a TLS connection of a version and returns it as the server and as the
// client has it.
func connect(t testing.TB, version uint16, clients ...tls.Certificate) (Client, tls.ConnectionState) {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	config := &tls.Config{Certificates: []tls.Certificate{certificate(t, "mx.test")}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12}
	server := tls.Server(far, config)
	done := make(chan error, 1)
	go func() {
		err := server.Handshake()
		if err == nil {
			_, err = server.Write([]byte("x")) // after it, a client of TLS 1.3 has read all of the handshake
		}
		done <- err
	}()
	client := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MaxVersion: version, Certificates: clients})
	_, err := client.Read(make([]byte, 1))
	err = errors.Join(err, <-done)
	if err != nil {
		t.Fatal(err)
	}
	state := server.ConnectionState()
	return Client{Service: SMTP, TLS: &state, Config: config}, client.ConnectionState()
}

// A door knows alice by the secret "pencil" and by an app password, and says what it
// was asked.
type door struct {
	asked []Attempt
	in    int   // who was let in
	full  bool  // nobody is
	fail  error // of Verifiers
}

const appPassword = "pap-0000-0000-0000-0000-0000-0000-0000-0000"

var errNo, errBusy = errors.New("no"), errors.New("busy")

func (d *door) login(a Attempt) (func(), error) {
	a.Client = Client{}
	d.asked = append(d.asked, a)
	letIn := func() { d.in++ }
	switch {
	case d.full:
		return nil, errBusy
	case a.Method == Password && a.User == "alice@a.test" && a.Secret == "pencil":
		return letIn, nil
	case a.Method == Scram && a.Proved != "":
		return letIn, nil
	case a.Method == Certificate && (a.User == "" || a.User == "alice@a.test"):
		return letIn, nil
	}
	return nil, errNo
}

func (d *door) verifiers(a Attempt) (Verifiers, error) {
	if d.fail != nil {
		return Verifiers{}, d.fail
	}
	v := Verifiers{Salt: []byte("salt of " + a.User), Iterations: 4096}
	if a.User == "alice@a.test" {
		for mark, secret := range map[string]string{"password": "pencil", "phone": appPassword} {
			stored, server, err := KeysOf(secret, v.Salt, v.Iterations)
			if err != nil {
				return v, err
			}
			v.Credentials = append(v.Credentials, Credential{mark, stored, server})
		}
	}
	return v, nil
}

func (d *door) exchange(c Client) Exchange {
	return Exchange{Client: c, Offer: Offer{true, true}, Login: d.login, Verifiers: d.verifiers}
}

// play has a client and a server talk to the end.
func play(t testing.TB, x Exchange, mechanism string, client func(challenge string) (string, error)) error {
	t.Helper()
	server, err := x.Server(mechanism)
	if err != nil {
		return err
	}
	var response []byte
	for range 6 {
		challenge, done, err := server.Next(response)
		if done || err != nil {
			return err
		}
		text, err := client(string(challenge))
		if err != nil {
			return err
		}
		response = []byte(text)
	}
	t.Fatal("the exchange does not end")
	return nil
}

// scramClient is the client's end, after an empty challenge.
func scramClient(t testing.TB, user, password string, conversation func(*scram.Client) *scram.ClientConversation) func(string) (string, error) {
	t.Helper()
	client, err := scram.SHA256.NewClient(user, password, "")
	if err != nil {
		t.Fatal(err)
	}
	c := conversation(client)
	return func(challenge string) (string, error) {
		if c.Valid() {
			return "", nil // the server's end of the proof was good
		}
		return c.Step(challenge)
	}
}

func unbound(c *scram.Client) *scram.ClientConversation { return c.NewConversation() }

// EP-5: what is offered follows from the connection.
func TestEP5_MechanismsOffered(t *testing.T) {
	secured, _ := connect(t, tls.VersionTLS13)
	certified, _ := connect(t, tls.VersionTLS12, certificate(t, "client"))
	for name, tt := range map[string]struct {
		client Client
		offer  Offer
		want   []string
	}{
		"in clear":         {Client{}, Offer{true, true}, nil},
		"TLS":              {secured, Offer{}, []string{"PLAIN", "LOGIN"}},
		"TLS and SCRAM":    {secured, Offer{Scram: true}, []string{"PLAIN", "LOGIN", "SCRAM-SHA-256"}},
		"and PLUS":         {secured, Offer{true, true}, []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}},
		"with certificate": {certified, Offer{}, []string{"PLAIN", "LOGIN", "EXTERNAL"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.client.Mechanisms(tt.offer)); diff != "" {
				t.Error(diff)
			}
			for _, mechanism := range []string{"PLAIN", "LOGIN", "EXTERNAL", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "CRAM-MD5", "", "plain"} {
				_, err := Exchange{Client: tt.client, Offer: tt.offer}.Server(mechanism)
				if errors.Is(err, ErrMechanism) == slices.Contains(tt.want, mechanism) {
					t.Errorf("%q: %v", mechanism, err)
				}
			}
		})
	}
}

// EP-5: each end of an exchange is brought before the backend, and nothing else is.
func TestEP5_Exchanges(t *testing.T) {
	c, _ := connect(t, tls.VersionTLS13, certificate(t, "client"))
	say := func(all ...string) func(string) (string, error) {
		return func(string) (string, error) {
			next := all[0]
			all = all[1:]
			return next, nil
		}
	}
	password := func(user, secret string) []Attempt { return []Attempt{{User: user, Secret: secret}} }
	for name, tt := range map[string]struct {
		mechanism string
		client    func(string) (string, error)
		want      error
		asked     []Attempt
	}{
		"PLAIN":                 {"PLAIN", say("\x00alice@a.test\x00pencil"), nil, password("alice@a.test", "pencil")},
		"PLAIN as oneself":      {"PLAIN", say("alice@a.test\x00alice@a.test\x00pencil"), nil, password("alice@a.test", "pencil")},
		"PLAIN as another":      {"PLAIN", say("bob@a.test\x00alice@a.test\x00pencil"), errNo, password("alice@a.test", "")},
		"PLAIN, wrong":          {"PLAIN", say("\x00alice@a.test\x00pen"), errNo, password("alice@a.test", "pen")},
		"PLAIN without form":    {"PLAIN", say("alice"), ErrMalformed, nil},
		"PLAIN, the longest":    {"PLAIN", say("\x00alice@a.test\x00" + strings.Repeat("x", maxResponse-14)), errNo, password("alice@a.test", strings.Repeat("x", maxResponse-14))},
		"PLAIN without end":     {"PLAIN", say("\x00alice@a.test\x00" + strings.Repeat("x", maxResponse-13)), ErrMalformed, nil},
		"LOGIN":                 {"LOGIN", say("alice@a.test", "pencil"), nil, password("alice@a.test", "pencil")},
		"LOGIN, wrong":          {"LOGIN", say("alice@a.test", ""), errNo, password("alice@a.test", "")},
		"EXTERNAL":              {"EXTERNAL", say(""), nil, []Attempt{{Method: Certificate}}},
		"EXTERNAL as oneself":   {"EXTERNAL", say("alice@a.test"), nil, []Attempt{{Method: Certificate, User: "alice@a.test"}}},
		"EXTERNAL as another":   {"EXTERNAL", say("bob@a.test"), errNo, []Attempt{{Method: Certificate, User: "bob@a.test"}}},
		"EXTERNAL with a NUL":   {"EXTERNAL", say("a\x00b"), ErrMalformed, nil},
		"SCRAM without form":    {ScramSHA256, say("alice"), ErrMalformed, nil},
		"SCRAM for PLUS":        {ScramSHA256Plus, say("n,,n=alice@a.test,r=x"), ErrMalformed, nil},
		"PLUS for SCRAM":        {ScramSHA256, say("p=tls-exporter,,n=alice@a.test,r=x"), ErrMalformed, nil},
		"PLUS of another kind":  {ScramSHA256Plus, say("p=tls-unique,,n=alice@a.test,r=x"), ErrMalformed, nil},
		"SCRAM, lied to":        {ScramSHA256, say("y,,n=alice@a.test,r=x"), ErrMalformed, nil},
		"SCRAM, extension":      {ScramSHA256, say("n,,m=x,n=alice@a.test,r=x"), ErrMalformed, nil},
		"SCRAM as another":      {ScramSHA256, say("n,a=bob@a.test,n=alice@a.test,r=x"), errNo, []Attempt{{Method: Scram, User: "alice@a.test"}}},
		"SCRAM, wrong proof":    {ScramSHA256, say("n,,n=alice@a.test,r=x", "c=biws,r=x,p=AAAA"), errNo, []Attempt{{Method: Scram, User: "alice@a.test"}}},
		"SCRAM, no proof":       {ScramSHA256, say("n,,n=alice@a.test,r=x", "x"), errNo, []Attempt{{Method: Scram, User: "alice@a.test"}}},
		"SCRAM, unknown, wrong": {ScramSHA256, say("n,,n=nobody@a.test,r=x", "c=biws,r=x,p=AAAA"), errNo, []Attempt{{Method: Scram, User: "nobody@a.test"}}},
	} {
		t.Run(name, func(t *testing.T) {
			d := new(door)
			err := play(t, d.exchange(c), tt.mechanism, tt.client)
			if tt.want == nil && err != nil || !errors.Is(err, tt.want) || (d.in == 1) != (tt.want == nil) {
				t.Errorf("error %v, want %v; let in %d", err, tt.want, d.in)
			}
			if diff := cmp.Diff(tt.asked, d.asked, cmp.Comparer(func(a, b Client) bool { return true })); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// SCRAM with the password and with an app password, which the server tells apart by the
// proof alone; bound to the channel in each way that there is.
func TestEP5_Scram(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		server, client := connect(t, version)
		exporter, err := scram.NewTLSExporterBinding(&client)
		if err != nil {
			t.Fatal(err)
		}
		endpoint, err := scram.NewTLSServerEndpointBinding(&client)
		if err != nil {
			t.Fatal(err)
		}
		other := exporter
		other.Data = make([]byte, 32)
		bound := func(b scram.ChannelBinding) func(*scram.Client) *scram.ClientConversation {
			return func(c *scram.Client) *scram.ClientConversation { return c.NewConversationWithChannelBinding(b) }
		}
		for name, tt := range map[string]struct {
			mechanism, user, secret, want string
			conversation                  func(*scram.Client) *scram.ClientConversation
		}{
			"password":             {ScramSHA256, "alice@a.test", "pencil", "password", unbound},
			"app password":         {ScramSHA256, "alice@a.test", appPassword, "phone", unbound},
			"exporter":             {ScramSHA256Plus, "alice@a.test", "pencil", "password", bound(exporter)},
			"end point":            {ScramSHA256Plus, "alice@a.test", appPassword, "phone", bound(endpoint)},
			"somebody between":     {ScramSHA256Plus, "alice@a.test", "pencil", "", bound(other)},
			"wrong password":       {ScramSHA256, "alice@a.test", "pen", "", unbound},
			"unknown user":         {ScramSHA256, "nobody@a.test", "pencil", "", unbound},
			"wrong password, PLUS": {ScramSHA256Plus, "alice@a.test", "pen", "", bound(exporter)},
		} {
			t.Run(fmt.Sprintf("%s %s", tls.VersionName(version), name), func(t *testing.T) {
				d := new(door)
				err := play(t, d.exchange(server), tt.mechanism, scramClient(t, tt.user, tt.secret, tt.conversation))
				if tt.want == "" && !errors.Is(err, errNo) || tt.want != "" && err != nil || (d.in == 1) != (tt.want != "") {
					t.Errorf("error %v, let in %d", err, d.in)
				}
				want := []Attempt{{Method: Scram, User: tt.user, Proved: tt.want}}
				if diff := cmp.Diff(want, d.asked, cmp.Comparer(func(a, b Client) bool { return true })); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// EP-5: where PLUS is not offered, a client that could bind says so, and gets in.
func TestEP5_ScramWithoutPlus(t *testing.T) {
	c, _ := connect(t, tls.VersionTLS13)
	for _, could := range []bool{false, true} {
		d := new(door)
		x := d.exchange(c)
		x.Offer.Plus = false
		conversation := unbound
		if could {
			conversation = func(c *scram.Client) *scram.ClientConversation {
				return c.NewConversationAdvertisingChannelBinding()
			}
		}
		err := play(t, x, ScramSHA256, scramClient(t, "alice@a.test", "pencil", conversation))
		if err != nil || d.in != 1 {
			t.Errorf("could bind %v: %v, let in %d", could, err, d.in)
		}
		err = play(t, x, ScramSHA256Plus, nil)
		if !errors.Is(err, ErrMechanism) {
			t.Errorf("PLUS: %v", err)
		}
	}
}

// A client that breaks off after the server's proof was never let in.
func TestScramThatIsBrokenOff(t *testing.T) {
	c, _ := connect(t, tls.VersionTLS13)
	d := new(door)
	server, err := d.exchange(c).Server(ScramSHA256)
	if err != nil {
		t.Fatal(err)
	}
	client := scramClient(t, "alice@a.test", "pencil", unbound)
	first, err := client("")
	if err != nil {
		t.Fatal(err)
	}
	challenge, _, err := server.Next([]byte(first))
	if err != nil {
		t.Fatal(err)
	}
	final, err := client(string(challenge))
	if err != nil {
		t.Fatal(err)
	}
	_, done, err := server.Next([]byte(final))
	if err != nil || done || len(d.asked) != 1 {
		t.Errorf("done %v, %v, asked %v", done, err, d.asked)
	}
	_, _, err = server.Next([]byte("more"))
	if !errors.Is(err, ErrMalformed) || d.in > 0 {
		t.Errorf("%v, let in %d", err, d.in)
	}
}

// Who is turned away does not hear whether the proof was right.
func TestScramSaysNothingOfARightProof(t *testing.T) {
	c, _ := connect(t, tls.VersionTLS13)
	for _, secret := range []string{"pencil", appPassword, "pen"} {
		d := &door{full: true}
		said := 0
		client := scramClient(t, "alice@a.test", secret, unbound)
		err := play(t, d.exchange(c), ScramSHA256, func(challenge string) (string, error) {
			said++
			return client(challenge)
		})
		if !errors.Is(err, errBusy) || said != 2 || d.in > 0 { // the first message, the proof
			t.Errorf("%q: %v after %d messages, let in %d", secret, err, said, d.in)
		}
	}
}

// What the backend says of a user that may not even try reaches the client.
func TestScramIsTurnedAway(t *testing.T) {
	c, _ := connect(t, tls.VersionTLS13)
	d := &door{fail: errBusy}
	err := play(t, d.exchange(c), ScramSHA256, scramClient(t, "alice@a.test", "pencil", unbound))
	if !errors.Is(err, errBusy) || len(d.asked) > 0 {
		t.Errorf("%v, asked %v", err, d.asked)
	}
}

func TestKeysOfPreparesAsClientsDo(t *testing.T) {
	salt := []byte("salt")
	a, _, err := KeysOf("\u00aa pass\u00ad", salt, 4096) // RFC 4013 §3
	if err != nil {
		t.Fatal(err)
	}
	b, _, err := KeysOf("a pass", salt, 4096)
	if err != nil || string(a) != string(b) {
		t.Errorf("the keys differ: %v", err)
	}
	_, _, err = KeysOf("bell \a", salt, 4096) // cannot be prepared
	if err != nil {
		t.Error(err)
	}
}

func FuzzExchange(f *testing.F) {
	c, _ := connect(f, tls.VersionTLS13, certificate(f, "client"))
	f.Add(uint8(0), "\x00alice@a.test\x00pencil", "", "")
	f.Add(uint8(1), "alice@a.test", "pencil", "")
	f.Add(uint8(2), "alice@a.test", "", "")
	f.Add(uint8(3), "n,,n=alice@a.test,r=x", "c=biws,r=x,p=AAAA", "")
	f.Add(uint8(4), "p=tls-exporter,a=x,n=alice=2C@a.test,r=x", "c=biws,r=x,p=AAAA", "")
	mechanisms := []string{sasl.Plain, sasl.Login, sasl.External, ScramSHA256, ScramSHA256Plus}
	f.Fuzz(func(t *testing.T, which uint8, first, second, third string) {
		d := &door{}
		x := d.exchange(c)
		x.Verifiers = func(a Attempt) (Verifiers, error) { // cheap ones
			return Verifiers{Salt: []byte("salt"), Iterations: 1, Credentials: []Credential{{"m", make([]byte, 32), make([]byte, 32)}}}, nil
		}
		server, err := x.Server(mechanisms[int(which)%len(mechanisms)])
		if err != nil {
			t.Fatal(err)
		}
		for _, response := range []string{first, second, third} {
			_, done, err := server.Next([]byte(response))
			if done && (len(d.asked) != 1 || d.asked[0].Method == Scram) {
				t.Errorf("let in with %+v", d.asked)
			}
			if done || err != nil {
				break
			}
		}
		if len(d.asked) > 1 {
			t.Errorf("asked %d times", len(d.asked))
		}
	})
}

// RFC 5802 §9: the beginning of SCRAM is the same work for a user that there is not.
func BenchmarkScramFirst(b *testing.B) {
	c, _ := connect(b, tls.VersionTLS13)
	for _, user := range []string{"alice@a.test", "nobody@a.test"} {
		b.Run(user, func(b *testing.B) {
			d := new(door)
			v, err := d.verifiers(Attempt{User: user})
			if err != nil {
				b.Fatal(err)
			}
			x := d.exchange(c)
			x.Verifiers = func(Attempt) (Verifiers, error) { return v, nil }
			for b.Loop() {
				server, err := x.Server(ScramSHA256)
				if err == nil {
					_, _, err = server.Next([]byte("n,,n=" + user + ",r=fyko+d2lbbFgONRv9qkxdawL"))
				}
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
