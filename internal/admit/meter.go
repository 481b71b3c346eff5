package admit

import (
	"cmp"
	"container/list"
	"sync"
	"time"
)

// maxMetered is the default of Meter.most. One that is known takes about 200 octets.
const maxMetered = 20_000

// A Meter counts what each of many has done: Burst at once after silence, and in
// the long run Burst in each Per. What is counted stays so but for what Return takes back:
// one may owe as much as Burst, and has nothing before that is paid. The zero Meter has
// no limit.
//
// It remembers 20,000 of those that it counted last. Where a stranger can be as many
// as he likes, he is forgotten by that, so what strangers send from one address of
// their own choosing is for a Limiter.
type Meter[K comparable] struct {
	Burst int
	Per   time.Duration

	most  int // maxMetered, if 0
	mu    sync.Mutex
	known map[K]*list.Element
	order list.List // of *metered[K], the latest first
}

type metered[K comparable] struct {
	who K
	bucket
}

func (m *Meter[K]) fill() fill {
	return fill{float64(m.Burst) / m.Per.Seconds(), float64(m.Burst)}
}

// Allows reports whether all of them have something left.
func (m *Meter[K]) Allows(now time.Time, all ...K) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, who := range all {
		if !m.allows(now, who) {
			return false
		}
	}
	return true
}

func (m *Meter[K]) allows(now time.Time, who K) bool {
	e, ok := m.known[who]
	if !ok || m.Burst == 0 {
		return true
	}
	k := e.Value.(*metered[K])
	k.bucket = m.fill().refill(k.bucket, now)
	return k.left >= 1
}

// Count counts n for each of them, whether they have it or not.
func (m *Meter[K]) Count(now time.Time, n int, all ...K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, who := range all {
		m.count(now, n, who)
	}
}

// Take counts one, if there is one left.
func (m *Meter[K]) Take(now time.Time, who K) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.allows(now, who) {
		return false
	}
	m.count(now, 1, who)
	return true
}

// Return takes back one that Take counted.
func (m *Meter[K]) Return(now time.Time, who K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.known[who]
	if !ok {
		return
	}
	k := e.Value.(*metered[K])
	k.bucket = m.fill().refill(k.bucket, now)
	k.left = min(k.left+1, float64(m.Burst))
}

func (m *Meter[K]) count(now time.Time, n int, who K) {
	if m.Burst == 0 {
		return
	}
	k := m.entry(now, who)
	k.bucket = m.fill().refill(k.bucket, now)
	k.left = max(k.left-float64(n), -float64(m.Burst))
}

func (m *Meter[K]) entry(now time.Time, who K) *metered[K] {
	if m.known == nil {
		m.known = make(map[K]*list.Element)
	}
	e, ok := m.known[who]
	if ok {
		m.order.MoveToFront(e)
		return e.Value.(*metered[K])
	}
	for m.order.Len() >= cmp.Or(m.most, maxMetered) {
		last := m.order.Remove(m.order.Back()).(*metered[K])
		delete(m.known, last.who)
	}
	k := &metered[K]{who, bucket{float64(m.Burst), now}}
	m.known[who] = m.order.PushFront(k)
	return k
}

// Forget gives one all that it can have.
func (m *Meter[K]) Forget(who K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.known[who]
	if ok {
		m.order.Remove(e)
		delete(m.known, who)
	}
}
