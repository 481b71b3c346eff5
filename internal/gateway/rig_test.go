package gateway

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"postern/internal/gateway/care"
	"postern/internal/gateway/proof"
	"postern/internal/testnet"
	"postern/mime"
	"postern/smtp"
	"postern/store"
	"postern/trust/discovery"
	"postern/trust/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is a text that must never be seen outside of an envelope.
const canary = "CANARY-Jane-Doe-1970-01-01"

// exactly is randomness that there is none of: waits are what they are.
var exactly = iotest.ErrReader(errors.New("no randomness"))

// A clock is a time that tests move, or that of a synctest bubble.
type clock struct{ *testnet.Clock }

func (c *clock) advance(d time.Duration) { c.Advance(d) }

// A world is a few gateways with one clock, one PKI and a network that is
// always there unless a test says otherwise.
type world struct {
	t     *testing.T
	clock *clock
	pki   *testnet.PKI
	root  *testnet.Identity
	sites map[mime.Domain]*site
	// find answers instead of the sites' own certificates when it returns true.
	find func(discovery.Request) (discovery.Result, bool)
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return worldAt(t, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
}

func worldAt(t *testing.T, start time.Time) *world {
	t.Helper()
	w := &world{t: t, clock: &clock{testnet.NewClock(start)}, sites: make(map[mime.Domain]*site)}
	w.pki = testnet.NewPKI(t, start)
	w.root = w.pki.Root("root")
	return w
}

// A site is a gateway in a world. Its steps run when a test says so.
type site struct {
	*Core
	t     *testing.T
	world *world
	log   bytes.Buffer

	mu   sync.Mutex
	sent []smtp.Delivery // what was relayed
	raw  [][]byte        // the messages of sent
	// answer is asked what a destination says; nil is OK for everybody.
	answer func(d smtp.Delivery) []smtp.Result
}

// site makes a gateway with domains of its own, each with a certificate of the
// world's root, which it also trusts.
func (w *world) site(domains ...mime.Domain) *site {
	w.t.Helper()
	s := w.bare(domains...)
	for _, d := range domains {
		s.addKey(string(d), w.root.Leaf(string(d)))
	}
	s.trust("", store.Both, w.root)
	return s
}

// bare is a site without certificates and anchors.
func (w *world) bare(domains ...mime.Domain) *site {
	w.t.Helper()
	db, err := store.Create(filepath.Join(w.t.TempDir(), care.StoreFile), store.Options{MasterKey: store.NewMasterKey(), Now: w.clock.Now})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { db.Close() })
	s := &site{t: w.t, world: w}
	s.Core = &Core{
		Hostname: "mx." + string(domains[0]), Store: db, Finder: w, Sender: s, Now: w.clock.Now,
		Log: slog.New(slog.NewTextHandler(&s.log, nil)), ScramIterations: 4096,
	}
	s.uneven = exactly
	s.setDefaults()
	for _, d := range domains {
		s.update(func(tx store.Tx) error { return tx.PutDomain(store.Domain{Name: d}) })
		w.sites[d] = s
	}
	return s
}

func (s *site) update(fn func(store.Tx) error) {
	s.t.Helper()
	err := s.Store.Update(s.t.Context(), fn)
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) view(fn func(store.Tx) error) {
	s.t.Helper()
	err := s.Store.View(s.t.Context(), fn)
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) addKey(owner string, id *testnet.Identity, change ...func(*store.Key)) {
	s.t.Helper()
	k := store.Key{
		Fingerprint: store.FingerprintOf(id.Cert.Raw), Owner: owner, Certificate: id.Cert.Raw,
		PKCS8: pkcs8(s.t, id), Created: s.Now(),
	}
	for _, c := range change {
		c(&k)
	}
	s.update(func(tx store.Tx) error { return tx.PutKey(k) })
}

