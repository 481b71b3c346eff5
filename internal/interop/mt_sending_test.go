package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/control"
	"postern/internal/testnet"
	"postern/store"
)

// Limits of the sending gateway, and how late a failure may be (DN-18).
const (
	processedWithin  = 8 * time.Second
	dispatchedWithin = 10 * time.Second
	overdueBy        = 5 * time.Second
)

// A mtCase is a message with what the far side makes of it, and what its
// sender must get in the end: each notice once, no other, and the same from
// track.
type mtCase struct {
	name   string // as SITE numbers it: SMTP, IMAP and POP edges with and without the request
	local  string // of the recipient, and name of the script
	domain string // b.example if empty
	timely bool   // with the request
	far    script
	edge   []string // what is in the mailbox about it; see kindOf
	state  store.TrackState
	reason string
	late   bool // something comes after the answer was given
}

// refusing is a far side that knows nobody of that name.
var refusing = script{refuse: "550 5.1.1 no such mailbox"}

func mtCases() []mtCase {
	const (
		dispatched = store.TrackDispatched
		processed  = store.TrackProcessed
		failed     = store.TrackFailed
		overdue    = store.TrackOverdue
	)
	list := func(s ...string) []string { return s }
	all := []mtCase{
		{name: "MT 1, 5 and 9, bad address", local: "badaddress", far: refusing, edge: list("dsn 5.1.1"), state: failed, reason: "peer-refused"},
		{name: "MT 2, 6 and 10, not trusted", local: "untrusted", domain: "stranger.example", edge: list("dsn untrusted-anchor"), state: failed, reason: "untrusted-anchor"},
		{name: "MT 3, 7 and 11, no certificate", local: "failure15", domain: "bare.example", edge: list("dsn no-certificate"), state: failed, reason: "no-certificate"},
		{name: "MT 4, 8 and 12, no answer", local: "nomdn8", edge: list("dsn no-processed"), state: overdue, reason: "no-processed"},
		{name: "processed", local: "processedonly5", far: answer(processedMDN), edge: list("processed"), state: processed},
		{name: "DN-30 not asked for, not missed; told all the same", local: "dispatched", far: answer(processedMDN, dispatchedMDN), edge: list("processed"), state: dispatched},
		{name: "DN-13 dispatched alone", local: "dispatchedonly", far: answer(dispatchedMDN), edge: list("dispatched"), state: dispatched},
		{name: "processed too late", local: "late", far: answer(late(processedMDN)), edge: list("dsn no-processed"), state: overdue, reason: "no-processed", late: true},
		{name: "processed twice", local: "twice", far: answer(processedMDN, late(processedMDN)), edge: list("processed"), state: processed, late: true},
		{name: "DN-9 failed", local: "processedfailure", far: answer(failedMDN), edge: list("failed"), state: failed, reason: "peer-refused"},
		{name: "DN-9 failure", local: "failure", far: answer(func(a arrival) letter { return mdnOf(a, "failure") }), edge: list("failure"), state: failed, reason: "peer-refused"},
		{name: "DN-13 error", local: "error", far: answer(func(a arrival) letter { return mdnOf(a, "processed/error", "Error: no such mailbox") }), edge: list("processed/error"), state: failed, reason: "peer-refused"},
		{name: "DSN", local: "dsn", far: answer(failure), edge: list("dsn 5.1.1"), state: failed, reason: "peer-refused"},
		{name: "DN-21 failed, then processed", local: "contrary", far: answer(failedMDN, late(processedMDN)), edge: list("failed"), state: failed, reason: "peer-refused", late: true},
		{name: "DN-8 processed, then failed", local: "regret", far: answer(processedMDN, failedMDN), edge: list("failed", "processed"), state: failed, reason: "peer-refused"},
		{name: "CP-17 displayed", local: "displayed", far: answer(processedMDN, late(func(a arrival) letter { return mdnOf(a, "displayed") })), edge: list("displayed", "processed"), state: processed, late: true},

		{name: "MT 23, bad address", local: "badaddresst", timely: true, far: refusing, edge: list("dsn 5.1.1"), state: failed, reason: "peer-refused"},
		{name: "MT 24, not trusted", local: "provider1", timely: true, domain: "stranger.example", edge: list("dsn untrusted-anchor"), state: failed, reason: "untrusted-anchor"},
		{name: "MT 25, no certificate", local: "failure15t", timely: true, domain: "bare.example", edge: list("dsn no-certificate"), state: failed, reason: "no-certificate"},
		{name: "MT 26, no answer", local: "nomdn8t", timely: true, edge: list("dsn no-processed"), state: overdue, reason: "no-processed"},
		{name: "MT 27, no dispatched", local: "processedonly5t", timely: true, far: answer(processedMDN), edge: list("dsn no-dispatched", "processed"), state: overdue, reason: "no-dispatched"},
		{name: "MT 28, dispatched too late", local: "processdelayeddispatch7", timely: true, far: answer(processedMDN, late(dispatchedMDN)),
			edge: list("dsn no-dispatched", "processed"), state: overdue, reason: "no-dispatched", late: true},
		{name: "MT 21 and 29, dispatched", local: "processeddispatched6", timely: true, far: answer(processedMDN, dispatchedMDN), edge: list("dispatched", "processed"), state: dispatched},
		{name: "DN-20 dispatched twice", local: "dispatchedtwice", timely: true, far: answer(processedMDN, dispatchedMDN, late(dispatchedMDN)), edge: list("dispatched", "processed"), state: dispatched, late: true},
		{name: "processed, then failed", local: "processedfailuret", timely: true, far: answer(processedMDN, failedMDN), edge: list("failed", "processed"), state: failed, reason: "peer-refused"},
		{name: "DN-21 dispatched, then failed", local: "regrett", timely: true, far: answer(processedMDN, dispatchedMDN, late(failedMDN)), edge: list("dispatched", "processed"), state: dispatched, late: true},
	}
	return slices.Concat(all, oddCases(), foreignCases())
}

