package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"postern/internal/audit"
	"postern/store"
)

// An AuditFilter says which records are shown. Zero fields leave none out.
type AuditFilter struct {
	Since   time.Time `json:"since"` // not before it
	Until   time.Time `json:"until"` // before it
	Actor   string    `json:"actor"` // all of it, or its kind, such as "operator"
	Action  string    `json:"action"`
	Track   string    `json:"track"`   // its id, or a Message-ID
	Address string    `json:"address"` // as actor, in the object or as a recipient
	Limit   int       `json:"limit"`   // the latest so many; 0 is all

	tracks []string // that Track names
}

// maxAuditLimit bounds the places that are held for a limit.
const maxAuditLimit = 1_000_000

// fits reports whether a record is one of those asked for.
func (f AuditFilter) fits(e audit.Entry) bool {
	kind, _, _ := strings.Cut(e.Actor, ":")
	switch {
	case !f.Since.IsZero() && e.At.Before(f.Since),
		!f.Until.IsZero() && !e.At.Before(f.Until),
		f.Actor != "" && f.Actor != e.Actor && f.Actor != kind,
		f.Action != "" && f.Action != string(e.Action),
		f.Track != "" && !slices.Contains(f.tracks, e.Track),
		f.Address != "" && !concerns(e, f.Address):
		return false
	}
	return true
}

// concerns reports whether a record names an address.
func concerns(e audit.Entry, address string) bool {
	for _, p := range e.Parts {
		if strings.EqualFold(p.Recipient, address) {
			return true
		}
	}
	for _, word := range strings.Fields(e.Object) {
		if strings.EqualFold(word, address) {
			return true
		}
	}
	return strings.EqualFold(e.Actor, audit.Account(address))
}

// nameTracks finds the tracks that a filter names, by the id of one, which may be
// forgotten, or by a Message-ID.
func (s *Service) nameTracks(ctx context.Context, f *AuditFilter) error {
	id := strings.TrimSpace(f.Track)
	f.tracks = []string{id, strings.ToUpper(id)}
	if !strings.Contains(id, "@") {
		return nil
	}
	var tracks []store.Track
	err := s.Core.Store.View(ctx, func(tx store.Tx) (err error) {
		tracks, _, err = findTracks(tx, id)
		return err
	})
	if err == nil && len(tracks) == 0 {
		err = noMessage(id)
	}
	for _, t := range tracks {
		f.tracks = append(f.tracks, string(t.ID))
	}
	return err
}

// auditAtOnce is how many records are read in one snapshot: a reader that is slow
// must not hold back the reuse of space.
const auditAtOnce = 500

// eachAudit calls fn with the records that fit, as they are stored.
func (s *Service) eachAudit(ctx context.Context, f AuditFilter, from uint64, fn func(number uint64, stored []byte) error) error {
	for {
		var numbers []uint64
		var found [][]byte
		read, last := 0, from
		err := s.Core.Store.View(ctx, func(tx store.Tx) error {
			numbers, found, read = nil, nil, 0
			return tx.EachAudit(from, func(number uint64, stored []byte) bool {
				read, last = read+1, number
				e, err := audit.ParseEntry(stored)
				// What cannot be read fits every question: it must not be overseen.
				if err != nil || f.fits(e) {
					numbers, found = append(numbers, number), append(found, append([]byte(nil), stored...))
				}
				return read < auditAtOnce
			})
		})
		if err != nil {
			return err
		}
		for i := range found {
			err := fn(numbers[i], found[i])
			if err != nil {
				return err
			}
		}
		if read < auditAtOnce {
			return nil
		}
		from = last + 1
	}
}

// firstOf returns the number from which on as many records fit as the limit says.
func (s *Service) firstOf(ctx context.Context, f AuditFilter) (uint64, error) {
	if f.Limit <= 0 {
		return 0, nil
	}
	latest := make([]uint64, 0, 64) // a ring once it is full
	seen := 0
	err := s.eachAudit(ctx, f, 0, func(number uint64, _ []byte) error {
		if len(latest) < f.Limit {
			latest = append(latest, number)
		} else {
			latest[seen%f.Limit] = number
		}
		seen++
		return nil
	})
	if err != nil || len(latest) == 0 {
		return 0, err
	}
	return latest[seen%len(latest)], nil
}

func listOf(all []audit.Action) string {
	var words []string
	for _, a := range all {
		words = append(words, string(a))
	}
	return strings.Join(words, ", ")
}

// shownTrailer says at the end of an answer that it is whole.
const shownTrailer = "Postern-Whole"

// showAudit writes the records that fit, one a line, octet for octet as they are
// stored.
func (s *Service) showAudit(w http.ResponseWriter, r *http.Request) {
	var f AuditFilter
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, commandBytes))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&f)
	if err != nil {
		writeError(w, unreadable(err))
		return
	}
	if f.Limit < 0 || f.Limit > maxAuditLimit {
		writeError(w, invalid(errors.New("the limit is a number from 1 to 1000000"), "leave it out for all records"))
		return
	}
	if f.Action != "" && !slices.Contains(audit.Actions(), audit.Action(f.Action)) {
		writeError(w, invalid(fmt.Errorf("there is no action %q", f.Action), "the actions are "+listOf(audit.Actions())))
		return
	}
	err = s.nameTracks(r.Context(), &f)
	if err != nil {
		writeError(w, refusal(err))
		return
	}
	from, err := s.firstOf(r.Context(), f)
	if err != nil {
		writeError(w, refusal(err))
		return
	}
	w.Header().Set("Trailer", shownTrailer)
	out := bufio.NewWriter(w)
	err = s.eachAudit(r.Context(), f, from, func(_ uint64, stored []byte) error {
		_, err := out.Write(append(stored, '\n'))
		return err
	})
	if err == nil {
		err = out.Flush()
	}
	if err != nil {
		s.Core.Log.Error("showing the audit trail failed", "err", err)
		return // without the trailer the client knows that it is not whole
	}
	w.Header().Set(shownTrailer, "yes")
}
