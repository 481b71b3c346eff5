package tlscert

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/crypto/acme"
)

const (
	// firstWait is how long after a failure the authority is asked again; it doubles
	// with each, to mostWait. Authorities allow a few failures an hour.
	firstWait = 5 * time.Minute
	mostWait  = 12 * time.Hour
	// bareWait is the most while no certificate of the authority is good.
	bareWait = time.Hour
	// longestWait bounds what an authority may ask for.
	longestWait = 7 * day
	// orderTime bounds one order.
	orderTime = 10 * time.Minute
	// lookEvery is how often is looked whether it is time: the wall clock may be set.
	lookEvery = time.Hour
	day       = 24 * time.Hour
)

// A trouble is what stands between us and a new certificate, as the Cache has it, so
// that a restart asks no sooner.
type trouble struct {
	Asked    string    `json:"asked"` // what was asked for: other questions get other answers
	Failures int       `json:"failures"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until"` // before it nobody is asked
}

// asked is all that decides what an authority says.
func (i *Issuer) asked() string {
	binding := ""
	if i.Binding != nil {
		binding = i.Binding.KeyID
	}
	return fmt.Sprintf("%q", append([]string{i.Directory, i.Challenge, strconv.FormatBool(i.Terms), binding}, i.Hosts...))
}

// heeded is a trouble that was found in the Cache, or none if it is of another
// configuration or of a clock that was wrong.
func (i *Issuer) heeded(t trouble) trouble {
	if t.Asked != i.asked() || t.Until.After(i.Now().Add(longestWait)) {
		return trouble{}
	}
	return t
}

// renewAt is when a certificate is to be replaced: after two thirds of its life, and of
// one that lives for less than ten days after half of it. There is time for many tries.
func renewAt(leaf *x509.Certificate) time.Time {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	if life < 10*day {
		return leaf.NotBefore.Add(life / 2)
	}
	return leaf.NotBefore.Add(life / 3 * 2)
}

// lateAt is when half of the time for tries is over.
func lateAt(leaf *x509.Certificate) time.Time {
	at := renewAt(leaf)
	return at.Add(leaf.NotAfter.Sub(at) / 2)
}

// due is when the next order is to be made: the zero time is at once.
func (i *Issuer) due() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.pair == nil || i.from != i.Directory {
		return time.Time{}
	}
	for _, host := range i.Hosts {
		if i.pair.Leaf.VerifyHostname(host) != nil {
			return time.Time{}
		}
	}
	return renewAt(i.pair.Leaf)
}

// Renew orders a certificate if it is time to, and returns when to come again. The error
// says why there is none; the one before it serves on.
func (i *Issuer) Renew(ctx context.Context) (time.Time, error) {
	err := i.Load(ctx)
	if err != nil {
		return i.Now().Add(firstWait), err
	}
	now, due := i.Now(), i.due()
	if now.Before(due) {
		return due, nil
	}
	if wait := i.waiting(); now.Before(wait) {
		return wait, nil
	}
	ordering, cancel := context.WithTimeout(ctx, orderTime)
	defer cancel()
	err = i.order(ordering)
	switch {
	case ctx.Err() != nil:
		return now.Add(firstWait), ctx.Err()
	case err != nil:
		return i.fail(ctx, err), err
	}
	return i.succeed(ctx)
}

func (i *Issuer) waiting() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.trouble.Until
}

// fail notes a failure and returns when to try again.
func (i *Issuer) fail(ctx context.Context, why error) time.Time {
	i.mu.Lock()
	now := i.Now()
	t := &i.trouble
	if t.Failures == 0 {
		t.Since = now
	}
	most := mostWait
	if i.pair == nil || !goodAt(i.pair.Leaf, now) {
		most = bareWait
	}
	wait := min(firstWait<<min(t.Failures, 10), most)
	after, limited := acme.RateLimit(why)
	if limited {
		wait = min(max(wait, after), longestWait)
	}
	t.Asked = i.asked()
	t.Failures++
	t.Until = now.Add(wait)
	i.failed++
	record := *t
	i.mu.Unlock()
	err := put(ctx, i.Cache, nameTrouble, record, "")
	if err != nil {
		i.Log.Error("the failure of an order cannot be noted", "err", err)
	}
	return record.Until
}

func (i *Issuer) succeed(ctx context.Context) (time.Time, error) {
	err := errors.Join(i.Cache.Remove(ctx, nameTrouble), i.Load(ctx))
	i.mu.Lock()
	i.orders++
	i.mu.Unlock()
	if err != nil {
		return i.Now().Add(firstWait), err
	}
	return i.due(), nil
}

// Run renews the certificate until ctx is done.
func (i *Issuer) Run(ctx context.Context) {
	for {
		next, err := i.Renew(ctx)
		if err != nil && ctx.Err() == nil {
			i.Log.Error("no certificate for the listeners over ACME, the one before it serves on", "err", err, "again", next.UTC().Format(time.RFC3339))
		}
		timer := time.NewTimer(min(max(next.Sub(i.Now()), time.Second), lookEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}
