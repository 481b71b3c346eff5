package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// sites are whom the round trip is between.
type sites struct {
	CA   string // PEM file of who certified both; they are on loopback, whatever their names
	From side
	To   side
}

type side struct{ URL, Token, Address string }

// roundTrip sends a message with attachments from one site to the other and follows
// it, by the generated client.
func roundTrip(check *checker, config io.Reader) error {
	var s sites
	err := json.NewDecoder(config).Decode(&s)
	if err != nil {
		return err
	}
	t, err := newTrip(check, s)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	for _, step := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"look up", t.lookup}, {"send", t.send}, {"send again", t.sendAgain}, {"list", t.list}, {"read", t.read},
		{"acknowledge", t.acknowledge}, {"status", t.status}, {"remove", t.remove}, {"hooks", t.hooks},
	} {
		err := step.do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		fmt.Println("ok:", step.what)
	}
	fmt.Println(t.transport.count, "exchanges were as the document says")
	return nil
}

type trip struct {
	sites
	transport *checking
	from, to  *ClientWithResponses
	documents map[string][]byte
	sent      Accepted
	received  string
}

func newTrip(check *checker, s sites) (*trip, error) {
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	t := &trip{sites: s, documents: map[string][]byte{"record.xml": []byte("<a/>\r\n\n\x00"), "Übung.pdf": bytes.Repeat([]byte{0xff, 0, '\n', '\r'}, 70_001)}}
	t.transport = &checking{next: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true, DialContext: onLoopback}, check: check}
	for to, with := range map[**ClientWithResponses]side{&t.from: s.From, &t.to: s.To} {
		*to, err = NewClientWithResponses(with.URL, WithHTTPClient(&http.Client{Transport: t.transport}), WithRequestEditorFn(func(_ context.Context, q *http.Request) error {
			q.Header.Set("Authorization", "Bearer "+with.Token)
			return nil
		}))
		if err != nil {
			return nil, err
		}
	}
	return t, nil
}

// onLoopback connects to the port of an address.
func onLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

func (t *trip) lookup(ctx context.Context) error {
	v, err := t.from.LookupAddressWithResponse(ctx, &LookupAddressParams{Address: t.To.Address})
	if err != nil {
		return err
	}
	if v.JSON200 == nil || !v.JSON200.CanSend {
		return fmt.Errorf("%s: %s", v.Status(), v.Body)
	}
	v, err = t.from.LookupAddressWithResponse(ctx, &LookupAddressParams{Address: "nobody@nowhere.example"})
	if err != nil {
		return err
	}
	if v.JSON200 == nil || v.JSON200.CanSend || v.JSON200.Code == "ok" {
		return fmt.Errorf("%s: %s", v.Status(), v.Body)
	}
	return nil
}

func (t *trip) message() NewMessage {
	subject, text, yes := "Entlaßbrief", "Grüße\n", true
	m := NewMessage{To: &[]string{t.To.Address}, Subject: &subject, Text: &text, RequestDeliveryNotice: &yes, Attachments: &[]NewAttachment{}}
	for _, name := range []string{"record.xml", "Übung.pdf"} {
		*m.Attachments = append(*m.Attachments, NewAttachment{Name: &name, Content: t.documents[name]})
	}
	return m
}

const key = "round-trip-1"

func (t *trip) send(ctx context.Context) error {
	k := key
	a, err := t.from.SendMessageWithResponse(ctx, &SendMessageParams{IdempotencyKey: &k}, t.message())
	if err != nil {
		return err
	}
	if a.JSON202 == nil {
		return fmt.Errorf("%s: %s", a.Status(), a.Body)
	}
	t.sent = *a.JSON202
	return nil
}

// sendAgain gets the same answer, and another message with the key is refused.
func (t *trip) sendAgain(ctx context.Context) error {
	before := t.sent
	err := t.send(ctx)
	if err != nil {
		return err
	}
	if t.sent != before {
		return fmt.Errorf("it was sent again, as %v", t.sent)
	}
	k, other := key, t.message()
	*other.Text = "another"
	a, err := t.from.SendMessageWithResponse(ctx, &SendMessageParams{IdempotencyKey: &k}, other)
	if err != nil {
		return err
	}
	if a.ApplicationproblemJSON422 == nil || a.ApplicationproblemJSON422.Code != "key-reused" {
		return fmt.Errorf("%s: %s", a.Status(), a.Body)
	}
	return nil
}

