package gateway

import (
	"errors"

	"postern/httpedge"
	"postern/internal/metrics"
	"postern/pickup"
	"postern/pickup/pop3"
	"postern/smtp"
)

// A listenerReading is what one listener of mail or mailboxes has done.
type listenerReading struct {
	name        string
	connections int
	turnedAway  uint64
	errors      uint64
	mail        bool   // not mailboxes
	hungUp      uint64 // of mail
}

// addLimits tells what the limits did: who was turned away, slowed and put off.
func (g *Gateway) addLimits(r *metrics.Registry) error {
	type all = []listenerReading
	perListener := func(name, help string, kind metrics.Kind, value func(l listenerReading) float64) metrics.Series[all] {
		return metrics.Series[all]{Name: name, Help: help, Kind: kind, Labels: []string{"listener"}, Samples: func(read all) []metrics.Sample {
			var samples []metrics.Sample
			for _, l := range read {
				samples = append(samples, metrics.Sample{Labels: []string{l.name}, Value: value(l)})
			}
			return samples
		}}
	}
	return errors.Join(
		metrics.Add(r, g.readListeners,
			perListener("connections", "Connections of mail and mailboxes.", metrics.Gauge,
				func(l listenerReading) float64 { return float64(l.connections) }),
			perListener("connections_turned_away_total", "Connections of mail and mailboxes above limits.connections, limits.connections_per_ip or limits.peer_connections.", metrics.Counter,
				func(l listenerReading) float64 { return float64(l.turnedAway) }),
			perListener("client_errors_total", "Refusals and commands for nothing, by which sessions are slowed and ended.", metrics.Counter,
				func(l listenerReading) float64 { return float64(l.errors) }),
			metrics.Series[all]{Name: "connections_hung_up_total", Help: "Connections of mail that were ended for too many errors.", Kind: metrics.Counter, Labels: []string{"listener"}, Samples: func(read all) []metrics.Sample {
				var samples []metrics.Sample
				for _, l := range read {
					if l.mail {
						samples = append(samples, metrics.Sample{Labels: []string{l.name}, Value: float64(l.hungUp)})
					}
				}
				return samples
			}},
		),
		metrics.Add(r, func() *limited { return &g.limited },
			metrics.Series[*limited]{Name: "limited_total", Help: "Messages and logins that were put off, by the limit.", Kind: metrics.Counter,
				Labels: []string{"limit"}, Samples: func(l *limited) []metrics.Sample { return l.samples() }},
		),
	)
}

func (l *limited) samples() []metrics.Sample {
	return []metrics.Sample{
		{Labels: []string{"passwords"}, Value: float64(l.passwords.Load())},
		{Labels: []string{"account_messages"}, Value: float64(l.messages.Load())},
		{Labels: []string{"account_recipients"}, Value: float64(l.recipients.Load())},
		{Labels: []string{"peer_messages"}, Value: float64(l.peers.Load())},
		{Labels: []string{"network_messages"}, Value: float64(l.networks.Load())},
		{Labels: []string{"network_bytes"}, Value: float64(l.unopened.Load())},
		{Labels: []string{"room"}, Value: float64(l.room.Load())},
	}
}

func (g *Gateway) readListeners() []listenerReading {
	var all []listenerReading
	for _, l := range g.listeners {
		switch s := l.server.(type) {
		case *smtp.Server:
			n := s.Stats()
			all = append(all, listenerReading{name: l.name, connections: n.Connections, turnedAway: n.TurnedAway, errors: n.Errors, mail: true, hungUp: n.HungUp})
		case *pickup.Server:
			n := s.Stats()
			all = append(all, listenerReading{name: l.name, connections: n.Connections, turnedAway: n.TurnedAway, errors: n.Errors})
		case *httpedge.Server:
			n := s.Stats()
			all = append(all, listenerReading{name: l.name, connections: n.Connections, turnedAway: n.TurnedAway, errors: n.Errors})
		case *pop3.Server:
			n := s.Stats()
			all = append(all, listenerReading{name: l.name, connections: n.Connections, turnedAway: n.TurnedAway, errors: n.Errors})
		}
	}
	return all
}
