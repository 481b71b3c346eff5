package evidence

import (
	"slices"
	"time"
)

// A lane is for fetches that share a bound.
type lane struct {
	wide int           // flights at the same time
	time time.Duration // that each may take, and may wait in the queue
	// hurried is what a flight may take when a quarter of the places is taken;
	// 0 is the same time.
	hurried time.Duration
	// newest is for a queue where first URLs go before second ones, and the last
	// to come before the others. What a flood has left there is given up when the
	// queue is full; who comes later does not wait behind it.
	newest  bool
	running int
	queue   []*flight
}

// Bounds on flights. Those of CRLs bound their memory: 8 times 32 MiB.
const (
	perHost    = 2
	maxQueue   = 1024 // flights that wait for a place, in each lane
	issuerWide = 128
	ocspWide   = 24
	crlWide    = 8
	loadWide   = 4
)

// Bounds on the time of one document. Servers that strangers name may hang to
// keep others from their places, and a certificate is small.
const (
	fetchTime     = 30 * time.Second
	issuerTime    = 10 * time.Second
	issuerHurry   = 3 * time.Second
	issuerConnect = 3 * time.Second
)

// The lanes of documents that come from the cache.
const (
	loads        kind = "load"
	strangeLoads kind = "load of issuers"
)

func newLanes() map[kind]*lane {
	return map[kind]*lane{
		issuers:      {wide: issuerWide, time: issuerTime, hurried: issuerHurry, newest: true},
		ocsps:        {wide: ocspWide, time: fetchTime},
		crls:         {wide: crlWide, time: fetchTime},
		loads:        {wide: loadWide, time: fetchTime},
		strangeLoads: {wide: loadWide, time: fetchTime},
	}
}

func (k *Keeper) laneOf(f *flight) *lane {
	switch {
	case !f.load:
		return k.lanes[f.entry.key.kind]
	case f.entry.key.kind == issuers:
		return k.lanes[strangeLoads]
	}
	return k.lanes[loads]
}

// add puts a flight into the queue, and returns one that has no room there any
// more, or nil.
func (l *lane) add(f *flight) *flight {
	at := len(l.queue)
	if l.newest {
		for at > 0 && l.queue[at-1].rank >= f.rank {
			at--
		}
	}
	l.queue = slices.Insert(l.queue, at, f)
	if len(l.queue) <= maxQueue {
		return nil
	}
	last := l.queue[maxQueue]
	l.queue = slices.Delete(l.queue, maxQueue, maxQueue+1)
	return last
}

// timeOfNext is what the flight may take that is started next.
func (l *lane) timeOfNext() time.Duration {
	if l.hurried > 0 && l.running >= l.wide/4 {
		return l.hurried
	}
	return l.time
}
