package pickup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postern/internal/gateway/mailbox"
	"postern/internal/login"
	"postern/internal/testnet"
	"postern/pickup"
	"postern/store"
)

// fetchedOf says of each message of INBOX whether its owner read it.
func (h *house) fetchedOf() (marks []bool) {
	h.t.Helper()
	err := h.store.View(h.t.Context(), func(tx store.Tx) error {
		marks = nil
		box, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		return tx.EachMessage(box.ID, 1, func(m store.Message) bool {
			marks = append(marks, !m.Fetched.IsZero())
			return true
		})
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return marks
}

// A message is read when all of its text went out, at once or in pieces; a list of
// messages reads none, and neither does a look at how one begins.
func TestWhatReadsAMessage(t *testing.T) {
	const header = "Subject: x\r\n\r\n"
	const one = header + "0123456789abcdef" // 30 octets
	size, at := len(mixedMail), strings.Index(mixedMail, "preamble")
	for name, tc := range map[string]struct {
		mail, fetch string // commands, one a line
		want        bool
	}{
		"whole": {one, "BODY[]", true}, "peeked": {one, "BODY.PEEK[]", true}, "RFC822": {one, "RFC822", true},
		"mbsync, mutt": {mixedMail, "(UID FLAGS BODY.PEEK[])", true},
		"fetchmail":    {mixedMail, "RFC822.HEADER\nBODY.PEEK[TEXT]", true},
		"of RFC822":    {one, "RFC822.TEXT", true}, "BINARY": {mixedMail, "BINARY.PEEK[]", true},
		"chunks":            {one, "BODY.PEEK[]<0.10>\nBODY.PEEK[]<10.10>\nBODY.PEEK[]<20.10>", true},
		"chunks by one":     {one, "(BODY.PEEK[]<0.15> BODY.PEEK[]<15.15>)", true},
		"chunks of a text":  {mixedMail, fmt.Sprintf("BODY[TEXT]<0.300>\nBODY[TEXT]<300.%d>", size), true},
		"chunks backwards":  {one, "BODY[]<20.100>\nBODY[]<0.20>", true},
		"more than chunks":  {one, "BODY[]<0.20>\nBODY[]<0.20>\nBODY[]<10.100>", true},
		"but the header":    {mixedMail, fmt.Sprintf("BODY[]<%d.%d>", at, size), true},
		"the last missing":  {one, "BODY[]<0.10>\nBODY[]<10.19>", false},
		"one in the middle": {one, "BODY[]<0.20>\nBODY[]<21.100>", false},
		"one octet":         {one, "BODY.PEEK[]<0.1>", false}, "the last one": {one, "BODY.PEEK[]<29.1>", false},
		"past the end": {one, "BODY.PEEK[]<9999999.10>", false}, "of no size": {one, "BODY[]<0.0>", false},

		"the only part": {one, "BODY.PEEK[1]", true}, "it decoded": {one, "BINARY.PEEK[1]", true},
		"how it begins": {one, "BODY.PEEK[1]<0.8>", false}, "decoded": {one, "BINARY.PEEK[1]<0.8>", false},
		"no such part": {one, "BODY.PEEK[99]", false}, "none decoded": {one, "BINARY.PEEK[99]", false},
		"a message's text, which it is not": {one, "BODY.PEEK[1.TEXT]", false},
		"parts":                             {mixedMail, "BODY[1]\nBODY[2]\nBODY[3]", true},
		"parts by one":                      {mixedMail, "(BODY[3] BODY[1] BODY[2])", true},
		"parts of parts":                    {mixedMail, "BODY[1]\nBODY[3]\nBODY[2.HEADER]\nBODY[2.TEXT]", true},
		"without an inner header":           {mixedMail, "BODY[1]\nBODY[3]\nBODY[2.1]", false},
		"decoded parts":                     {mixedMail, "BINARY[1]\nBODY[2]\nBINARY[3]", true},
		"chunks of parts":                   {mixedMail, "BODY[1]<0.9>\nBODY[1]<9.9>\nBODY[2]\nBODY[3]<0.4>\nBODY[3]<4.4>", true},
		"decoded chunks":                    {mixedMail, "BINARY[1]<0.9>\nBINARY[1]<9.9>\nBODY[2]\nBINARY[3]<0.4>\nBINARY[3]<4.4>", true},
		"a decoded chunk missing":           {mixedMail, "BINARY[1]<0.9>\nBINARY[1]<9.9>\nBODY[2]\nBINARY[3]<0.4>\nBINARY[3]<5.4>", false},
		"a part missing":                    {mixedMail, "BODY[1]\nBODY[2]", false},
		"a part and a list":                 {mixedMail, "(FLAGS BODY.PEEK[HEADER] BODY.PEEK[1])", false},
		"a part, then the rest":             {mixedMail, "BODY.PEEK[1]\nBODY.PEEK[]", true},
		"an empty part":                     {strings.Replace(mixedMail, "QUJDREVG\r\n", "", 1), "BODY[1]\nBODY[2]", true},

		"no text":           {header, "BODY[]", true},
		"no text, as text":  {header, "BODY[TEXT]", true},
		"no text, a piece":  {header, "BODY[]<0.5>", false},
		"no text, no part":  {header, "BODY[2]", false},
		"nothing at all":    {"", "BODY[]", true},
		"no header, nearly": {"a: b", "BODY[]<0.3>", false},

		"header": {one, "BODY.PEEK[HEADER]", false}, "fields": {one, "BODY[HEADER.FIELDS (Subject)]", false},
		"RFC822.HEADER": {one, "RFC822.HEADER", false}, "ENVELOPE": {one, "ENVELOPE", false}, "ALL": {one, "ALL", false},
		"BODYSTRUCTURE": {one, "BODYSTRUCTURE", false}, "MIME": {mixedMail, "BODY.PEEK[1.MIME]", false},
		"sizes": {mixedMail, "(BINARY.SIZE[1] RFC822.SIZE)", false}, "fields of a part": {mixedMail, "BODY[2.HEADER.FIELDS (Subject)]", false},
	} {
		t.Run(name, func(t *testing.T) {
			h := implicit(t)
			h.deliver([]byte(tc.mail))
			h.deliver([]byte(tc.mail))
			k := h.talk()
			commands := strings.Split(tc.fetch, "\n")
			for i, items := range commands {
				k.ok("FETCH 2 %s", items)
				k.ok("NOOP") // after which it is noted
				if got := h.fetchedOf(); got[0] || got[1] != (tc.want && i == len(commands)-1) {
					t.Errorf("read after %s: %v", items, got)
				}
			}
		})
	}
}

// What a session was sent is no part of what another one is.
func TestPiecesAreOfOneSession(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(mixedMail))
	half := len(mixedMail) / 2
	one, two := h.talk(), h.talk()
	one.ok("FETCH 1 BODY[]<0.%d>", half)
	two.ok("FETCH 1 BODY[]<%d.%d>", half, half+1)
	one.ok("NOOP")
	two.ok("NOOP")
	if h.fetchedOf()[0] {
		t.Error("halves of two are a whole")
	}
	one.ok("SELECT INBOX")
	one.ok("FETCH 1 BODY[]<%d.%d>", half, half+1)
	one.ok("NOOP")
	if h.fetchedOf()[0] {
		t.Error("what was sent before the mailbox was opened again counts")
	}
	one.ok("FETCH 1 BODY[]<0.%d>", half)
	one.ok("NOOP")
	if !h.fetchedOf()[0] {
		t.Error("halves of one are no whole")
	}
}

// A client that goes away in the midst of the last piece was not sent it.
func TestAPieceThatBreaksOffIsNotRead(t *testing.T) {
	h := implicit(t)
	raw := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 1<<20)...) // 16 MiB
	h.deliver(raw)
	k := h.talk()
	k.ok("FETCH 1 BODY[]<0.1000>")
	k.write("x FETCH 1 BODY[]<1000.99999999>\r\n")
	k.line()
	k.conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := h.server.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if h.fetchedOf()[0] {
		t.Error("it is read")
	}
}

