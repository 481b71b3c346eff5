package main

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"postern/internal/config"
	"postern/internal/gateway"
	"postern/internal/gateway/care"
	"postern/mime"
	"postern/store"
)

const crowdSize = 1 << 10 // octets of a message that waits for a dead destination

// crowd has so many sealed messages wait in a house that does not run.
func (h *house) crowd(ctx context.Context, n int) error {
	path := filepath.Join(h.dir, gateway.ConfigFile)
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	db, err := care.Open(ctx, cfg.Dir, time.Second, slog.Default())
	if err != nil {
		return err
	}
	sender, err := mime.ParseAddress(senderAddress)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	to, err := mime.ParseAddress("bob@" + deadRoute)
	const together = 500
	for i := 0; i < n && err == nil; i += together {
		err = crowdTogether(ctx, db, min(together, n-i), sender, to)
	}
	return errors.Join(err, db.Close())
}

// crowdTogether adds jobs, each with a body and a track, in one transaction.
func crowdTogether(ctx context.Context, db *store.DB, n int, sender, to mime.Address) error {
	bodies := make([]store.BodyWriter, n)
	defer func() {
		for _, w := range bodies {
			if w != nil {
				w.Discard()
			}
		}
	}()
	for i := range bodies {
		var err error
		bodies[i], err = db.NewBody(ctx)
		if err != nil {
			return err
		}
		_, err = bodies[i].Write(message(crowdSize))
		if err != nil {
			return err
		}
	}
	now := db.Steady()
	return db.Update(ctx, func(tx store.Tx) error {
		for _, w := range bodies {
			id, err := store.NewTrackID(now, nil)
			if err != nil {
				return err
			}
			err = tx.PutTrack(store.Track{
				ID: id, Era: store.Now, Outbound: true, Sender: sender, Received: now, Size: crowdSize,
				Recipients: []store.TrackRecipient{{Address: to, State: store.TrackSealed, Updated: now}},
			})
			if err != nil {
				return err
			}
			body, err := tx.PutBody(w)
			if err != nil {
				return err
			}
			_, err = tx.Enqueue(store.Job{
				Kind: store.RelayJob, Track: id, Era: store.Now, Body: body, Sender: sender, Recipients: []mime.Address{to}, Destination: deadRoute,
				Lane: deadRoute, Flow: sender.Key(), Created: now, Due: now, Expires: now.Add(72 * time.Hour),
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
