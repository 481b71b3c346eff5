package interop

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"postern/internal/cms"
	"postern/internal/config"
	"postern/internal/control"
	"postern/internal/testnet"
	"postern/smtp"
	"postern/store"
)

const (
	nestBytes  = 4 << 20
	mimeLevels = 5000
	boundTime  = time.Minute // for any one message on a busy machine
)

// asn1Envelope is as much of ContentInfo with EnvelopedData as it takes to make
// bad ones (RFC 5652 §3, §6.1).
type asn1Envelope struct {
	Type    asn1.ObjectIdentifier
	Content struct {
		Version    int
		Recipients asn1.RawValue
		Encrypted  struct {
			Type       asn1.ObjectIdentifier
			Algorithm  asn1.RawValue
			Ciphertext asn1.RawValue
		}
	} `asn1:"explicit,tag:0"`
}

// A forger makes messages to bob that no honest agent sends.
type forger struct {
	t *testing.T
	sealer
}

// head is the outer header of a message with its Message-ID.
func head(id string) string {
	return "From: alice@a.example\r\nTo: bob@b.example\r\nDate: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: " + id + "\r\n" +
		"MIME-Version: 1.0\r\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data; name=\"smime.p7m\"\r\n" +
		"Content-Transfer-Encoding: base64\r\n\r\n"
}

// envelop encrypts anything at all for bob.
func (f forger) envelop(entity string) string {
	f.t.Helper()
	var der bytes.Buffer
	w, err := cms.NewEnvelopedWriter(&der, int64(len(entity)), f.to, cms.EncryptOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = w.Write([]byte(entity))
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return der.String()
}

// takeApart reads an envelope, and putTogether writes one.
func (f forger) takeApart(der string) asn1Envelope {
	f.t.Helper()
	var e asn1Envelope
	_, err := asn1.Unmarshal([]byte(der), &e)
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

func (f forger) putTogether(e asn1Envelope) string {
	f.t.Helper()
	der, err := asn1.Marshal(e)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(der)
}

// cut is an envelope whose ciphertext lacks its last octets.
func (f forger) cut(der string, octets int) string {
	f.t.Helper()
	e := f.takeApart(der)
	c := e.Content.Encrypted.Ciphertext.Bytes
	e.Content.Encrypted.Ciphertext = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, Bytes: c[:len(c)-octets]}
	return f.putTogether(e)
}

// nestedCiphertext is an envelope whose ciphertext is a nest of octet strings.
func (f forger) nestedCiphertext(der string) string {
	f.t.Helper()
	e := f.takeApart(der)
	nest := strings.Repeat("\x24\x80", nestBytes/2)
	e.Content.Encrypted.Ciphertext = asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: []byte(nest)}
	return f.putTogether(e)
}

// mimeNest is a message of multiparts inside of each other.
func mimeNest(id string, levels int) string {
	var b strings.Builder
	b.WriteString("From: alice@a.example\r\nTo: bob@b.example\r\nSubject: nest\r\n")
	b.WriteString("Date: Sun, 01 Mar 2026 12:00:00 +0000\r\nMessage-ID: " + id + "\r\nMIME-Version: 1.0\r\n")
	for i := range levels {
		fmt.Fprintf(&b, "Content-Type: multipart/mixed; boundary=\"b%d\"\r\n\r\n--b%d\r\n", i, i)
	}
	b.WriteString("Content-Type: text/plain\r\n\r\nin the middle\r\n")
	for i := levels - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "--b%d--\r\n", i)
	}
	return b.String()
}

