package named

import (
	"net"
	"sync/atomic"
	"time"

	"postern/internal/admit"
)

// dropBeyond is the multiple of Options.Rate above which nothing is answered.
const dropBeyond = 10

// limits bound what goes to one network of clients. A UDP source can be forged:
// what is sent to it must not grow into a flood. Over TCP it is certain who asks,
// and that one must not try every name there might be.
type limits struct {
	udp, excess, tcp admit.Limiter
	slips            atomic.Uint64
}

// A share is how much of an answer a client gets.
type share int

const (
	whole share = iota
	cut         // truncated to nothing: a client that is one comes by TCP
	none
)

func (l *limits) set(o Options) {
	l.udp.Rate, l.excess.Rate, l.tcp.Rate = o.Rate, (dropBeyond-1)*o.Rate, o.RateTCP
}

// of returns the share of a client that asks now.
func (l *limits) of(client net.Addr, tcp bool, now time.Time) share {
	network := admit.Network(admit.AddrPort(client).Addr())
	switch {
	case tcp && l.tcp.Take(network, 1, now), !tcp && l.udp.Take(network, 1, now):
		return whole
	case !tcp && l.excess.Take(network, 1, now) && l.slips.Add(1)%2 == 1:
		return cut
	}
	return none
}
