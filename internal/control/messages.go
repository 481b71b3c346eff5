package control

import (
	"context"
	"net/http"

	"postern/store"
)

func (s *Service) handleMessages(mux *http.ServeMux) {
	handle(mux, commandBytes, "lookup", s.lookup)
	handle(mux, commandBytes, "queue/list", s.listQueue)
	s.handleTracks(mux)
}

func (s *Service) listQueue(ctx context.Context, _ None) (jobs []store.Job, err error) {
	err = s.Core.Store.View(ctx, func(tx store.Tx) error {
		jobs = []store.Job{}
		return tx.EachJob(0, func(j store.Job) bool {
			jobs = append(jobs, j)
			return len(jobs) < maxListed
		})
	})
	return jobs, err
}

// maxListed bounds a listing.
const maxListed = 100_000
