package interop

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/mime"
	"postern/mime/dsn"
	"postern/store"
)

// TestInteropDCDT_CD11_CD40_CD44_CD45 runs the discovery cases of the certification tool: a message
// to the address of each is encrypted to exactly the right certificate, or is
// not sent and its sender told why.
func TestInteropDCDT_CD11_CD40_CD44_CD45(t *testing.T) {
	testnet.Require(t, "swaks")
	pki := testnet.NewPKI(t, time.Now())
	p := newPublisher(t, pki)
	d := &dcdt{t: t, root: p.root, stranger: pki.Root("stranger"), publisher: p}
	cases := d.cases()
	slices.SortFunc(cases, func(a, b hosting) int { // as people count
		if len(a.name) != len(b.name) {
			return len(a.name) - len(b.name)
		}
		return strings.Compare(a.name, b.name)
	})
	far := newSink(t)
	a := newSite(t, "a.example", setup{
		dns: d.serve(cases), relayPort: portOf(t, far.addr), users: []string{"alice@a.example"},
		keys: []*testnet.Identity{d.root.Leaf("a.example")}, anchors: []*testnet.Identity{d.root},
	})
	a.serve()
	for _, h := range cases {
		t.Run(h.name, func(t *testing.T) {
			t.Log(h.proves)
			id := "<" + h.label + "@a.example>"
			a.swaks("alice@a.example", h.address(), record("alice@a.example", h.address(), id, 1000))
			life := a.waitTrack(id, time.Minute, func(l control.Life) bool {
				return relayed(l) || l.Recipients[0].State == store.TrackFailed
			})
			got := far.messages(h.address())
			if h.want == nil {
				checkLife(t, h.name, life, store.TrackFailed, h.reason)
				if len(got) != 0 {
					t.Fatalf("%d messages were sent", len(got))
				}
				a.checkFailure(t, id, h)
				return
			}
			checkLife(t, h.name, life, store.TrackRelayed, "")
			if len(got) != 1 {
				t.Fatalf("%d messages were sent", len(got))
			}
			h.checkSealed(t, got[0], id)
		})
	}
	a.alive()
}

// serve publishes all cases and returns the address of BIND.
func (d *dcdt) serve(cases []hosting) string {
	d.t.Helper()
	var good, other []testnet.Entry
	for _, h := range cases {
		good, other = append(good, h.good...), append(other, h.other...)
	}
	ports := strings.NewReplacer(
		"$good", portOf(d.t, testnet.Slapd(d.t, "o=good", good)),
		"$other", portOf(d.t, testnet.Slapd(d.t, "o=other", other)),
		"$dead", portOf(d.t, testnet.DeadPort(d.t)),
	)
	zones := make(map[string][]string)
	for _, h := range cases {
		lines := mx()
		for _, line := range h.zone {
			lines = append(lines, ports.Replace(line))
		}
		zones[h.domain()] = lines
	}
	return testnet.BIND(d.t, zones)
}

// recipientSerial is where openssl prints whom an envelope is for.
var recipientSerial = regexp.MustCompile(`(?m)^ *serialNumber: (\d+)$`)

// checkSealed has OpenSSL say that a message is encrypted to the right
// certificate alone, and decrypt it with its key and with no decoy's.
func (h hosting) checkSealed(t *testing.T, sealed, id string) {
	t.Helper()
	file := writeFile(t, filepath.Join(t.TempDir(), "sealed"), sealed)
	printed := peer(t, "", "openssl", "cms", "-cmsout", "-print", "-noout", "-in", file)
	serials := recipientSerial.FindAllStringSubmatch(printed, -1)
	if len(serials) != 1 || serials[0][1] != h.want.Cert.SerialNumber.String() {
		t.Errorf("it is encrypted to %q, want the certificate %s alone", serials, h.want.Cert.SerialNumber)
	}
	right := newParty(t, h.want)
	opened := peer(t, "", "openssl", "cms", "-decrypt", "-in", file, "-recip", right.cert, "-inkey", right.key)
	if !strings.Contains(opened, id) {
		t.Errorf("what was decrypted is not the message:\n%s", tail(opened))
	}
	for _, decoy := range h.decoys {
		wrong := newParty(t, decoy)
		if opens(t, "-in", file, "-recip", wrong.cert, "-inkey", wrong.key) {
			t.Errorf("the key of the certificate %s decrypts it as well", decoy.Cert.SerialNumber)
		}
	}
}

// checkFailure looks for the notice that tells the sender why a message was not
// sent.
func (s *site) checkFailure(t *testing.T, id string, h hosting) {
	t.Helper()
	for _, m := range s.inbox("alice@a.example", 1) {
		n, err := dsn.Parse(strings.NewReader(m), mime.Limits{})
		if err != nil {
			t.Fatalf("this is no failure notice: %v\n%s", err, tail(m))
		}
		if n.OriginalMessageID != id {
			continue
		}
		r := n.Recipients[0]
		if len(n.Recipients) != 1 || r.Final.String() != h.address() || r.Action != dsn.Failed || !strings.HasSuffix(r.Diagnostic, " "+h.reason) {
			t.Errorf("the notice says %+v, want %s for %s", n.Recipients, h.reason, h.address())
		}
		return
	}
	t.Errorf("there is no notice for %s", id)
}