// A mailbox that is open for reading only is read all the same.
func TestReadingAReadOnlyMailboxIsNoted(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(mixedMail))
	k := h.talk()
	k.ok("EXAMINE INBOX")
	k.ok("FETCH 1 BODY[]")
	k.ok("NOOP")
	if !h.fetchedOf()[0] {
		t.Error("it was not noted")
	}
}

// A forgetful backend cannot write down who reads.
type forgetful struct{ pickup.Backend }

func (f forgetful) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := f.Backend.Login(ctx, a)
	return forgetfulUser{u}, err
}

type forgetfulUser struct{ pickup.User }

func (f forgetfulUser) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := f.User.Open(ctx, name)
	return forgetfulMailbox{m}, err
}

type forgetfulMailbox struct{ pickup.Mailbox }

func (forgetfulMailbox) Read(context.Context, []uint32, []string) ([]pickup.Message, error) {
	return nil, errors.Join(pickup.ErrUnavailable, errors.New("the disk is full"))
}

func (forgetfulMailbox) Searching(context.Context, int) error { return pickup.ErrUnavailable }

// Access that leaves no trace would be failing open.
func TestNothingIsReadThatCannotBeNoted(t *testing.T) {
	h := implicit(t)
	h.deliver([]byte(mixedMail))
	s := pickup.NewIMAP(forgetful{mailbox.New(h.store, auth, mailbox.Options{})}, pickup.Options{TLS: testnet.ServerTLS(), Implicit: true})
	h.addr = h.serve(s)
	k := h.talk()
	for _, item := range []string{"BODY[]", "BODY.PEEK[TEXT]", "(FLAGS BINARY.PEEK[1])"} {
		k.expect("NO [UNAVAILABLE]", "FETCH 1 %s", item)
	}
	k.ok("FETCH 1 (ENVELOPE BODY.PEEK[HEADER])")
	for _, what := range []string{"BODY x", "TEXT x", "NOT BODY x", "OR SUBJECT y OR SUBJECT x TEXT z"} {
		k.expect("NO [UNAVAILABLE]", "SEARCH %s", what)
	}
	k.ok("SEARCH SUBJECT x")
}