// TestInteropBounds sends what is made to exhaust or to crash. It is refused,
// or served, and the gateway goes on.
func TestInteropBounds(t *testing.T) {
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	own, far := root.Leaf("b.example"), root.Leaf("a.example")
	s := newSite(t, "b.example", setup{
		users: []string{"bob@b.example", "carol@b.example"}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
	})
	s.serve()
	f := forger{t, sealer{far, testnet.Certs(own)}}
	nest := strings.Repeat("\x30\x80", nestBytes/2)
	// ContentInfo as far as the first set: recipientInfos, digestAlgorithms.
	inEnveloped := "\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03\xa0\x80\x30\x80\x02\x01\x00\x31\x80" + nest
	inSigned := "\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x80" + nest
	signedPart := "Content-Type: application/pkcs7-mime; smime-type=signed-data\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	good := f.envelop("Content-Type: text/plain\r\n\r\n" + strings.Repeat("x", 1000))
	multipart := "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; micalg=sha-256; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b\r\nContent-Type: application/pkcs7-signature\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	for i, c := range []struct{ name, cms string }{
		{"a nest as the envelope", nest},
		{"a nest as the recipients", inEnveloped},
		{"a nest as the ciphertext", f.nestedCiphertext(good)},
		{"a nest as the signed message inside", f.envelop(signedPart + base64Lines(nest))},
		{"a nest within the signed message inside", f.envelop(signedPart + base64Lines(inSigned))},
		{"a nest within the signature inside", f.envelop(multipart + base64Lines(inSigned[:512<<10]) + "\r\n--b--\r\n")},
		{"one octet off the block", f.cut(good, 1)},
		{"half a block off", f.cut(good, 8)},
		{"no ciphertext at all", f.cut(good, len(f.takeApart(good).Content.Encrypted.Ciphertext.Bytes))},
		{"a MIME nest inside, unsigned", f.envelop(mimeNest("<inner@a.example>", mimeLevels))},
	} {
		t.Run(c.name, func(t *testing.T) {
			id := fmt.Sprintf("<bounds.%d@a.example>", i)
			s.deliver(t, head(id)+base64Lines(c.cms))
			life := s.waitTrack(id, boundTime, refused)
			t.Logf("%s: %s", life.Recipients[0].Reason, life.Recipients[0].Detail)
			s.alive()
		})
	}
	t.Run("a MIME nest inside, signed", func(t *testing.T) {
		const id = "<nest@a.example>"
		message := mimeNest(id, mimeLevels)
		s.deliver(t, f.seal(t, message, "bob@b.example"))
		s.waitTrack(id, boundTime, func(l control.Life) bool { return l.Recipients[0].State == store.TrackDelivered })
		if got := s.inbox("bob@b.example", 1); len(got) != 1 || got[0] != message {
			t.Errorf("%d messages came", len(got))
		}
		s.looks(t, "bob@b.example")
	})
	// A body of 25 MiB is part of TestInteropMemory.
	t.Run("a MIME nest submitted", func(t *testing.T) {
		const id = "<nest@b.example>"
		message := strings.Replace(mimeNest(id, mimeLevels), "From: alice@a.example", "From: carol@b.example", 1)
		err := s.submit("carol@b.example", "bob@b.example", message)
		if err != nil {
			t.Logf("refused: %v", err)
		} else {
			// Delivered, or a failure notice: either way carol hears of it.
			s.inbox("carol@b.example", 1)
		}
		s.alive()
	})
	t.Run("an 8-bit MIME nest submitted", func(t *testing.T) {
		const id = "<nest8@b.example>"
		message := strings.Replace(mimeNest(id, mimeLevels), "From: alice@a.example", "From: carol@b.example", 1)
		err := s.submit("carol@b.example", "bob@b.example", strings.Replace(message, "in the middle", "in the mi\xc3\xa4ddle", 1))
		if err != nil {
			t.Logf("refused: %v", err)
		} else {
			s.inbox("carol@b.example", 2)
		}
		s.alive()
	})
	s.stop()
	s.checkStore()
}

// deliver hands a message to the backbone as alice's agent, and must be
// answered 250: what is inside is nobody's business there.
func (s *site) deliver(t *testing.T, message string) {
	t.Helper()
	c, err := dialBackbone(t.Context(), s.backbone)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = c.send("alice@a.example", "bob@b.example", strings.NewReader(message))
	if err != nil {
		t.Fatalf("the backbone answers %v", err)
	}
}

// looks asks for everything that makes the IMAP server parse the first message.
func (s *site) looks(t *testing.T, user string) {
	t.Helper()
	session, err := dialIMAP(t.Context(), s.address("imaps"), user, s.clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer session.conn.Close()
	for _, command := range []string{
		"FETCH 1 (ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE)",
		"FETCH 1 BODY.PEEK[" + strings.Repeat("1.", 60) + "MIME]",
		"SEARCH TEXT middle",
	} {
		answer, err := session.do(command) // that it says no is as good
		t.Logf("%s: %d octets, %v", command[:min(len(command), 40)], len(answer), err)
	}
	_, err = session.do("NOOP")
	if err != nil {
		t.Errorf("the session did not survive: %v", err)
	}
	s.alive()
}

// TestInteropLargest sends a message of the configured limit: it grows by
// sealing, and the other gateway, of the same configuration, must take it.
func TestInteropLargest(t *testing.T) {
	p := newPair(t)
	const id = "<largest@a.example>"
	limit := config.Default().Limits.MessageBytes
	message := record("alice@a.example", "bob@b.example", id, int(limit)-1000)
	if over := int64(len(message)) - limit; over > 0 || over < -1000 {
		t.Fatalf("the message has %d octets more than the limit", over)
	}
	err := p.a.submit("alice@a.example", "bob@b.example", message)
	if err != nil {
		t.Fatal(err)
	}
	p.a.waitTrack(id, boundTime, processed)
	if got := p.b.inbox("bob@b.example", 1); len(got) != 1 || got[0] != message {
		t.Errorf("%d messages came", len(got))
	}
	sealed := p.a.must(message, "seal", "--from", "alice@a.example", "--to", "bob@b.example")
	if e := p.b.run(sealed, "open", "--to", "bob@b.example"); e.code != 0 || e.stdout != message {
		t.Errorf("open: exit code %d\n%s", e.code, e.stderr)
	}
	err = p.a.submit("alice@a.example", "bob@b.example", message+strings.Repeat("x", 1000)+"\r\n")
	var reply *smtp.ReplyError
	if !errors.As(err, &reply) || reply.Code != 552 {
		t.Errorf("a message above the limit is answered %v, want 552", err)
	}
}
