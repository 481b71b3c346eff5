package pickup_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"postern/internal/gateway/mailbox"
	"postern/internal/testnet"
	"postern/pickup"
	"postern/store"
)

// A whole message goes out in pieces: serving 25 MiB takes no memory of that
// size. The client here reads into a hash.
func TestLargeMessagesAreStreamed(t *testing.T) {
	h := implicit(t)
	body := append([]byte("Subject: big\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 25<<16)...)
	h.deliver(body)
	want := sha256.Sum256(body)
	size := len(body)
	body = nil
	k := h.talk()
	for _, item := range []string{"BODY.PEEK[]", "RFC822", "BINARY.PEEK[]"} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		k.write("f FETCH 1 " + item + "\r\n")
		line := k.line()
		var n int
		_, err := fmt.Sscanf(line[strings.LastIndexByte(line, '{'):], "{%d}", &n)
		if err != nil || n != size {
			t.Fatalf("%s: %q, %v", item, line, err)
		}
		sum := sha256.New()
		_, err = io.CopyN(onlyHash{sum}, k.r, int64(n))
		if err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		k.line()
		k.until("f")
		if !bytes.Equal(sum.Sum(nil), want[:]) {
			t.Errorf("%s: other bytes came", item)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(size)/4 {
			t.Errorf("%s: %d bytes allocated for a message of %d", item, grown, size)
		}
	}
}

type onlyHash struct{ hash.Hash }

// A taker of parts has the message scanned once.
func TestPartialFetchesOfALargePart(t *testing.T) {
	h := implicit(t)
	part := strings.Repeat("0123456789abcde\n", 4<<16)
	h.deliver([]byte("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + part + "\r\n--b--\r\n"))
	k := h.talk()
	var got strings.Builder
	const step = 64 << 10
	for at := 0; at < len(part); at += step {
		lines := k.ok("FETCH 1 BODY.PEEK[1]<%d.%d>", at, step)
		_, lit, _ := strings.Cut(lines[0], "\n")
		got.WriteString(strings.TrimSuffix(lit, ")"))
	}
	if got.String() != part {
		t.Error("the part came back other than it was")
	}
}

// FuzzIMAPCommand fires octets at a server in each state. Whatever they are,
// the server neither panics nor hangs, and goes on serving others.
func FuzzIMAPCommand(f *testing.F) {
	for state := range byte(3) {
		f.Add(state, []byte("a FETCH 1 (FLAGS BODY[1.2.HEADER]<0.5> ENVELOPE BODYSTRUCTURE)\r\n"))
		f.Add(state, []byte("a SEARCH OR NOT (1:* UID 3) HEADER x {3+}\r\nabc SINCE 1-Jan-2020\r\n"))
		f.Add(state, []byte("a APPEND INBOX (\\Seen) {4+}\r\nabcd\r\nb STORE 1:* +FLAGS.SILENT (x)\r\nc EXPUNGE\r\n"))
		f.Add(state, []byte("a LIST (SUBSCRIBED) \"\" (%*) RETURN (STATUS (MESSAGES DELETED SIZE))\r\nb IDLE\r\nDONE\r\n"))
		f.Add(state, []byte("a AUTHENTICATE PLAIN =\r\n*\r\nb LOGIN {1}\r\nx y\r\nc CREATE a/b/c\r\nd MOVE * a/b\r\n"))
		f.Add(state, []byte("a ID (\"a\" {1+}\r\nb)\r\nb GETQUOTAROOT {5+}\r\nINBOX\r\nc GETQUOTA \"\"\r\nd ENABLE CONDSTORE\r\ne SELECT INBOX (CONDSTORE)\r\n"))
		f.Add(state, []byte("a FETCH 1:* (MODSEQ BODY.PEEK[HEADER.FIELDS (\"x\" {1+}\r\ny)]) (CHANGEDSINCE 1)\r\nb UID STORE 1 (UNCHANGEDSINCE 2) FLAGS (x)\r\nc SEARCH MODSEQ \"/flags/x\" all 3\r\n"))
		f.Add(state, []byte("a STATUS INBOX (HIGHESTMODSEQ)\r\nb LIST (SPECIAL-USE) \"\" * RETURN (STATUS (HIGHESTMODSEQ))\r\nc CREATE x (USE (\\Sent))\r\n"))
		f.Add(state, []byte("\r\n\x00 {99999999999999999999}\r\n(((((\r\n"))
	}
	h := implicit(f)
	h.deliver([]byte(mixedMail))
	f.Fuzz(func(t *testing.T, state byte, input []byte) {
		h.t = t
		if strings.Contains(strings.ToUpper(string(input)), "EXPUNGE") {
			h.deliver([]byte(mixedMail))
		}
		k := h.dial(true)
		k.line()
		if state%3 > 0 {
			k.ok("LOGIN %s %q", testUser, testPassword)
		}
		if state%3 > 1 {
			k.ok("SELECT INBOX")
		}
		var sent sync.WaitGroup
		sent.Go(func() {
			io.Copy(k.conn, io.MultiReader(bytes.NewReader(input), strings.NewReader("\r\nz LOGOUT\r\n")))
			closeWrite(k.conn)
		})
		_, err := io.Copy(io.Discard, k.r)
		sent.Wait()
		k.conn.Close()
		if err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("the server hangs: %v", err)
		}
		if strings.Contains(h.log.String(), "panic") {
			t.Fatal(h.log.String())
		}
		if len(h.log.String()) > 1<<20 {
			h.log.Take()
		}
	})
}

func closeWrite(c io.Closer) {
	if w, ok := c.(interface{ CloseWrite() error }); ok {
		w.CloseWrite()
	}
}

// BenchmarkFetchBulk fetches 1,000 messages of 10 KiB with one command.
func BenchmarkFetchBulk(b *testing.B) {
	s, account := openStore(b)
	h := &house{t: b, store: s, account: account, log: &testnet.Log{}}
	h.server = pickup.NewIMAP(mailbox.New(s, auth, mailbox.Options{}), pickup.Options{TLS: testnet.ServerTLS(), Implicit: true})
	h.addr = h.serve(h.server)
	raw := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte("0123456789abcde\n"), 10<<6)...)
	var load sync.WaitGroup
	for range 50 {
		load.Go(func() {
			for range 20 {
				h.deliver(raw)
			}
		})
	}
	load.Wait()
	for name, o := range map[string]*imap.FetchOptions{
		"bodies":    {BodySection: []*imap.FetchItemBodySection{{Peek: true}}},
		"envelopes": {Flags: true, RFC822Size: true, Envelope: true},
	} {
		b.Run(name, func(b *testing.B) {
			c := h.client(&imapclient.Options{})
			_, err := c.Select("INBOX", nil).Wait()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				fetchAll(b, c, o)
			}
			b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
		})
	}
	bodies := &imap.FetchOptions{BodySection: []*imap.FetchItemBodySection{{Peek: true}}}
	b.Run("bodies never read before", func(b *testing.B) {
		c := h.client(&imapclient.Options{})
		for n := 0; b.Loop(); n++ {
			b.StopTimer()
			name := fmt.Sprintf("unread%d", n)
			h.copyUnread(name)
			_, err := c.Select(name, nil).Wait()
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			fetchAll(b, c, bodies)
		}
		b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	})
	b.Run("bodies read by another session", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			c := h.client(&imapclient.Options{})
			_, err := c.Select("INBOX", nil).Wait()
			if err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			fetchAll(b, c, bodies)
			b.StopTimer()
			c.Close()
			b.StartTimer()
		}
		b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "msg/s")
	})
	b.Run("login and select", func(b *testing.B) {
		for b.Loop() {
			c := h.client(nil)
			_, err := c.Select("INBOX", nil).Wait()
			if err != nil {
				b.Fatal(err)
			}
			c.Close()
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.server.Shutdown(ctx)
}

// copyUnread makes a mailbox with the messages of INBOX as if nobody had read them,
// each with a track of its own.
func (h *house) copyUnread(name string) {
	h.t.Helper()
	err := h.store.Update(h.t.Context(), func(tx store.Tx) error {
		box, err := tx.CreateMailbox(h.account, name)
		if err != nil {
			return err
		}
		inbox, err := tx.MailboxByName(h.account, store.Inbox)
		if err != nil {
			return err
		}
		var all []store.Message
		err = tx.EachMessage(inbox.ID, 1, func(m store.Message) bool {
			all = append(all, m)
			return true
		})
		for _, m := range all {
			id, idErr := store.NewTrackID(time.Now(), nil)
			m.Fetched, m.Track = time.Time{}, id
			_, appendErr := tx.Append(box.ID, m)
			err = errors.Join(err, idErr, appendErr, tx.PutTrack(store.Track{ID: id, Recipients: []store.TrackRecipient{{Address: h.account}}}))
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

func fetchAll(b *testing.B, c *imapclient.Client, o *imap.FetchOptions) {
	cmd := c.Fetch(imap.SeqSet{{Start: 1, Stop: 0}}, o)
	n := 0
	for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
		n++
		for item := msg.Next(); item != nil; item = msg.Next() {
			if body, ok := item.(imapclient.FetchItemDataBodySection); ok {
				io.Copy(io.Discard, body.Literal)
			}
		}
	}
	err := cmd.Close()
	if err != nil || n != 1000 {
		b.Fatalf("%d messages, %v", n, err)
	}
}
