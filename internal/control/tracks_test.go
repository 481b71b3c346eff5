package control

import (
	"strings"
	"testing"
	"time"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// aTrack stores a message and returns its id.
func (s *server) aTrack(t *testing.T, at time.Time, k store.Track, recipients ...store.TrackRecipient) string {
	t.Helper()
	id, err := store.NewTrackID(at, nil)
	must(t, err)
	k.ID, k.Received, k.Recipients = id, at, recipients
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error { return tx.PutTrack(k) }))
	return string(id)
}

func standing(t *testing.T, text string, state store.TrackState, code reason.Code) store.TrackRecipient {
	t.Helper()
	return store.TrackRecipient{Address: parsed(t, text), State: state, Reason: code.String()}
}

func parsed(t *testing.T, text string) mime.Address {
	t.Helper()
	a, err := mime.ParseAddress(text)
	must(t, err)
	return a
}

func TestTracksAreListed(t *testing.T) {
	s := ours(t, "b.example")
	hour := func(n int) time.Time { return noon().Add(time.Duration(n) * time.Hour) }
	sent := s.aTrack(t, hour(1), store.Track{MessageID: "<1@b.example>", Outbound: true, Sender: parsed(t, "bob@b.example")},
		standing(t, "ann@a.example", store.TrackProcessed, reason.OK), standing(t, "carl@c.example", store.TrackFailed, reason.NoCertificate))
	taken := s.aTrack(t, hour(2), store.Track{MessageID: "<2@a.example>", Sender: parsed(t, "ann@a.example")},
		standing(t, "bob@b.example", store.TrackDelivered, reason.OK))
	refused := s.aTrack(t, hour(3), store.Track{MessageID: "<1@b.example>", Sender: parsed(t, "eve@e.example")},
		standing(t, "bob@b.example", store.TrackRefused, reason.UntrustedAnchor))
	for name, tt := range map[string]struct {
		q    TrackQuery
		want []string
	}{
		"all":               {TrackQuery{}, []string{refused, taken, sent}},
		"address":           {TrackQuery{Address: "ANN@a.example"}, []string{taken, sent}},
		"nobody":            {TrackQuery{Address: "nobody@a.example"}, nil},
		"since":             {TrackQuery{Since: hour(2)}, []string{refused, taken}},
		"until":             {TrackQuery{Until: hour(2)}, []string{sent}},
		"in":                {TrackQuery{Way: WayIn}, []string{refused, taken}},
		"out":               {TrackQuery{Way: WayOut}, []string{sent}},
		"state":             {TrackQuery{State: "refused"}, []string{refused}},
		"reason":            {TrackQuery{Reason: "no-certificate"}, []string{sent}},
		"recipient's state": {TrackQuery{Address: "ann@a.example", State: "failed"}, nil},
		"sender's":          {TrackQuery{Address: "bob@b.example", State: "failed"}, []string{sent}},
		"Message-ID":        {TrackQuery{MessageID: "1@b.example"}, []string{refused, sent}},
		"both":              {TrackQuery{MessageID: "<1@b.example>", Address: "bob@b.example", Way: WayIn}, []string{refused}},
	} {
		for _, limit := range []int{1, 2, 100} {
			tt.q.Limit = limit
			all, more, err := s.Tracks(t.Context(), tt.q)
			must(t, err)
			ids := []string{}
			for _, l := range all {
				ids = append(ids, l.ID)
			}
			want := append([]string{}, tt.want[:min(limit, len(tt.want))]...)
			equal(t, name, ids, want)
			if more != (len(tt.want) >= limit && limit <= len(tt.want)) {
				t.Errorf("%s: more is %v of %d with limit %d", name, more, len(tt.want), limit)
			}
		}
	}
	line, _, err := s.Tracks(t.Context(), TrackQuery{Reason: "no-certificate", Limit: 1})
	must(t, err)
	equal(t, "recipients that fit", line[0].Recipients, []LineRecipient{{"carl@c.example", "failed", "no-certificate"}})
	equal(t, "others", line[0].More, 1)
}

func TestTrackQuestionsThatMakeNoSense(t *testing.T) {
	s := ours(t, "b.example")
	for name, q := range map[string]TrackQuery{
		"address": {Address: "bob"}, "state": {State: "lost"}, "reason": {Reason: "because"}, "way": {Way: "up"},
	} {
		_, _, err := s.Tracks(t.Context(), q)
		isRefused(t, name, err, Invalid)
	}
}

// A stranger who uses one Message-ID for everything gets no endless answer, and
// what he wrote does nothing to a terminal.
func TestLivesAreBoundedAndPlain(t *testing.T) {
	s := ours(t, "b.example")
	var newest string
	for i := range maxLives + 5 {
		newest = s.aTrack(t, noon().Add(time.Duration(i)*time.Second), store.Track{MessageID: "<1@a.example>"},
			standing(t, "bob@b.example", store.TrackRefused, reason.Malformed))
	}
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		return tx.AddEvent(store.TrackID(newest), store.Event{Detail: "mx: 250 \x1b[2Jfine\u202e"})
	}))
	found, err := s.Track(t.Context(), "1@a.example")
	must(t, err)
	equal(t, "lives", len(found.Lives), maxLives)
	equal(t, "left out", found.Left, 5)
	equal(t, "the newest comes first", string(found.Lives[0].ID), newest)
	equal(t, "detail", found.Lives[0].Events[0].Detail, "mx: 250 ?[2Jfine?")
	found, err = s.Track(t.Context(), strings.ToLower(newest))
	must(t, err)
	equal(t, "by our id", len(found.Lives), 1)
	equal(t, "left out by our id", found.Left, 0)
}

