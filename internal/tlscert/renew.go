package tlscert

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
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
	Since    time.Time `json:"since"` // of the first
	At       time.Time `json:"at"`    // of the last
	// Limit is how long the authority itself wants to be left alone from then on.
	Limit time.Duration `json:"limit,omitempty"`
}

// until is when the authority may be asked again. It is soon where there is no
// certificate to go on with, also if there was one when the last attempt failed.
func (t trouble) until(bare bool) time.Time {
	most := mostWait
	switch {
	case t.Failures == 0:
		return time.Time{}
	case bare:
		most = bareWait
	}
	wait := min(firstWait<<min(t.Failures-1, 10), most)
	return t.At.Add(max(wait, min(t.Limit, longestWait)))
}

// asked is a hash of all that decides what an authority says.
func (i *Issuer) asked() string {
	var binding Binding
	if i.Binding != nil {
		binding = *i.Binding
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %t %q %x %q %q", i.Directory, i.Challenge, i.Terms, binding.KeyID, binding.Key, i.Contact, i.Hosts))
	return hex.EncodeToString(sum[:])
}

// heeded is a trouble that was found in the Cache, or none if it is of another
// configuration or of a clock that was wrong.
func (i *Issuer) heeded(t trouble) trouble {
	if t.Asked != i.asked() || i.isAhead(t.At) {
		return trouble{}
	}
	return t
}

// isAhead reports whether what is noted of the past was noted by a clock that was ahead.
func (i *Issuer) isAhead(at time.Time) bool { return at.After(i.Now().Add(clockSkew)) }

// renewAt is when a certificate is to be replaced: after two thirds of its life, and of
// one that lives for less than ten days after half of it. There is time for many tries.
// Its life begins when we got it, or a clock of ours that is ahead would have it replaced
// at once, and again and again.
func renewAt(leaf *x509.Certificate, got time.Time) time.Time {
	begin := leaf.NotBefore
	if got.After(begin) {
		begin = got
	}
	part := leaf.NotAfter.Sub(begin) / 3 * 2
	if leaf.NotAfter.Sub(leaf.NotBefore) < 10*day {
		part = leaf.NotAfter.Sub(begin) / 2
	}
	return begin.Add(max(part, firstWait))
}

// lateAt is when half of the time for tries is over.
func lateAt(leaf *x509.Certificate, got time.Time) time.Time {
	at := renewAt(leaf, got)
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
	return renewAt(i.pair.Leaf, i.got)
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

// waiting is when the authority may be asked again.
func (i *Issuer) waiting() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.trouble.until(i.bare())
}

// bare reports whether there is no certificate of the authority that is good.
func (i *Issuer) bare() bool { return i.pair == nil || !goodAt(i.pair.Leaf, i.Now()) }

// fail notes a failure and returns when to try again.
func (i *Issuer) fail(ctx context.Context, why error) time.Time {
	i.mu.Lock()
	t := &i.trouble
	t.At, t.Asked = i.Now(), i.asked()
	if t.Failures == 0 {
		t.Since = t.At
	}
	t.Failures++
	t.Limit, _ = acme.RateLimit(why)
	i.failed++
	record, again := *t, t.until(i.bare())
	i.mu.Unlock()
	err := put(ctx, i.Cache, nameTrouble, record, "")
	if err != nil {
		i.Log.Error("the failure of an order cannot be noted", "err", err)
	}
	return again
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
