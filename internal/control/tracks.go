package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/mime"
	"postern/store"
	"postern/trust/reason"
)

// A MessageName names a message by its Message-ID or by our own id.
type MessageName struct {
	ID string `json:"id"`
}

// A Life is all that is known of one message.
type Life struct {
	store.Track
	Events []store.Event `json:"events"`
}

// Ways of a message.
const (
	WayIn  = "in"
	WayOut = "out"
)

// Lives are those of the messages of one name, and how many others there are.
type Lives struct {
	// Lives are those of what was sent, then of what was believed, then of what
	// only claims the name; of each the newest first.
	Lives []Life `json:"lives"`
	Left  int    `json:"left"` // how many are left out; MostLeft are that many or more
}

// MostLeft bounds how many messages of one name are counted.
const MostLeft = 500

// A TrackQuery says which messages are listed. What is left zero does not count.
type TrackQuery struct {
	MessageID string    `json:"message_id"` // with or without angle brackets
	Address   string    `json:"address"`    // the sender's, the author's or a recipient's
	Since     time.Time `json:"since"`      // received then or later
	Until     time.Time `json:"until"`      // received before
	State     string    `json:"state"`      // of a recipient
	Reason    string    `json:"reason"`     // of a recipient: a reason code
	Way       string    `json:"way"`        // WayIn or WayOut
	After     string    `json:"after"`      // TrackPage.After of the page before
	Limit     int       `json:"limit"`
}

// A TrackPage is some of the messages that were asked for, the newest first.
type TrackPage struct {
	Tracks []TrackLine `json:"tracks"`
	After  string      `json:"after"` // where the next page begins; "" at the end
}

// A TrackLine is what a list tells of one message.
type TrackLine struct {
	ID        string    `json:"id"`
	MessageID string    `json:"message_id"`
	Way       string    `json:"way"`
	Automatic bool      `json:"automatic"` // a notification
	Sender    string    `json:"sender"`    // "" is the null reverse-path
	Size      int64     `json:"size"`
	Received  time.Time `json:"received"`
	// Recipients are those that fit the question, and at most maxLineRecipients.
	Recipients []LineRecipient `json:"recipients"`
	More       int             `json:"more"` // other recipients
}

// A LineRecipient is where a message stands for one recipient.
type LineRecipient struct {
	Address string `json:"address"`
	State   string `json:"state"`
	Reason  string `json:"reason"`
}

// Bounds of an answer, so that a stranger who has used one Message-ID or recipient
// for everything does not make it endless.
const (
	maxLives          = 20 // of one Message-ID
	maxPage           = 500
	maxLooked         = 5000 // tracks read for one page; fewer of many recipients
	maxLineRecipients = 10
	maxMessageID      = 300
)

func (s *Service) handleTracks(mux *http.ServeMux) {
	handle(mux, commandBytes, "track", s.track)
	handle(mux, commandBytes, "track/list", s.listTracks)
}

// track finds a message by our own id or by its Message-ID, with or without angle
// brackets.
func (s *Service) track(ctx context.Context, in MessageName) (found Lives, err error) {
	id := strings.TrimSpace(in.ID)
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		tracks, left, err := findTracks(tx, id)
		if err != nil {
			return err
		}
		found = Lives{Left: left}
		for _, t := range tracks {
			events, err := tx.Events(t.ID)
			if err != nil {
				return err
			}
			found.Lives = append(found.Lives, plainLife(Life{t, events}))
		}
		return nil
	})
	if err == nil && len(found.Lives) == 0 {
		err = noMessage(id)
	}
	return found, err
}

func noMessage(id string) *Error {
	return &Error{Kind: Negative, Message: "there is no message " + id,
		Hint: "give the Message-ID, or the id that the server answered; postern track --address lists those of an address"}
}

// findTracks returns the tracks that an id names, in the order of Lives, and how many
// are left out: a stranger may have sent any number under a Message-ID of ours, and is
// in the way of nothing that we sent or believed.
func findTracks(tx store.Tx, id string) (found []store.Track, left int, err error) {
	t, err := tx.Track(store.TrackID(strings.ToUpper(id)))
	if err == nil {
		return []store.Track{t}, 0, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, 0, err
	}
	for _, class := range store.TrackClasses() {
		err := tx.EachTrack(store.TrackQuery{MessageID: bracketed(id), Class: class}, func(t store.Track) bool {
			if len(found) < maxLives {
				found = append(found, t)
			} else {
				left++
			}
			return left < MostLeft
		})
		if err != nil || left == MostLeft {
			return found, left, err
		}
	}
	return found, left, nil
}