// Notes are what was noted together: as about to be read, and as read.
type notes struct{ read, took chan []uint32 }

// A diligent backend tells of its notes.
type diligent struct {
	pickup.Backend
	notes
}

func (d diligent) Login(ctx context.Context, a login.Attempt) (pickup.User, error) {
	u, err := d.Backend.Login(ctx, a)
	return diligentUser{u, d.notes}, err
}

type diligentUser struct {
	pickup.User
	notes
}

func (d diligentUser) Open(ctx context.Context, name string) (pickup.Mailbox, error) {
	m, err := d.User.Open(ctx, name)
	return diligentMailbox{m, d.notes}, err
}

type diligentMailbox struct {
	pickup.Mailbox
	notes
}

func (d diligentMailbox) Read(ctx context.Context, uids []uint32, add []string) ([]pickup.Message, error) {
	after, err := d.Mailbox.Read(ctx, uids, add)
	d.read <- uids
	return after, err
}

func (d diligentMailbox) Took(ctx context.Context, uids []uint32) error {
	err := d.Mailbox.Took(ctx, uids)
	d.took <- uids
	return err
}

// diligence has a house tell of its notes, and logs in.
func (h *house) diligence() (*talk, notes) {
	n := notes{make(chan []uint32, 1000), make(chan []uint32, 1000)}
	s := pickup.NewIMAP(diligent{mailbox.New(h.store, auth, mailbox.Options{}), n}, pickup.Options{TLS: testnet.ServerTLS(), Implicit: true})
	h.addr = h.serve(s)
	return h.talk(), n
}

