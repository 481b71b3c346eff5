package evidence

import (
	"fmt"
	"time"

	"postern/trust/reason"
)

// A host is a server, by scheme, name and port. What fails at one document
// tells something of all the others of its side there.
type host struct {
	running, queued int // fetches
	// trouble counts documents that had no answer at all.
	trouble trouble
	failed  map[key]bool // at most deadAfter of them
	// late is when a fetch last took longer than the budget. Until the host has
	// answered something, nobody waits for it any more.
	late time.Time
}

func (h *host) busy() bool { return h.running+h.queued > 0 }

// deadAfter is the number of documents that a host must have left unanswered to
// count as dead. Then one fetch at a time is tried there, after pauses.
const deadAfter = 2

func (h *host) dead(now time.Time) bool { return len(h.failed) >= deadAfter && h.trouble.known(now) }

// closed reports whether a fetch would be in vain.
func (h *host) closed(now time.Time) bool {
	return h.dead(now) && (h.trouble.paused(now) || h.busy())
}

// slow reports whether nobody should wait for a fetch from here.
func (h *host) slow(now time.Time) bool {
	return h.dead(now) || !h.late.IsZero() && now.Before(h.late.Add(forgetAfter))
}

// answered is for any answer, be it a refusal.
func (h *host) answered() { h.trouble, h.failed, h.late = trouble{}, nil, time.Time{} }

func (h *host) unanswered(k key, now time.Time, err error) {
	if h.failed == nil {
		h.failed = make(map[key]bool, deadAfter)
	}
	if len(h.failed) < deadAfter {
		h.failed[k] = true
	}
	h.trouble.add(now, err, true)
}

// idle reports whether there is nothing to remember.
func (h *host) idle(now time.Time) bool {
	return !h.busy() && !h.trouble.known(now) && !h.slow(now)
}

// story tells of a host that is closed.
func (h *host) story() error {
	return fmt.Errorf("the server has not answered since %s: %w", reason.Date(h.trouble.since), h.trouble.err)
}

// hosts are those that something is known of, by their origin.
type hosts map[string]*host

const maxHosts = 10_000

// at returns what is known of a host.
func (all hosts) at(origin string, now time.Time) *host {
	h := all[origin]
	if h == nil {
		if len(all) >= maxHosts {
			all.forget(now)
		}
		h = &host{}
		all[origin] = h
	}
	return h
}

// forget makes room: of the idle ones all are forgotten, of the others as many
// as must be.
func (all hosts) forget(now time.Time) {
	for origin, h := range all {
		if h.idle(now) {
			delete(all, origin)
		}
	}
	for origin, h := range all {
		if len(all) < maxHosts*3/4 {
			return
		}
		if !h.busy() {
			delete(all, origin)
		}
	}
}
