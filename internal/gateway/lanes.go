package gateway

import (
	"strings"

	"postern/mime"
	"postern/store"
)

// How many jobs of one kind are worked on at once: for one domain, so that a
// domain that does not answer holds up its own mail alone; for all domains that
// share their last two labels, which one owner may have as many of as he likes;
// and for one sender, who may write to as many as he likes. No pool is filled by
// one zone or by one sender.
const (
	defaultPerDestination = 8
	lookupWidth           = 8 // searches for one domain
	zoneDomains           = 4 // a zone may have as much as so many domains
	poolZones             = 4 // a pool has workers for so many zones
	poolSenders           = 2 // and for so many senders
	leastOfWorkers        = 128
	hooksOfAccount        = 4  // events for the web hooks of one account
	hooksAtHost           = 8  // and for all that are at one host
	watchers              = 64 // whose waits end together: they share commits
)

// outward limits a pool whose jobs wait for the domain that is their lane. Those
// without a lane wait for nobody: they are limited by their senders alone.
func outward(width int) (workers int, l store.Limits) {
	zone := zoneDomains * width
	workers = max(leastOfWorkers, poolZones*zone)
	return workers, store.Limits{Flow: workers / poolSenders, Lane: func(domain string) []store.Slot {
		if domain == "" {
			return nil
		}
		return []store.Slot{
			{Name: "domain " + domain, Width: width},
			{Name: "zone " + zoneOf(mime.Domain(domain)), Width: zone},
		}
	}}
}

// laneAt names what jobs wait for that go to a host as somebody's settings say.
func laneAt(whose, host string) string { return whose + " at " + host }

// hostOf is the host of a laneAt.
func hostOf(lane string) string { return lane[strings.LastIndex(lane, " ")+1:] }

// zoneOf returns the last two labels of a domain.
func zoneOf(d mime.Domain) string {
	labels := strings.Split(string(d), ".")
	return strings.Join(labels[max(0, len(labels)-2):], ".")
}

// flowOf is whose an outgoing message is.
func flowOf(sender mime.Address) string { return sender.Key() }
