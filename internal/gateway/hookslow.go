package gateway

import (
	"maps"
	"strings"
	"sync"
	"time"

	"postern/mime"
	"postern/store"
)

// Who has a hook that takes longer than slowHook to answer, or never does, keeps a place at
// its host for no use of others'. Until slowMemory has gone by without that, the events of
// all hooks of that account have slowAtHost of the places at a host together with those of
// others like it, so that some are left at each moment for those that answer. To answer at
// once in between helps nobody: it would be enough for the next long wait.
const (
	slowHook   = time.Second
	slowAtHost = hooksAtHost - 2
)

// SlowHooks are the accounts of which a hook was slow, with when that was last, by the
// steady clock. They are known in memory alone, as a limit of rates is. The zero value is
// ready for use.
type slowHooks struct {
	mu   sync.Mutex
	last map[string]time.Time // by flowOf
}

// note remembers that an attempt of an account took so long.
func (s *slowHooks) note(account string, took time.Duration, now time.Time) {
	if took < slowHook {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		s.last = make(map[string]time.Time)
	}
	maps.DeleteFunc(s.last, func(_ string, last time.Time) bool { return now.Sub(last) > slowMemory })
	s.last[account] = now
}

// has reports whether an account is one of them.
func (s *slowHooks) has(account string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.last[account]
	return ok && now.Sub(last) <= slowMemory
}

// toHooks limits who tells web hooks: at one host one event of an account at a time, so
// that those of a hook come in their order as far as all are taken; a few of one account;
// and some more at one host, whatever accounts point there, of which those that are slow
// leave some to the others. Notices of mail wait behind none of them.
func (c *Core) toHooks() (workers int, l store.Limits) {
	workers, l = outward(hooksAtHost)
	l.Flow, l.Moving = hooksOfAccount, true
	l.Lane = func(lane string) []store.Slot { return hookSlots(lane, c.slowHooks.has(hookAccount(lane), c.Steady())) }
	return workers, l
}

// hookSlots is what an event of a hook takes room in, narrowest first.
func hookSlots(lane string, slow bool) []store.Slot {
	host := hostOf(lane)
	zone := zoneOf(mime.Domain(host))
	slots := []store.Slot{{Name: "account " + hookAccount(lane) + " at " + host, Width: 1}}
	if slow {
		slots = append(slots, store.Slot{Name: "slow at " + host, Width: slowAtHost})
	}
	slots = append(slots, store.Slot{Name: "host " + host, Width: hooksAtHost})
	if slow {
		slots = append(slots, store.Slot{Name: "slow in zone " + zone, Width: zoneDomains * slowAtHost})
	}
	return append(slots, store.Slot{Name: "zone " + zone, Width: zoneDomains * hooksAtHost})
}

// hookAccount is whose a hookLane is.
func hookAccount(lane string) string {
	_, whose, _ := strings.Cut(lane, " of ")
	return strings.TrimSuffix(whose, " at "+hostOf(lane))
}