// foreignCases are answers by those who may not give them.
func foreignCases() []mtCase {
	no := []string{"dsn no-processed"}
	signedBy := func(change func(*letter)) script { return answer(sent(processedMDN, change)) }
	return []mtCase{
		{name: "AS-93 signed for another domain", local: "usurped", edge: no, state: store.TrackOverdue, reason: "no-processed",
			far: signedBy(func(l *letter) {
				l.text = strings.Replace(l.text, "From: <usurped@b.example>", "From: <usurped@d.example>", 1)
				l.from, l.signer = "usurped@d.example", "d"
			})},
		{name: "AS-87 not sealed", local: "unsealed", edge: no, state: store.TrackOverdue, reason: "no-processed",
			far: signedBy(func(l *letter) { l.unsealed = true })},
		{name: "AS-87 signed by a stranger", local: "strange", edge: no, state: store.TrackOverdue, reason: "no-processed",
			far: signedBy(func(l *letter) { l.signer = "stranger" })},
	}
}

// TestInteropMT_EP12_EP13_EP16_Sending sends to a far side that is not ours and answers in all
// the ways of the ETT: AS-57, DN-9 to DN-22, DN-30, EP-12 to EP-16, and the MT
// cases 1 to 12, 17, 21 to 29 and 45 to 47 of SITE, with edges that read by IMAP and by
// POP. They share two limits and run side by side.
func TestInteropMT_EP12_EP13_EP16_Sending(t *testing.T) {
	t.Parallel() // for most of the time it waits
	m := newMT(t, mtCases())
	for i, c := range m.cases {
		m.submit(i, c)
	}
	m.submitMixed()
	m.submitNameless()
	var cancel context.CancelFunc
	m.ctx, cancel = context.WithTimeout(t.Context(), dispatchedWithin+30*time.Second)
	defer cancel()
	for _, c := range m.cases {
		t.Run(c.name, func(t *testing.T) { m.await(t, c) })
	}
	m.checkMixed()
	m.checkNameless()
	m.a.waitIdle(func(j store.Job) bool { return j.Kind == store.KeptJob }) // what was refused
	m.checkMailbox()
	m.a.alive()
}

// A mt is a sending gateway of ours and the far side.
type mt struct {
	t     *testing.T
	a     *site
	far   *farSide
	cases []mtCase
	admin *control.Client
	ctx   context.Context // until it is too late for any case
}

