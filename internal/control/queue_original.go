package control

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"postern/internal/cms/smime"
	"postern/internal/gateway"
	"postern/mime"
	"postern/store"
)

// A TakenOriginal is the sealed message of a job as it was handed out, with what is
// known of its envelope.
type TakenOriginal struct {
	Job        store.JobID    `json:"job"`
	Track      store.TrackID  `json:"track"`
	Sender     mime.Address   `json:"sender"` // zero is the null reverse-path
	Recipients []mime.Address `json:"recipients"`
	Bytes      int64          `json:"bytes"`
}

// takeOriginal writes the sealed message of a job to w. That it is taken is recorded
// before: what cannot be recorded is not given.
func (s *Service) takeOriginal(ctx context.Context, w io.Writer, in MessageName, _ smime.Source) (TakenOriginal, error) {
	id := strings.TrimSpace(in.ID)
	j, err := s.sealedJob(ctx, id)
	if err != nil {
		return TakenOriginal{}, err
	}
	src, err := s.Core.Original(ctx, j)
	if errors.Is(err, gateway.ErrNotSealed) {
		return TakenOriginal{}, &Error{Kind: Negative, Message: id + ": its message does not lie encrypted, and is not given out"}
	}
	if err != nil {
		return TakenOriginal{}, err
	}
	err = s.noteTaking(ctx, j)
	if err != nil {
		return TakenOriginal{}, err
	}
	taken := TakenOriginal{Job: j.ID, Track: j.Track, Sender: j.Sender, Recipients: j.Recipients}
	r, err := src.Open()
	if err == nil {
		taken.Bytes, err = io.Copy(w, r)
	}
	return taken, err
}

// sealedJob returns the one job with a sealed message that an id names.
func (s *Service) sealedJob(ctx context.Context, id string) (store.Job, error) {
	jobs, err := s.jobsOf(ctx, id)
	if err != nil {
		return store.Job{}, err
	}
	sealed := slices.DeleteFunc(slices.Clone(jobs), func(j store.Job) bool { return !gateway.MayBeSealed(j) })
	if len(sealed) == 0 {
		return jobs[0], nil
	}
	if slices.ContainsFunc(sealed, func(j store.Job) bool { return j.Body != sealed[0].Body }) {
		return store.Job{}, &Error{
			Kind: Invalid, Message: "there are several sealed messages of " + id,
			Hint: "name one by the number of its job: postern queue show " + id,
		}
	}
	return sealed[0], nil
}