// A client that takes message by message has all of them noted in one transaction: when
// it says nothing for a while, and before it does anything else, for what is removed can
// no longer be noted.
func TestWhatIsReadOneByOneIsNotedTogether(t *testing.T) {
	h := implicit(t)
	for range 5 {
		h.deliver([]byte(plainMail))
	}
	k, notes := h.diligence()
	k.ok("FETCH 1 BODY[]")
	k.ok("UID FETCH 2 BODY[]")
	if got := <-notes.took; !slices.Equal(got, []uint32{1, 2}) {
		t.Errorf("noted %v", got)
	}
	for _, command := range []string{`STORE 3 +FLAGS (\Deleted)`, "EXPUNGE", "SELECT INBOX", "LOGOUT"} {
		k.ok("FETCH 3 BODY[]")
		k.ok("%s", command)
		select {
		case <-notes.took:
		default:
			t.Errorf("%s is done before it is noted what was read", command)
		}
	}
}

// What a client asks for message by message, without waiting for the answers, is noted
// together as about to be read: up to a command that is something else, which may change
// what there is.
func TestWhatIsAskedForAtOnceIsNotedTogether(t *testing.T) {
	for name, tc := range map[string]struct {
		commands string // a is the tag of the last
		want     [][]uint32
	}{
		"mbsync": {"1 UID FETCH 1 (UID BODY.PEEK[])\n2 uid fetch 3 (body.peek[])\na FETCH 2 BODY.PEEK[]", [][]uint32{{1, 3, 2}}},
		"again":  {"1 FETCH 1 BODY.PEEK[]\n2 FETCH 1 BODY.PEEK[]\n3 FETCH 9 BODY.PEEK[]\na FETCH 2:3 BODY.PEEK[]", [][]uint32{{1}, {2, 3}}},
		"others": {"1 FETCH 1 BODY.PEEK[]\n2 NOOP\n3 FETCH 2 BODY.PEEK[]\n4 FETCH 3 BODY[]\na FETCH 4 BODY.PEEK[]", [][]uint32{{1}, {2}, {3}, {4}}},
		"pieces": {"1 FETCH 1 BODY.PEEK[]\n2 FETCH 2 BODY.PEEK[]<0.3>\na FETCH 3 (BODY.PEEK[] ENVELOPE)", [][]uint32{{1}, {2}, {3}}},
		"lists":  {"1 FETCH 1 (FLAGS ENVELOPE)\n2 FETCH 2 BODY.PEEK[]\na FETCH 3 (FLAGS UID)", [][]uint32{{2}}},
		"large":  {"1 FETCH 5 BODY.PEEK[]\n2 FETCH 6 BODY.PEEK[]\na FETCH 1 BODY.PEEK[]", [][]uint32{{5}, {6, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := implicit(t)
			for range 4 {
				h.deliver([]byte(plainMail))
			}
			for range 2 {
				h.deliver(append([]byte(plainMail), bytes.Repeat([]byte("0123456789abcde\n"), 40<<10)...)) // 640 KiB
			}
			k, notes := h.diligence()
			k.write(strings.ReplaceAll(tc.commands, "\n", "\r\n") + "\r\n")
			bodies := 0
			for _, l := range k.until("a") {
				if strings.Contains(l, plainMail[:10]) {
					bodies++
				}
			}
			if want := strings.Count(strings.ToUpper(tc.commands), "BODY.PEEK[]"); name == "mbsync" && bodies != want {
				t.Errorf("%d bodies of %d", bodies, want)
			}
			var got [][]uint32
			for len(notes.read) > 0 {
				got = append(got, <-notes.read)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A client that goes away in the midst of a large FETCH has not read what it was
// not sent: retention would remove what nobody saw.
func TestAFetchThatBreaksOffReadsWhatItSent(t *testing.T) {
	h := implicit(t)
	const messages = 40
	raw := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)...) // 1 MiB
	for range messages {
		h.deliver(raw)
	}
	k := h.talk()
	k.write("x FETCH 1:* (FLAGS BODY[])\r\n")
	k.line()
	_, err := io.CopyN(io.Discard, k.r, int64(len(raw))+1)
	if err != nil {
		t.Fatal(err)
	}
	k.conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	err = h.server.Shutdown(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := h.fetchedOf()
	if !got[0] || slices.Contains(got[messages-5:], true) {
		t.Errorf("read: %v", got)
	}
}
