package control

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"postern/store"
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

func (s *Service) handleMessages(mux *http.ServeMux) {
	handle(mux, commandBytes, "lookup", s.lookup)
	handle(mux, commandBytes, "track", s.track)
	handle(mux, commandBytes, "queue/list", s.listQueue)
}

// track finds a message by our own id or by its Message-ID, with or without
// angle brackets.
func (s *Service) track(ctx context.Context, in MessageName) ([]Life, error) {
	id := strings.TrimSpace(in.ID)
	var lives []Life
	err := s.Core.Store.View(ctx, func(tx store.Tx) error {
		tracks, err := findTracks(tx, id)
		if err != nil {
			return err
		}
		lives = nil
		for _, t := range tracks {
			events, err := tx.Events(t.ID)
			if err != nil {
				return err
			}
			lives = append(lives, Life{t, events})
		}
		return nil
	})
	if err == nil && len(lives) == 0 {
		err = &Error{Kind: Negative, Message: "there is no message " + id, Hint: "give the Message-ID, or the id that the server answered"}
	}
	return lives, err
}

func findTracks(tx store.Tx, id string) ([]store.Track, error) {
	t, err := tx.Track(store.TrackID(id))
	if err == nil {
		return []store.Track{t}, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if !strings.HasPrefix(id, "<") {
		id = "<" + id + ">"
	}
	return tx.TracksByMessageID(id)
}

func (s *Service) listQueue(ctx context.Context, _ None) (jobs []store.Job, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		jobs = []store.Job{}
		return tx.EachJob(func(j store.Job) bool {
			jobs = append(jobs, j)
			return len(jobs) < maxListed
		})
	})
	return jobs, err
}

// maxListed bounds a listing.
const maxListed = 100_000
