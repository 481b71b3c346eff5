package gateway

import "sync/atomic"

// counts are what the gateway counts since it was started, for the metrics.
type counts struct {
	overdue    atomic.Uint64 // recipients whose notifications did not come in time
	suppressed atomic.Uint64 // notifications that were not shown, by their addressees
	hidden     atomic.Uint64 // the same, as the configuration wants it
}