func bracketed(id string) string {
	if strings.HasPrefix(id, "<") {
		return id
	}
	return "<" + id + ">"
}

// plainLife makes what strangers wrote fit to be shown.
func plainLife(l Life) Life {
	l.MessageID = plain(l.MessageID, maxMessageID)
	for i := range l.Recipients {
		l.Recipients[i].Detail = plain(l.Recipients[i].Detail, store.MaxEventDetail)
	}
	for i := range l.Events {
		l.Events[i].Detail = plain(l.Events[i].Detail, store.MaxEventDetail)
	}
	return l
}

// listTracks returns a page of messages.
func (s *Service) listTracks(ctx context.Context, in TrackQuery) (TrackPage, error) {
	f, err := newTrackFilter(in)
	if err != nil {
		return TrackPage{}, err
	}
	page := TrackPage{}
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		page = TrackPage{Tracks: []TrackLine{}}
		looked := 0
		return tx.EachTrack(f.query, func(t store.Track) bool {
			line, ok := f.line(t)
			if ok {
				page.Tracks = append(page.Tracks, line)
			}
			looked += 1 + len(t.Recipients)/10 // what reading it costs
			if looked < maxLooked && len(page.Tracks) < f.limit {
				return true
			}
			page.After = string(t.ID)
			return false
		})
	})
	return page, err
}

// A trackFilter is a TrackQuery that was understood.
type trackFilter struct {
	query  store.TrackQuery
	state  store.TrackState
	reason string
	way    string
	limit  int
}

func newTrackFilter(in TrackQuery) (trackFilter, error) {
	f := trackFilter{
		query: store.TrackQuery{Since: in.Since, Until: in.Until, After: store.TrackID(in.After)},
		state: store.TrackState(in.State), reason: in.Reason, way: in.Way, limit: in.Limit,
	}
	if in.MessageID != "" {
		f.query.MessageID = bracketed(strings.TrimSpace(in.MessageID))
	}
	if in.Address != "" {
		a, err := mime.ParseAddress(in.Address)
		if err != nil {
			return f, err
		}
		f.query.Address = a
	}
	if in.State != "" && !slices.Contains(store.TrackStates(), f.state) {
		return f, invalid(fmt.Errorf("%q is no state of a message", in.State), "the states are "+joinStates())
	}
	if in.Reason != "" {
		_, err := reason.Parse(in.Reason)
		if err != nil {
			return f, invalid(err, "docs/reference.md lists the reasons")
		}
	}
	if in.Way != "" && in.Way != WayIn && in.Way != WayOut {
		return f, invalid(fmt.Errorf("%q is no way of a message", in.Way), "in or out")
	}
	if f.limit < 1 || f.limit > maxPage {
		f.limit = maxPage
	}
	return f, nil
}

func joinStates() string {
	var all []string
	for _, s := range store.TrackStates() {
		all = append(all, string(s))
	}
	return strings.Join(all, ", ")
}

// line tells of a message if it fits.
func (f trackFilter) line(t store.Track) (TrackLine, bool) {
	l := TrackLine{
		ID: string(t.ID), MessageID: plain(t.MessageID, maxMessageID), Way: WayIn, Automatic: t.Automatic,
		Sender: t.Sender.String(), Size: t.Size, Received: t.Received, Recipients: []LineRecipient{},
	}
	if t.Outbound {
		l.Way = WayOut
	}
	if f.way != "" && f.way != l.Way {
		return l, false
	}
	a := f.query.Address
	anybody := a.IsZero() || t.Sender.Same(a) || t.Account.Same(a) || t.Author.Same(a)
	for _, r := range t.Recipients {
		fits := (anybody || r.Address.Same(a)) && (f.state == "" || r.State == f.state) && (f.reason == "" || r.Reason == f.reason)
		if !fits || len(l.Recipients) == maxLineRecipients {
			continue
		}
		l.Recipients = append(l.Recipients, LineRecipient{r.Address.String(), string(r.State), r.Reason})
	}
	l.More = len(t.Recipients) - len(l.Recipients)
	return l, len(l.Recipients) > 0
}

// Tracks lists messages, the newest first and at most in.Limit; more says that there
// may be others.
func (c *Client) Tracks(ctx context.Context, in TrackQuery) (all []TrackLine, more bool, err error) {
	all = []TrackLine{}
	for limit := in.Limit; ; {
		in.Limit = limit - len(all)
		page, err := call[TrackQuery, TrackPage](ctx, c, "track/list", in)
		if err != nil {
			return nil, false, err
		}
		all, in.After = append(all, page.Tracks...), page.After
		if in.After == "" || len(all) >= limit {
			return all, in.After != "", nil
		}
	}
}