func (t *trip) list(ctx context.Context) error {
	wait := 60
	l, err := t.to.ListMessagesWithResponse(ctx, &ListMessagesParams{Wait: &wait})
	if err != nil {
		return err
	}
	if l.JSON200 == nil || len(l.JSON200.Messages) != 1 {
		return fmt.Errorf("%s: %s", l.Status(), l.Body)
	}
	t.received = l.JSON200.Messages[0].Id
	return nil
}

func (t *trip) read(ctx context.Context) error {
	m, err := t.to.ReadMessageWithResponse(ctx, t.received)
	if err != nil {
		return err
	}
	if m.JSON200 == nil || m.JSON200.MessageId != t.sent.MessageId || m.JSON200.Subject != "Entlaßbrief" || m.JSON200.Text != "Grüße\r\n" {
		return fmt.Errorf("%s: %s", m.Status(), m.Body)
	}
	found := 0
	for _, p := range m.JSON200.Parts {
		want, ok := t.documents[p.Name]
		if !ok {
			continue
		}
		found++
		part, err := t.to.ReadPartWithResponse(ctx, t.received, strconv.Itoa(p.Part))
		if err != nil {
			return err
		}
		if !bytes.Equal(part.Body, want) {
			return fmt.Errorf("%s is another one: %s", p.Name, part.Status())
		}
	}
	if found != len(t.documents) {
		return fmt.Errorf("%d documents are there", found)
	}
	raw, err := t.to.RawMessageWithResponse(ctx, t.received)
	if err != nil {
		return err
	}
	if int64(len(raw.Body)) != m.JSON200.Size {
		return fmt.Errorf("the raw message has %d octets", len(raw.Body))
	}
	return nil
}

func (t *trip) acknowledge(ctx context.Context) error {
	a, err := t.to.AcknowledgeMessageWithResponse(ctx, t.received)
	if err != nil {
		return err
	}
	l, err := t.to.ListMessagesWithResponse(ctx, &ListMessagesParams{})
	if err != nil {
		return err
	}
	if a.StatusCode() != http.StatusNoContent || l.JSON200 == nil || len(l.JSON200.Messages) != 0 {
		return fmt.Errorf("%s; %s: %s", a.Status(), l.Status(), l.Body)
	}
	return nil
}

// status waits until the far side has said that it delivered the message.
func (t *trip) status(ctx context.Context) error {
	for {
		s, err := t.from.ReadSentWithResponse(ctx, t.sent.MessageId)
		if err != nil {
			return err
		}
		if s.JSON200 == nil || s.JSON200.Id != t.sent.Id || len(s.JSON200.Recipients) != 1 {
			return fmt.Errorf("%s: %s", s.Status(), s.Body)
		}
		if s.JSON200.Recipients[0].State == RecipientStatusStateDispatched {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), fmt.Errorf("it stands at %s", s.Body))
		}
	}
}

func (t *trip) remove(ctx context.Context) error {
	r, err := t.to.RemoveMessageWithResponse(ctx, t.received)
	if err != nil {
		return err
	}
	m, err := t.to.ReadMessageWithResponse(ctx, t.received)
	if err != nil {
		return err
	}
	if r.StatusCode() != http.StatusNoContent || m.StatusCode() != http.StatusNotFound {
		return fmt.Errorf("%s, then %s", r.Status(), m.Status())
	}
	return nil
}

func (t *trip) hooks(ctx context.Context) error {
	h, err := t.to.AddHookWithResponse(ctx, NewHook{Url: "https://hooks.example/arrived", Events: []HookEvent{HookEventArrived}})
	if err != nil {
		return err
	}
	if h.JSON201 == nil || h.JSON201.Secret == nil {
		return fmt.Errorf("%s: %s", h.Status(), h.Body)
	}
	l, err := t.to.ListHooksWithResponse(ctx)
	if err != nil {
		return err
	}
	if l.JSON200 == nil || len(l.JSON200.Hooks) != 1 || l.JSON200.Hooks[0].Secret != nil {
		return fmt.Errorf("%s: %s", l.Status(), l.Body)
	}
	r, err := t.to.RemoveHookWithResponse(ctx, h.JSON201.Id)
	if err != nil {
		return err
	}
	if r.StatusCode() != http.StatusNoContent {
		return fmt.Errorf("%s: %s", r.Status(), r.Body)
	}
	return nil
}
