package interop

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/testnet"
)

// A mtReceived is a message of the far side, and the notifications that have to
// come back, in this order on the wire.
type mtReceived struct {
	name, local string
	fields      string // of its header, beside the usual ones
	to          string
	back        []string // dispositions, with "+" behind one that has the extension
}

// mtFull is a mailbox that has less room than a message needs.
const mtFull = "full@a.example"

// TestInteropMT_Receiving has the far side send in the manners of MT 39 to 41,
// and read what comes back: DN-4 to DN-10, AS-85 to AS-95.
func TestInteropMT_Receiving(t *testing.T) {
	t.Parallel()
	pki := testnet.NewPKI(t, time.Now())
	root := pki.Root("interop root")
	own, far := root.Leaf("a.example"), root.Leaf("b.example")
	f := newFarSide(t, far, root, own, nil)
	a := newSite(t, "a.example", setup{
		dns: testnet.BIND(t, map[string][]string{
			"a.example": mx(testnet.ZoneCERT("@", own.Cert)),
			"b.example": mx(testnet.ZoneCERT("@", far.Cert)),
		}),
		relayPort: portOf(t, f.addr), users: []string{mtUser, mtFull}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
	})
	a.must("", "account", "quota", mtFull, "1KiB")
	f.backbone = a.backbone
	a.serve()
	cases := []mtReceived{
		{"AS-85 no request", "plain", "", mtUser, []string{"processed"}},
		{"MT 39, good request", "good", request, mtUser, []string{"processed", "dispatched+"}},
		{"DN-3 request in another case", "case", optionsField + "x-direct-final-destination-delivery = Optional , True\r\n", mtUser, []string{"processed", "dispatched+"}},
		{"MT 40, bad request", "bad", optionsField + "X-DIRECT-FINAL-DESTINATION-DELIVER=optional,tru\r\n", mtUser, []string{"processed"}},
		{"DN-3 another importance", "required", optionsField + "X-DIRECT-FINAL-DESTINATION-DELIVERY=required,true\r\n", mtUser, []string{"processed"}},
		{"DN-3 another value", "false", optionsField + "X-DIRECT-FINAL-DESTINATION-DELIVERY=optional,false\r\n", mtUser, []string{"processed"}},
		{"MT 41, mailbox full", "full", request, mtFull, []string{"processed", "failed"}},
	}
	for _, c := range cases {
		err := f.send(c.letter())
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	for _, l := range loops() {
		err := f.send(l)
		if err != nil {
			t.Fatalf("sending a notification: %v", err)
		}
	}
	a.waitIdle(nil)
	f.idle()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.check(t, f) })
	}
	t.Run("AS-86 nothing answers a notification", func(t *testing.T) {
		for _, got := range f.arrivals("loop@b.example") {
			t.Errorf("an answer came:\n%s", tail(got.inner))
		}
	})
	a.alive()
}

func (c mtReceived) from() string { return c.local + "@b.example" }

func (c mtReceived) id() string { return "<" + c.local + "@b.example>" }

// letter is the message, sealed by OpenSSL.
func (c mtReceived) letter() letter {
	text := strings.ReplaceAll(c.fields, mtUser, c.from()) + record(c.from(), c.to, c.id(), 2000)
	return letter{from: c.from(), to: c.to, id: c.id(), text: text}
}

// check reads what came back, as OpenSSL opened it.
func (c mtReceived) check(t *testing.T, f *farSide) {
	var back []string
	for _, got := range f.arrivals(c.from()) {
		back = append(back, c.disposition(t, got))
	}
	if diff := cmp.Diff(c.back, back); diff != "" {
		t.Errorf("what came back (-want +got):\n%s", diff)
	}
}

// disposition checks the form of a notification and returns what it says.
func (c mtReceived) disposition(t *testing.T, got arrival) string {
	t.Helper()
	head, body, _ := strings.Cut(got.inner, "\r\n\r\n")
	_, report, found := strings.Cut(body, "Content-Type: message/disposition-notification\r\n\r\n")
	if !found {
		t.Fatalf("this is no notification (AS-89):\n%s", tail(got.inner))
	}
	report, _, _ = strings.Cut(report, "\r\n--")
	says := ""
	for _, d := range []string{"processed", "dispatched", "failed"} {
		if strings.Contains("\r\n"+report, "\r\nDisposition: automatic-action/MDN-sent-automatically; "+d+"\r\n") { // AS-91, DN-7, DN-9
			says = d
		}
	}
	for _, want := range []string{"Final-Recipient: rfc822;" + c.to, "Original-Message-ID: " + c.id(), "Reporting-UA: mail.a.example"} { // AS-90
		if !strings.Contains("\r\n"+report, "\r\n"+want) {
			t.Errorf("the report has no line %q:\n%s", want, report)
		}
	}
	if got.from != c.to || !strings.Contains(head, "\r\nIn-Reply-To: "+c.id()+"\r\n") { // AS-93
		t.Errorf("it comes from %s, and its header is\n%s", got.from, head)
	}
	if strings.Contains(strings.ToLower(head), "disposition-notification-to") { // AS-88
		t.Errorf("it asks for a notification itself:\n%s", head)
	}
	if strings.Contains(strings.ToUpper(head), extension) || strings.Contains(strings.ToUpper(report), extension) != strings.Contains("\r\n"+report, "\r\n"+extension+"\r\n") {
		t.Errorf("the extension field stands elsewhere or has a content (DN-5):\n%s", got.inner)
	}
	if strings.Contains(report, extension) {
		says += "+"
	}
	return says
}

// loops are notifications, automatic messages and what looks like them; each asks
// for an answer, and must get none (AS-86).
func loops() []letter {
	a := arrival{from: mtUser, to: "loop@b.example", id: "<never.sent@a.example>"}
	scripts := []script{answer(dispatchedMDN, failedMDN, failure)}
	for _, odd := range oddCases() {
		scripts = append(scripts, odd.far)
	}
	var all []letter
	for _, s := range scripts {
		for _, l := range s.answers(a) {
			l.text = strings.ReplaceAll(request, mtUser, a.to) + l.text
			all = append(all, l)
		}
	}
	return all
}