const mtUser = "alice@a.example"

func newMT(t *testing.T, cases []mtCase) *mt {
	t.Helper()
	testnet.Require(t, "swaks")
	testnet.Require(t, "mbsync")
	testnet.Require(t, "curl")
	testnet.Require(t, "mpop")
	pki := testnet.NewPKI(t, time.Now())
	root, stranger := pki.Root("interop root"), pki.Root("stranger")
	own, far, other := root.Leaf("a.example"), root.Leaf("b.example"), newParty(t, root.Leaf("d.example"))
	unknown := newParty(t, stranger.Leaf("b.example"))
	m := &mt{t: t, cases: cases, far: newFarSide(t, far, root, own, map[string]script{
		"mixedgood": answer(processedMDN), "mixedbad": refusing, "wellformed14": answer(processedMDN),
	})}
	for _, c := range cases {
		m.far.scripts[c.local] = c.far
	}
	m.far.signers = map[string]party{"d": other, "stranger": unknown}
	m.a = newSite(t, "a.example", setup{
		dns: testnet.BIND(t, map[string][]string{
			"a.example":        mx(testnet.ZoneCERT("@", own.Cert)),
			"b.example":        mx(testnet.ZoneCERT("@", far.Cert)),
			"d.example":        mx(testnet.ZoneCERT("@", other.Cert)),
			"bare.example":     mx(),
			"stranger.example": mx(testnet.ZoneCERT("@", stranger.Leaf("stranger.example").Cert)),
		}),
		relayPort: portOf(t, m.far.addr), users: []string{mtUser}, keys: []*testnet.Identity{own}, anchors: []*testnet.Identity{root},
		more: map[string]string{
			"notify": fmt.Sprintf("processed_within = %q\ndispatched_within = %q\n", processedWithin, dispatchedWithin),
			"listen": popListeners,
		},
		listeners: 2,
	})
	m.far.backbone = m.a.backbone
	m.a.serve()
	admin, err := control.Dial(t.Context(), m.a.data())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { admin.Close() })
	m.admin = admin
	return m
}

func (c mtCase) to() string {
	if c.domain == "" {
		return c.local + "@b.example"
	}
	return c.local + "@" + c.domain
}

func (c mtCase) id() string { return "<" + c.local + "@a.example>" }

// told is the final answer of its state: processed is none yet, since the message
// may still fail (DN-8).
func (c mtCase) told() store.Answer {
	switch c.state {
	case store.TrackDispatched:
		return store.ToldSuccess
	case store.TrackFailed, store.TrackOverdue:
		return store.ToldFailure
	}
	return ""
}

// submit hands a message in, by an SMTP client of this and of that make.
func (m *mt) submit(i int, c mtCase) {
	m.t.Helper()
	message := record(mtUser, c.to(), c.id(), 1000)
	if c.timely {
		message = request + message
	}
	if i%3 == 0 {
		m.a.swaks(mtUser, c.to(), message)
		return
	}
	err := m.a.submit(mtUser, c.to(), message)
	if err != nil {
		m.t.Fatalf("submitting %s: %v", c.name, err)
	}
}

// await waits for the end of a case, and for what comes after it.
func (m *mt) await(t *testing.T, c mtCase) {
	life := m.wait(t, c.id(), func(l control.Life) bool {
		return l.Recipients[0].State == c.state && l.Recipients[0].Told == c.told()
	})
	if c.late {
		for _, l := range m.far.letGo(c.id()) {
			m.wait(t, l.id, func(l control.Life) bool { return l.Recipients[0].State != store.TrackQueued })
		}
	}
	r := life.Recipients[0]
	if c.reason != "" && r.Reason != c.reason {
		t.Errorf("the reason is %s, want %s: %s", r.Reason, c.reason, r.Detail)
	}
	limit := map[string]time.Duration{"no-processed": processedWithin, "no-dispatched": dispatchedWithin}[c.reason]
	if took := r.Updated.Sub(r.Relayed); limit != 0 && (took < limit || took > limit+overdueBy) {
		t.Errorf("it was overdue after %v, want %v and not much more (DN-18)", took, limit)
	}
	if c.timely && c.domain == "" && c.far.refuse == "" {
		m.checkRequest(t, c)
	}
}

