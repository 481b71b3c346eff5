package gateway

import (
	"bufio"
	"strings"
	"testing"
	"time"

	"postern/mime"
	"postern/store"
)

// A message that is handed in again octet by octet is delivered once, also where its Date is
// left to us (RFC 1047, RFC 6409 §8); without a Message-ID of its own it is a new one.
func TestAS53_TheDateIsTheSameWhenItComesAgain(t *testing.T) {
	const head = "From: alice@a.example\nTo: bob@b.example, carol@a.example\nSubject: " + canary + "\n"
	for name, tt := range map[string]struct {
		fields string
		later  time.Duration
		want   int
	}{
		"no Date":                           {"Message-ID: <1@ehr.example>\n", 2 * time.Second, 1},
		"empty Date":                        {"Message-ID: <1@ehr.example>\nDate:\n", 2 * time.Second, 1},
		"no Date, an hour later":            {"Message-ID: <1@ehr.example>\n", time.Hour, 1},
		"no at sign in Message-ID":          {"Message-ID: <12345>\nDate: Mon, 01 Jun 2026 11:59:00 +0000\n", 2 * time.Second, 3},
		"no at sign, no Date":               {"Message-ID: <12345>\n", 2 * time.Second, 3},
		"two ids":                           {"Message-ID: <1@ehr.example> <2@ehr.example>\n", 2 * time.Second, 3},
		"no Date, when it is known no more": {"Message-ID: <1@ehr.example>\n", 8 * 24 * time.Hour, 3},
		"no Message-ID":                     {"Date: Mon, 01 Jun 2026 11:59:00 +0000\n", 2 * time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			a, b := w.site("a.example"), w.site("b.example")
			a.accounts("alice@a.example", "carol@a.example")
			b.accounts("bob@b.example")
			dates := make(map[string]bool)
			for range 3 {
				a.submit(head+tt.fields+"\n"+canary+"\n", "alice@a.example", "bob@b.example", "carol@a.example")
				w.runAll()
				w.clock.advance(tt.later)
			}
			w.runAll()
			equal(t, "at the other gateway", b.seen("bob@b.example"), tt.want)
			equal(t, "here", a.seen("carol@a.example"), tt.want)
			for _, text := range b.inbox("bob@b.example") {
				dates[headerOf(t, text).Get("Date")] = true
			}
			if tt.want == 1 {
				equal(t, "dates", len(dates), 1)
			}
		})
	}
}

// Another message under the same Message-ID has a Date of its own.
func TestAS53_AnotherMessageHasItsOwnDate(t *testing.T) {
	w := newWorld(t)
	a := w.site("a.example")
	a.accounts("alice@a.example")
	for i, text := range []string{"one", "two", "one"} {
		a.submit("From: alice@a.example\nMessage-ID: <1@ehr.example>\n\n"+text+"\n", "alice@a.example", "bob@b.example")
		job := a.jobs(store.SealJob)[i]
		track := a.tracksOf("<1@ehr.example>")[i]
		want := w.clock.Now()
		if i == 2 {
			want = want.Add(-2 * time.Minute)
			equal(t, "sent with", job.Date, want)
		} else {
			equal(t, "sent with", job.Date, time.Time{})
		}
		equal(t, "dated", track.Dated, want)
		w.clock.advance(time.Minute)
	}
}

func TestAS57_OneMessageID(t *testing.T) {
	for value, want := range map[string]bool{
		"<a@b>": true, " <a@b>\t": true, "<a@b> (of us)": true,
		"<a@b> <c@d>": false, "<a@b>, x": false, "a@b": false, "<ab>": false, "<@b>": false, "<a@>": false, "": false, "x <a@b>": false,
	} {
		h, err := mime.ReadHeader(bufio.NewReader(strings.NewReader("Message-ID: "+value+"\r\n\r\n")), mime.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, value, hasMessageID(h), want)
	}
}