// Whoever is not believed may send what he likes under a Message-ID of ours: what we
// sent and what was believed under it comes first, and what is left out is counted.
func TestStrangersHideNoMessage(t *testing.T) {
	s := ours(t, "b.example")
	bob, ann := parsed(t, "bob@b.example"), parsed(t, "ann@a.example")
	at := func(n int) time.Time { return noon().Add(time.Duration(n) * time.Second) }
	sent := s.aTrack(t, at(0), store.Track{MessageID: "<1@b.example>", Outbound: true, Sender: bob}, standing(t, "ann@a.example", store.TrackProcessed, reason.OK))
	again := s.aTrack(t, at(1), store.Track{MessageID: "<1@B.example>", Outbound: true, Sender: bob}, standing(t, "ann@a.example", store.TrackProcessed, reason.OK))
	believed := s.aTrack(t, at(2), store.Track{MessageID: "<1@b.example>", Sender: ann, Author: ann}, standing(t, "bob@b.example", store.TrackDelivered, reason.OK))
	var newest string
	for i := range 2 * MostLeft {
		newest = s.aTrack(t, at(3+i), store.Track{MessageID: "<1@b.example>", Sender: parsed(t, "eve@e.example")},
			standing(t, "bob@b.example", store.TrackRefused, reason.UntrustedAnchor))
	}
	found, err := s.Track(t.Context(), "1@b.example")
	must(t, err)
	var ids []string
	for _, l := range found.Lives[:4] {
		ids = append(ids, string(l.ID))
	}
	equal(t, "lives", ids, []string{again, sent, believed, newest})
	equal(t, "of", len(found.Lives), maxLives)
	equal(t, "left out", found.Left, MostLeft)
	all, _, err := s.Tracks(t.Context(), TrackQuery{MessageID: "1@b.example", Limit: 3 * MostLeft})
	must(t, err)
	equal(t, "a list has all", len(all), 2*MostLeft+3)
	equal(t, "by time", []string{all[0].ID, all[len(all)-1].ID}, []string{newest, sent})
}

// A page looks at so many messages and no more, and the next goes on from there.
func TestRareMessagesAreFoundOverPages(t *testing.T) {
	s := ours(t, "b.example")
	rare := s.aTrack(t, noon(), store.Track{}, standing(t, "bob@b.example", store.TrackRefused, reason.Expired))
	must(t, s.core.Store.Update(t.Context(), func(tx store.Tx) error {
		for i := range maxLooked {
			id, err := store.NewTrackID(noon().Add(time.Duration(i+1)*time.Millisecond), nil)
			if err != nil {
				return err
			}
			err = tx.PutTrack(store.Track{ID: id, Recipients: []store.TrackRecipient{standing(t, "bob@b.example", store.TrackDelivered, reason.OK)}})
			if err != nil {
				return err
			}
		}
		return nil
	}))
	all, more, err := s.Tracks(t.Context(), TrackQuery{State: "refused", Limit: 10})
	must(t, err)
	if len(all) != 1 || all[0].ID != rare || more {
		t.Errorf("%d messages, more %v", len(all), more)
	}
}

func TestRetention(t *testing.T) {
	s := ours(t, "b.example")
	ctx := t.Context()
	for text, want := range map[string]string{"90d": "90d", "48h": "2d", "36h": "36h0m0s", "forever": "forever"} {
		d, err := s.SetRetention(ctx, RetentionOrder{Name: "B.example", Keep: text})
		must(t, err)
		equal(t, text, d.Retention, want)
		all, err := s.Domains(ctx)
		must(t, err)
		equal(t, text+" in the list", all[0].Retention, want)
	}
	for _, text := range []string{"", "0", "0d", "1h", "23h", "-3d", "36501d", "99999999d", "9000000h", "d", "NaNd", "1e3d", "90", "ever"} {
		_, err := s.SetRetention(ctx, RetentionOrder{Name: "b.example", Keep: text})
		isRefused(t, text, err, Invalid)
	}
	_, err := s.SetRetention(ctx, RetentionOrder{Name: "c.example", Keep: "90d"})
	isRefused(t, "not ours", err, Negative)
}

func FuzzRetention(f *testing.F) {
	for _, text := range []string{"90d", "36h", "forever", "0d", "1e9h", "-1d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		keep, err := parseRetention(text)
		if err == nil && keep != 0 && (keep < leastSpan || keep > mostSpan) {
			t.Errorf("%q is %v", text, keep)
		}
	})
}