// wait waits until a message's track is as wanted; all cases together have some
// time for it.
func (m *mt) wait(t *testing.T, id string, want func(control.Life) bool) control.Life {
	t.Helper()
	return awaitTrack(m.ctx, t, m.admin, id, want)
}

// checkRequest looks for the request in what the far side opened (EP-13).
func (m *mt) checkRequest(t *testing.T, c mtCase) {
	t.Helper()
	got := m.far.arrivals(c.to())
	if len(got) != 1 || !strings.Contains(got[0].inner, request) {
		t.Errorf("%d messages came, or the request is not in it as it was sent", len(got))
	}
	if strings.Contains(strings.ToLower(got[0].outer), "disposition-notification") {
		t.Error("the request stands outside of what is sealed")
	}
}

// submitMixed sends to a good and a bad recipient (MT 47).
func (m *mt) submitMixed() {
	m.t.Helper()
	message := record(mtUser, "mixedgood@b.example>, <mixedbad@b.example", "<mixed@a.example>", 1000)
	m.a.swaks(mtUser, "mixedgood@b.example,mixedbad@b.example", message)
}

func (m *mt) checkMixed() {
	m.t.Helper()
	m.wait(m.t, "<mixed@a.example>", func(l control.Life) bool {
		got := make(map[string]store.TrackState)
		for _, r := range l.Recipients {
			got[r.Address.String()] = r.State
		}
		return got["mixedgood@b.example"] == store.TrackProcessed && got["mixedbad@b.example"] == store.TrackFailed
	})
}

// submitNameless sends messages without a Message-ID (MT 17 and 45).
func (m *mt) submitNameless() {
	m.t.Helper()
	for range 3 {
		m.a.swaks(mtUser, "wellformed14@b.example", request+without(record(mtUser, "wellformed14@b.example", "<none>", 100), "Message-ID"))
	}
}

// checkNameless wants a good name for each, inside and outside (AS-57, EP-12).
func (m *mt) checkNameless() {
	m.t.Helper()
	seen := make(map[string]bool)
	for _, a := range m.far.arrivals("wellformed14@b.example") {
		if !regexp.MustCompile(`^<[^<>@\s]+@[^<>@\s]+>$`).MatchString(a.id) || messageID(a.outer) == "" {
			m.t.Errorf("the Message-ID is %q, outside %q", a.id, messageID(a.outer))
		}
		seen[a.id] = true
		m.wait(m.t, a.id, func(l control.Life) bool { return l.Recipients[0].State == store.TrackOverdue })
	}
	if len(seen) != 3 {
		m.t.Errorf("3 messages without a Message-ID came under %d names", len(seen))
	}
}

// checkMailbox fetches the mailbox three times, and compares what is there about each
// message with what has to be.
func (m *mt) checkMailbox() {
	m.t.Helper()
	byMbsync := m.a.mbsync(mtUser)
	byCurl := m.curl(len(byMbsync))
	slices.Sort(byMbsync)
	slices.Sort(byCurl)
	if diff := cmp.Diff(byMbsync, byCurl); diff != "" {
		m.t.Errorf("isync and curl read different mailboxes: %s", diff)
	}
	byPOP := folder(m.t)
	popClient{name: "mpop", program: "mpop", command: mpop}.fetch(m.t, m.a, byPOP, mtUser, true)
	if diff := cmp.Diff(byMbsync, fetched(m.t, byPOP)); diff != "" {
		m.t.Errorf("isync and mpop read different mailboxes: %s", diff)
	}
	about := make(map[string][]string)
	for _, text := range byMbsync {
		id := originalOf(text)
		about[id] = append(about[id], kindOf(text))
		m.checkForm(text, id)
	}
	for _, c := range m.cases {
		m.t.Run("mailbox/"+c.name, func(t *testing.T) {
			got := about[c.id()]
			slices.Sort(got)
			if diff := cmp.Diff(c.edge, got); diff != "" {
				t.Errorf("the sender got (-want +got):\n%s", diff)
			}
			checkTrackJSON(t, m.a, c)
		})
	}
	mixed := about["<mixed@a.example>"]
	slices.Sort(mixed)
	if diff := cmp.Diff([]string{"dsn 5.1.1", "processed"}, mixed); diff != "" {
		m.t.Errorf("MT 47: the sender got (-want +got):\n%s", diff)
	}
}

