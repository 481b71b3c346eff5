package gateway

import (
	"context"
	"sync"
	"time"

	"postern/internal/admit"
	"postern/smtp"
	"postern/store"
	"postern/trust/reason"
)

// What a network of strangers may have us keep. The answer at the door never
// depends on what was believed, so all of its mail counts alike.
const (
	// networkMinutes is how many times limits.peer_messages one network, with all
	// of its addresses, may send in a day: each message leaves a track and records
	// in the audit trail, which stay long.
	networkMinutes = 240
	// strangersShare is what part of limits.queue_bytes one network may have
	// waiting to be opened.
	strangersShare = 4
	// recountEvery is how often that is counted, while there is so much of it that
	// it matters, and recountPage how many jobs are looked at in one snapshot.
	recountEvery = 30 * time.Second
	recountPage  = 2000
)

// networkOf names where a message of the backbone comes from: its jobs' Flow.
func networkOf(e smtp.Envelope) string { return admit.Network(e.Remote.Addr()).String() }

// networkRoom puts off the mail of a network that has sent too much in a day, or of
// which too much waits already: one stranger does not fill the store for all.
func (b Backbone) networkRoom(ctx context.Context, e smtp.Envelope) error {
	network := networkOf(e)
	if !b.rates.networks.Allows(b.Steady(), network) {
		b.limited.networks.Add(1)
		return reason.New(reason.RateLimited, "%d times limits.peer_messages in a day of %s", networkMinutes, network)
	}
	return b.unopenedRoom(ctx, network)
}

// unopenedRoom counts nothing while all strangers together have less waiting than
// one may.
func (b Backbone) unopenedRoom(ctx context.Context, network string) error {
	most := b.QueueBytes / strangersShare
	if most == 0 {
		return nil
	}
	all, err := b.UnderWay(ctx)
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	if all[store.OpenJob].Bytes <= most {
		return nil
	}
	n, err := b.unopened.of(network, b.Steady(), func() (map[string]int64, error) { return b.countUnopened(ctx) })
	if err != nil {
		return reason.New(reason.Internal, "%w", err)
	}
	if n > most {
		b.limited.unopened.Add(1)
		return reason.New(reason.RateLimited, "%d bytes from %s wait to be opened", n, network)
	}
	return nil
}

// unopened is how many bytes of mail wait to be opened, by Job.Flow. What was
// opened is not taken off: all is counted anew now and then.
type unopened struct {
	mu       sync.Mutex
	counting bool
	counted  time.Time
	bytes    map[string]int64
}

// add counts a message that was taken.
func (u *unopened) add(network string, size int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.bytes != nil {
		u.bytes[network] += size
	}
}

// of returns what a network has waiting. When the count is old one caller counts
// anew, and the others go by the old one.
func (u *unopened) of(network string, now time.Time, count func() (map[string]int64, error)) (int64, error) {
	if u.begin(now) {
		bytes, err := count()
		u.end(bytes, now)
		if err != nil {
			return 0, err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes[network], nil
}

func (u *unopened) begin(now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.counting || u.bytes != nil && now.Sub(u.counted) < recountEvery {
		return false
	}
	u.counting = true
	return true
}

func (u *unopened) end(bytes map[string]int64, now time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.counting = false
	if bytes != nil {
		u.bytes, u.counted = bytes, now
	}
}

func (c *Core) countUnopened(ctx context.Context) (map[string]int64, error) {
	bytes, next := make(map[string]int64), store.JobID(0)
	for {
		seen := 0
		err := c.Store.View(ctx, func(tx store.Tx) error {
			return tx.EachJob(next, func(j store.Job) bool {
				if j.Kind == store.OpenJob {
					bytes[j.Flow] += j.Size
				}
				next = j.ID + 1
				seen++
				return seen < recountPage
			})
		})
		if err != nil {
			return nil, err
		}
		if seen < recountPage {
			return bytes, nil
		}
	}
}
