package gateway

import (
	"container/list"
	"sync"
	"time"
)

// How long a right password makes a client known for its account, and how many are
// remembered: beyond them the one that gave it the longest ago is forgotten.
const (
	knownFor = 7 * 24 * time.Hour
	maxKnown = 20_000
)

// known are clients that gave a right password lately: when many wait for a check
// they have their turns by account. The zero known is ready for use.
type known struct {
	mu    sync.Mutex
	all   map[guesser]*list.Element
	order list.List // of *acquaintance, the latest first
}

type acquaintance struct {
	who guesser
	at  time.Time // of the right password
}

func (k *known) add(now time.Time, who guesser) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.all == nil {
		k.all = make(map[guesser]*list.Element)
	}
	if e, ok := k.all[who]; ok {
		k.order.Remove(e)
	} else if len(k.all) >= maxKnown {
		delete(k.all, k.order.Remove(k.order.Back()).(*acquaintance).who)
	}
	k.all[who] = k.order.PushFront(&acquaintance{who, now})
}

func (k *known) has(now time.Time, who guesser) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e, ok := k.all[who]
	return ok && now.Sub(e.Value.(*acquaintance).at) < knownFor
}