// curl fetches the first messages of the mailbox.
func (m *mt) curl(n int) []string {
	m.t.Helper()
	dir := m.t.TempDir()
	peer(m.t, "", "curl", append(m.a.curlArgs(mtUser), "--output", filepath.Join(dir, "#1"), fmt.Sprintf("%s/INBOX;MAILINDEX=[1-%d]", m.a.imapURL(), n))...)
	all := make([]string, n)
	for i := range all {
		raw, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i+1)))
		if err != nil {
			m.t.Fatal(err)
		}
		all[i] = string(raw)
	}
	return all
}

// checkTrackJSON asks postern track.
func checkTrackJSON(t *testing.T, s *site, c mtCase) {
	t.Helper()
	var lives []struct {
		Recipients []struct{ Address, State, Reason, Told string }
	}
	printed := s.must("", "--json", "track", c.id())
	err := json.Unmarshal([]byte(printed), &lives)
	if err != nil || len(lives) != 1 || len(lives[0].Recipients) != 1 {
		t.Fatalf("track prints %s: %v", printed, err)
	}
	r := lives[0].Recipients[0]
	if r.Address != c.to() || r.State != string(c.state) || r.Told != string(c.told()) {
		t.Errorf("track says %+v, want %s, and that he was told of %q", r, c.state, c.told())
	}
}

var (
	originalField    = regexp.MustCompile(`(?im)^(?:X-)?(?:Original-Message-ID|In-Reply-To|References)\s*:\s*(<[^>]+>)`)
	dispositionField = regexp.MustCompile(`(?im)^Disposition\s*:[^;]*;\s*([a-z/]+)`)
	diagnosticField  = regexp.MustCompile(`(?im)^Diagnostic-Code:\s*x-postern;\s*(\S+)`)
	statusField      = regexp.MustCompile(`(?im)^Status:\s*(\S+)`)
)

// originalOf is the message that a notice is about, as a peer finds it.
func originalOf(notice string) string {
	found := originalField.FindStringSubmatch(notice)
	if found == nil {
		return ""
	}
	return found[1]
}

// kindOf is the disposition of an MDN, or "dsn" with our reason or, when it is
// somebody else's, its status.
func kindOf(notice string) string {
	for _, field := range []struct {
		at     *regexp.Regexp
		prefix string
	}{{diagnosticField, "dsn "}, {statusField, "dsn "}, {dispositionField, ""}} {
		found := field.at.FindStringSubmatch(notice)
		if found != nil {
			return field.prefix + strings.ToLower(found[1])
		}
	}
	return "no notice"
}

// checkForm looks at a failure notice of our own as the ETT does (DN-23, DN-24).
func (m *mt) checkForm(text, id string) {
	m.t.Helper()
	if fieldOf(text, "From") != "postmaster@a.example" {
		return // it is not ours
	}
	_, part, _ := strings.Cut(text, "message/delivery-status")
	for _, want := range []string{
		`(?m)^From: .*postmaster@a\.example`, `(?m)^Auto-Submitted: auto-`, `(?m)^In-Reply-To: ` + regexp.QuoteMeta(id) + `\r$`,
		`(?s)multipart/report;\s+report-type="?delivery-status`,
	} {
		if !regexp.MustCompile(want).MatchString(text) {
			m.t.Errorf("the failure notice about %s has nothing like %s:\n%s", id, want, text)
		}
	}
	for _, want := range []string{
		`(?m)^Reporting-MTA: dns; ?mail\.a\.example\r$`, `(?m)^X-Original-Message-ID: ` + regexp.QuoteMeta(id) + `\r$`,
		`(?m)^Final-Recipient: rfc822; ?\S+@\S+\r$`, `(?m)^Action: failed\r$`, `(?m)^Status: 5\.\d+\.\d+\r$`,
	} {
		if !regexp.MustCompile(want).MatchString(part) {
			m.t.Errorf("the status part of the failure notice about %s has nothing like %s:\n%s", id, want, part)
		}
	}
}