func pkcs8(t *testing.T, id *testnet.Identity) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(id.Key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func anchorOf(d mime.Domain, way store.Direction, id *testnet.Identity) store.Anchor {
	return store.Anchor{
		Source: store.ManualSource, Domain: d, Fingerprint: store.FingerprintOf(id.Cert.Raw),
		Direction: way, Certificate: id.Cert.Raw,
	}
}

func (s *site) trust(d mime.Domain, way store.Direction, id *testnet.Identity) {
	s.t.Helper()
	s.update(func(tx store.Tx) error { return tx.PutAnchor(anchorOf(d, way, id)) })
}

func (s *site) accounts(all ...string) {
	s.t.Helper()
	for _, a := range all {
		s.update(func(tx store.Tx) error { return tx.PutAccount(store.Account{Address: addr(s.t, a)}) })
	}
}

var addr = testnet.Address

func addrs(t testing.TB, all ...string) []mime.Address {
	t.Helper()
	var out []mime.Address
	for _, s := range all {
		out = append(out, addr(t, s))
	}
	return out
}

// Find answers from the sites: what their directories have is what they publish.
func (w *world) Find(ctx context.Context, r discovery.Request) discovery.Result {
	if w.find != nil {
		found, ok := w.find(r)
		if ok {
			return found
		}
	}
	a := r.Address
	s := w.sites[a.Domain()]
	if s == nil {
		return discovery.Result{Err: reason.New(reason.NoCertificate, "nothing at %s", a)}
	}
	dir, err := s.Directory(ctx)
	if err != nil {
		return discovery.Result{Err: reason.New(reason.DiscoveryTimeout, "%w", err)}
	}
	return localResult(dir, a, s.Now())
}

// published is a result of discovery with certificates.
func published(ids ...*testnet.Identity) discovery.Result {
	var r discovery.Result
	for _, id := range ids {
		r.Certificates = append(r.Certificates, discovery.Found{Certificate: id.Cert, Source: discovery.DNSDomain})
	}
	return r
}

// Send takes what the relay step sends.
func (s *site) Send(_ context.Context, d smtp.Delivery) []smtp.Result {
	r, err := d.Message()
	if err != nil {
		s.t.Error(err)
		return nil
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		s.t.Error(err)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent, s.raw = append(s.sent, d), append(s.raw, raw)
	if s.answer != nil {
		return s.answer(d)
	}
	return said(d, reason.OK)
}

func said(d smtp.Delivery, code reason.Code) []smtp.Result {
	var all []smtp.Result
	for _, a := range d.To {
		all = append(all, smtp.Result{Recipient: a, Code: code, Host: "mx.far"})
	}
	return all
}

// taken returns what was relayed since it was asked last.
func (s *site) taken() ([]smtp.Delivery, [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent, raw := s.sent, s.raw
	s.sent, s.raw = nil, nil
	return sent, raw
}

// jobs lists the jobs of some kinds, or all but those that watch what has gone.
func (s *site) jobs(kinds ...store.JobKind) []store.Job {
	s.t.Helper()
	var all []store.Job
	s.view(func(tx store.Tx) error {
		all = nil
		return tx.EachJob(0, func(j store.Job) bool {
			if len(kinds) == 0 && j.Kind != store.WatchJob || slices.Contains(kinds, j.Kind) {
				all = append(all, j)
			}
			return true
		})
	})
	return all
}

func (s *site) stepOf(kind store.JobKind) step {
	return map[store.JobKind]step{
		store.SealJob: s.seal, store.RelayJob: s.relay, store.OpenJob: s.open, store.KeptJob: s.drop, store.WatchJob: s.watch,
		store.HookJob: s.hook, store.PushJob: s.push,
	}[kind]
}

// run does every step that is due, until none is.
func (s *site) run() {
	s.t.Helper()
	for range 1000 {
		all := s.jobs(store.SealJob, store.RelayJob, store.OpenJob, store.WatchJob, store.KeptJob, store.HookJob, store.PushJob)
		i := slices.IndexFunc(all, func(j store.Job) bool { return !j.Idle() && !j.Due.After(s.Steady()) })
		if i < 0 {
			return
		}
		j := all[i]
		s.doStep(s.t.Context(), j, s.stepOf(j.Kind))
		s.waits.Wait()
	}
	s.t.Fatal("the steps do not come to an end")
}

// runAll runs all sites and carries what they relay, until nothing moves.
func (w *world) runAll() {
	w.t.Helper()
	for range 100 {
		moved := false
		for _, s := range w.sites {
			s.run()
			sent, raw := s.taken()
			for i, d := range sent {
				moved = true
				w.carry(d, raw[i])
			}
		}
		if !moved {
			return
		}
	}
	w.t.Fatal("the sites do not come to rest")
}

// carry hands a relayed message to the site of its destination.
func (w *world) carry(d smtp.Delivery, raw []byte) {
	w.t.Helper()
	far := w.sites[d.Destination]
	if far == nil {
		return
	}
	for _, to := range d.To {
		err := (Backbone{far.Core}).CheckRecipient(w.t.Context(), to)
		if err != nil {
			w.t.Fatal(err)
		}
	}
	far.receive(raw, d.From, d.To...)
}

// receive takes a message from the backbone.
func (s *site) receive(raw []byte, from mime.Address, to ...mime.Address) store.TrackID {
	s.t.Helper()
	e := smtp.Envelope{Remote: netip.MustParseAddrPort("192.0.2.1:25"), From: from, To: to}
	id, err := Backbone{s.Core}.Accept(s.t.Context(), e, bytes.NewReader(raw))
	if err != nil {
		s.t.Fatal(err)
	}
	return store.TrackID(id)
}

// message is a patient's record with the header fields given; each line ends in
// LF here.
func message(from, to string, fields ...string) string {
	head := fmt.Sprintf("From: Dr. Alice <%s>\nTo: Bob <%s>\nSubject: %s\nMessage-ID: <m1@a.example>\n"+
		"Date: Mon, 01 Jun 2026 12:00:00 +0000\nMIME-Version: 1.0\n", from, to, canary)
	for _, f := range fields {
		head += f + "\n"
	}
	return head + "\n" + canary + "\n"
}

// crlf writes line ends as they are on the wire.
func crlf(s string) []byte {
	return []byte(strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n"))
}

// try submits a message and returns what Accept says.
func (s *site) try(text, from string, to ...string) (store.TrackID, error) {
	s.t.Helper()
	a := addr(s.t, from)
	e := smtp.Envelope{Account: a, Proof: s.proof(a), From: a, To: addrs(s.t, to...)}
	id, err := Submission{s.Core}.Accept(s.t.Context(), e, bytes.NewReader(crlf(text)))
	return store.TrackID(id), err
}

// proof is what an account that logs in now has proved.
func (s *site) proof(a mime.Address) string {
	s.t.Helper()
	dir, err := s.Directory(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	account, _ := dir.Account(a)
	return proof.OfPassword(account)
}

func (s *site) submit(text, from string, to ...string) store.TrackID {
	s.t.Helper()
	id, err := s.try(text, from, to...)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *site) body(id store.BodyID) string {
	s.t.Helper()
	b, err := s.Store.OpenBody(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// inbox returns the messages in an account's INBOX.
func (s *site) inbox(account string) []string {
	s.t.Helper()
	var bodies []store.BodyID
	s.view(func(tx store.Tx) error {
		bodies = nil
		box, err := tx.MailboxByName(addr(s.t, account), store.Inbox)
		if err != nil {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			bodies = append(bodies, m.Body)
			return true
		})
	})
	var all []string
	for _, id := range bodies {
		all = append(all, s.body(id))
	}
	return all
}

// states returns state and reason of each recipient of a track, as in
// "bob@b.example failed no-certificate".
func (s *site) states(id store.TrackID) []string {
	s.t.Helper()
	var all []string
	s.view(func(tx store.Tx) error {
		t, err := tx.Track(id)
		if err != nil {
			return err
		}
		all = nil
		for _, r := range t.Recipients {
			line := r.Address.String() + " " + string(r.State)
			if r.Reason != "" && r.Reason != "ok" {
				line += " " + r.Reason
			}
			all = append(all, line)
		}
		return nil
	})
	return all
}

// tracksOf returns the tracks of a Message-ID.
func (s *site) tracksOf(messageID string) []store.Track {
	s.t.Helper()
	var all []store.Track
	s.view(func(tx store.Tx) error {
		all = nil
		return tx.EachTrack(store.TrackQuery{MessageID: messageID, Oldest: true}, func(t store.Track) bool {
			all = append(all, t)
			return true
		})
	})
	return all
}

// headerOf reads the header of a message.
func headerOf(t testing.TB, raw string) *mime.Header {
	t.Helper()
	h, err := mime.ReadHeader(bufioReader(raw), mime.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return h
}
